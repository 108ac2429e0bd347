"""Runs the application on a loopback port; root becomes nobody once everything is loaded."""

import argparse
import encodings
import os
import pkgutil
import ssl
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from werkzeug.serving import WSGIRequestHandler, make_server

from tests.lab.vulnerable.flask_app import accounts, reaching, running, site, sql, xss

_PARTS = (accounts, reaching, running, sql, xss)


class Quiet(WSGIRequestHandler):
    """Writes no log and says nothing of itself; connections are kept."""

    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: object) -> None:
        """Nothing."""

    def version_string(self) -> str:
        """No banner."""
        return "lab"


def _become_nobody() -> None:
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)


def _warm_up() -> None:
    """Loads what is loaded late, while it can still be read."""
    for codec in pkgutil.iter_modules(encodings.__path__):
        with suppress(ImportError):
            import_module(f"encodings.{codec.name}")
    client = site.SITE.test_client()
    for path in ("/flawed/xss/gbk?q=1", "/flawed/ssti/output?name={{1}}", "/flawed/xss/text", "/flawed/sqli/number"):
        client.get(path)
    client.get("/flawed/ssrf/content?url=http://127.0.0.1:9/")
    for path in ("/flawed/xxe/content", "/flawed/xxe/error"):
        client.post(path, data="<a/>")


def main() -> None:
    """Serve until killed; prints the port."""
    options = argparse.ArgumentParser()
    options.add_argument("--certificate", default="")
    options.add_argument("--key", default="")
    options.add_argument("--index", default="")
    given = options.parse_args()
    context = None
    if given.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(given.certificate, given.key)
    server = make_server("127.0.0.1", 0, site.SITE, threaded=True, request_handler=Quiet, ssl_context=context)
    index = Path(given.index).read_text(encoding="utf-8") if given.index else ""
    site.SITE.add_url_rule("/", "index", lambda: index)
    _warm_up()
    _become_nobody()
    print(server.port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
