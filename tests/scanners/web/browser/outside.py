"""Places outside the scope that note whoever comes: a TCP and a UDP port of loopback."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Outside:
    """What came."""

    tcp: int
    udp: int
    came: list[str] = field(default_factory=list)


@contextmanager
def watched_outside() -> Iterator[Outside]:
    """Listen until the end of the block."""
    listener = socket.create_server(("127.0.0.1", 0))
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(("127.0.0.1", 0))
    outside = Outside(listener.getsockname()[1], datagrams.getsockname()[1])
    ended = threading.Event()

    def hear_connections() -> None:
        while not ended.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            with connection:
                connection.settimeout(1)
                try:
                    outside.came.append("tcp " + connection.recv(200).decode("latin-1"))
                except OSError:
                    outside.came.append("tcp, silent")

    def hear_datagrams() -> None:
        while not ended.is_set():
            try:
                outside.came.append("udp " + datagrams.recv(200).hex())
            except TimeoutError:
                continue

    threads = [threading.Thread(target=hear, daemon=True) for hear in (hear_connections, hear_datagrams)]
    for one in (listener, datagrams):
        one.settimeout(0.1)
    for thread in threads:
        thread.start()
    try:
        yield outside
    finally:
        ended.set()
        for thread in threads:
            thread.join(5)
        listener.close()
        datagrams.close()
