"""A proxy before a real Elasticsearch that refuses a part of what is written, as a busy one does."""

import http.client
import json
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import urlsplit

_REJECTED = {"type": "es_rejected_execution_exception", "reason": "rejected execution of coordinating operation"}


@dataclass
class Interposer:
    """What it does to bulk requests; the rest passes as it is."""

    url: str = ""
    refused_items: float = 0.0
    """Share of single documents that are answered 429 and not handed on."""
    refused_requests: float = 0.0
    """Share of whole requests that are answered 429."""
    lost_every: int = 0
    """Each so-manieth request is done, and its connection then breaks; 0: none."""
    largest_bytes: int = 100 << 20
    """Larger requests are answered 413."""
    chance: random.Random = field(default_factory=lambda: random.Random(5))
    bulks: int = 0
    """How many requests came."""
    told: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("items", "requests", "answers", "large"), 0))
    """How often it did."""


@contextmanager
def interposed(target: str) -> Iterator[Interposer]:
    """A proxy on a free port before the server at that address."""
    behaviour = Interposer()
    address = urlsplit(target)

    class Handler(_Handler):
        pass

    Handler.behaviour, Handler.host, Handler.port = behaviour, str(address.hostname), int(address.port or 0)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    behaviour.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield behaviour
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16
    """Head and body of an answer leave together; apart they wait for each other for 40 ms."""
    behaviour: ClassVar[Interposer]
    host: ClassVar[str]
    port: ClassVar[int]

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if not urlsplit(self.path).path.endswith("/_bulk"):
            self._answer(*self._forward(body))
            return
        how = self.behaviour
        if len(body) > how.largest_bytes:
            how.told["large"] += 1
            self._answer(413, {"content-type": "application/json"}, b'{"error": {"type": "too_large"}, "status": 413}')
        elif how.chance.random() < how.refused_requests:
            how.told["requests"] += 1
            told = json.dumps({"error": _REJECTED, "status": 429}).encode()
            self._answer(429, {"content-type": "application/json"}, told)
        else:
            self._bulk(body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _handle

    def _bulk(self, body: bytes) -> None:
        how, pairs = self.behaviour, _pairs(body)
        how.bulks += 1
        refused = [how.chance.random() < how.refused_items for _ in pairs]
        how.told["items"] += sum(refused)
        passed = b"".join(b"".join(pair) for pair, no in zip(pairs, refused, strict=True) if not no)
        code, headers, answer = self._forward(passed) if passed else (200, {"content-type": "application/json"}, b"{}")
        if how.lost_every and how.bulks % how.lost_every == 0:
            how.told["answers"] += 1
            self.close_connection = True
            return
        if code == 200:
            items = iter(json.loads(answer).get("items", ()))
            told = [_refusal(pair) if no else next(items) for pair, no in zip(pairs, refused, strict=True)]
            answer = json.dumps({"items": told}).encode()
        self._answer(code, headers, answer)

    def _forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        kept = {name: value for name, value in self.headers.items() if name.lower() not in _OURS}
        try:
            connection.request(self.command, self.path, body, kept)
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders() if name.lower() not in _OURS}
            return answer.status, headers, answer.read()
        finally:
            connection.close()

    def _answer(self, code: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(code)
        for name, value in ({"x-elastic-product": "Elasticsearch"} | headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


_OURS = {"content-length", "connection", "host", "transfer-encoding", "accept-encoding", "content-encoding"}


def _pairs(body: bytes) -> list[list[bytes]]:
    """The lines of each action of a bulk request."""
    lines = iter(body.splitlines(keepends=True))
    return [[line] if b'"delete"' in line[:12] else [line, next(lines)] for line in lines]


def _refusal(pair: list[bytes]) -> dict[str, Any]:
    ((operation, where),) = json.loads(pair[0]).items()
    return {operation: {"_index": where["_index"], "_id": where["_id"], "status": 429, "error": _REJECTED}}
