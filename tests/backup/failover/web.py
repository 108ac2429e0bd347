"""A small web server of one centre: it answers `/health`, and `/slow` never ends by itself."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import sleep


class Centre:
    """What its answer says can be changed while it runs."""

    def __init__(self, name: str, server: ThreadingHTTPServer) -> None:
        self.name = name
        self.health = "business is fine"
        self.status = 200
        self.asked = 0
        self.address = f"127.0.0.1:{server.server_address[1]}"

    @property
    def url(self) -> str:
        return f"http://{self.address}/"


class Server(ThreadingHTTPServer):
    """One that is not troubled by clients that are cut off: that is what the tests do."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Silence."""


@contextmanager
def serving(name: str) -> Iterator[Centre]:
    """Serve until the end of the block, on a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            centre.asked += 1
            if self.path == "/slow":
                self._slow()
                return
            body = f"{centre.health} at {name}".encode()
            self.send_response(centre.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _slow(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            with suppress(OSError):
                while not stopping.is_set():
                    self.wfile.write(b".")
                    sleep(0.02)

        def log_message(self, format: str, *args: object) -> None:
            """Silence."""

    stopping = threading.Event()
    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    centre = Centre(name, server)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield centre
    finally:
        stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()
