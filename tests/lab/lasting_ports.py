"""Ports of servers that are started again where they stood."""

import random
import socket
from contextlib import suppress
from pathlib import Path


def lasting_ports(count: int) -> list[int]:
    """Free ports below those that the kernel gives to outgoing connections: a dead member's must not be taken by one,
    not even by that of another member which is dialling it (a socket can connect to itself)."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(max(1024, lowest - 16000), lowest)
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            found.append(port)
    return found
