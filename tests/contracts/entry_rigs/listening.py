"""Members for the contract of entries: each accepts connections and sends its name."""

import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

from secops.model.cluster import Cluster, ClusterEntry, Member

SAY = """
import socket, sys, threading
def serve(client):
    with client:
        client.sendall(sys.argv[3].encode())
        client.recv(1)
listener = socket.create_server((sys.argv[1], int(sys.argv[2])))
print('up', flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""
"""The same as a program for another namespace."""


def say(name: str, address: str, port: int = 0) -> socket.socket:
    """A listener that says `name` to whoever comes, and goes when they go."""
    listener = socket.create_server((address, port))

    def serve(client: socket.socket) -> None:
        with suppress(OSError), client:
            client.sendall(name.encode())
            client.recv(1)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener


def heard(address: str, port: int, seconds: float = 5.0) -> str:
    """The name that is said there, empty when nobody does."""
    with suppress(OSError), socket.create_connection((address, port), timeout=seconds) as client:
        return client.recv(10).decode()
    return ""


def session(address: str, port: int) -> Callable[[], bool]:
    """Connects, hears the name, and tells afterwards whether the session has ended."""
    client = socket.create_connection((address, port), timeout=10)
    client.recv(10)

    def ended() -> bool:
        try:
            return client.recv(1) == b""
        except TimeoutError:
            return False
        except OSError:
            return True

    return ended


def cluster_of(members: tuple[Member, ...], *entries: ClusterEntry) -> Cluster:
    return Cluster("orders", "s", members, members[0].name, tuple(one.name for one in members[:2]), (), entries)


PYTHON = sys.executable
