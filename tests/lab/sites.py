"""Real web sites on free loopback ports: WSGI applications in threads, and raw servers that say what a test wants."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from flask import Flask, request
from werkzeug.serving import WSGIRequestHandler, make_server

from scanners.safety import Safety
from scanners.scope import Guard, scope_of
from scanners.web.client import Client
from scanners.web.pace import Pace
from secops.support.clock import from_text

FAST = Pace(most=5000.0, start=5000.0, growth=1000.0, connections=16)


@dataclass(frozen=True, slots=True)
class Site:
    """A running site."""

    url: str
    """Without a slash at the end."""
    asked: list[str] = field(default_factory=list)
    """Method and path with query of each request, in order of arrival."""


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def running_flask(app: Flask) -> Iterator[Site]:
    """Keep an application running."""
    asked: list[str] = []

    @app.before_request
    def _note() -> None:
        asked.append(f"{request.method} {request.full_path.rstrip('?')}")

    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield Site(f"http://127.0.0.1:{server.server_port}", asked)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@contextmanager
def raw_server(answer: Callable[[bytes], bytes]) -> Iterator[Site]:
    """A server that gives each connection one answer, made from the first bytes that it got."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.1)
    asked: list[str] = []
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            with connection:
                connection.settimeout(5)
                try:
                    got = connection.recv(65536)
                    asked.append(got.split(b"\r\n")[0].decode("latin-1").rpartition(" ")[0])
                    connection.sendall(answer(got))
                except OSError:
                    continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield Site(f"http://127.0.0.1:{listener.getsockname()[1]}", asked)
    finally:
        ended.set()
        thread.join(5)
        listener.close()


def loopback_client(
    *, profile: Safety = Safety.NORMAL, networks: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
) -> Client:
    """The real client, allowed to reach loopback, at full speed."""
    return Client(Guard(scope_of(networks, "test", from_text("2999-01-01T00:00:00Z"))), profile=profile, pace=FAST)
