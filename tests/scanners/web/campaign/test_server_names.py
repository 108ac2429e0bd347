"""The name that TLS asks for is the host of the URL, whatever Host says, unless the template names another."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.lab.certificates import issue
from tests.scanners.web.campaign.scanning import outcomes, scanned

pytestmark = pytest.mark.slow


class _Says(BaseHTTPRequestHandler):
    """Says which name TLS asked for, and which Host the request."""

    def do_GET(self) -> None:
        if self.path.strip("/") not in CASES:
            self.send_error(404)
            return
        body = f"sni={getattr(self.connection, 'asked_for', None)}. host={self.headers['Host']}.".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@contextmanager
def _says(folder: Path) -> Iterator[int]:
    issued = issue(folder, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate_file, issued.key_file)
    context.sni_callback = lambda connection, name, _: setattr(connection, "asked_for", name)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Says)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


CASES = {
    "plain": ("", "{{Hostname}}", "sni=localhost. host=localhost:"),
    "other-host": ("", "inner.test", "sni=localhost. host=inner.test."),
    "named": ("@tls-sni: name.test", "{{Hostname}}", "sni=name.test. host=localhost:"),
    "as-the-host": ("@tls-sni: request.host", "inner.test", "sni=inner.test. host=inner.test."),
    "as-the-host-with-port": ("@tls-sni: request.host", "inner.test:8443", "sni=inner.test. host=inner.test:8443."),
}


def test_server_names(tmp_path: Path) -> None:
    templates = tmp_path / "t"
    templates.mkdir()
    for name, (annotation, host, said) in CASES.items():
        lines = [*([annotation] if annotation else []), f"GET /{name} HTTP/1.1", f"Host: {host}", ""]
        raw = "\n".join(f"        {line}" for line in lines)
        (templates / f"{name}.yaml").write_text(
            f"id: {name}\ninfo: {{name: n, author: t, severity: low, tags: test}}\nhttp:\n  - raw:\n      - |\n{raw}\n"
            f"    matchers:\n      - type: word\n        words: ['{said}']\n"
        )
    with _says(tmp_path) as port:
        ended = scanned(f"https://localhost:{port}", templates=(templates,))
    assert outcomes(ended) == dict.fromkeys(CASES, "found")
