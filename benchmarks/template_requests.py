"""What the requests of all templates to one site are, and how many of them a verdict could spare.

Runs each template by itself against the answers of a plain nginx, without a network, and sorts what it wants sent.
"""

from collections import Counter
from collections.abc import Iterable

from scanners.web.campaign.answers import key_of
from scanners.web.message import Answer, Hop, Request, Response, Timings
from scanners.web.templates.model import Template
from scanners.web.templates.page import Page, pages_of
from scanners.web.templates.running import Send, run
from scanners.web.templates.site import site_of
from secops.support.clock import from_text

_NOW = from_text("2026-01-01T00:00:00Z")
_SEED = "1"


def sorted_requests(templates: Iterable[Template], url: str, start_page: str) -> Counter[str]:
    """How many requests of each kind there are, each that may be shared counted once, for whom it is wanted first."""
    site, counts, asked = site_of(url), Counter[str](), set[object]()
    for template in templates:
        running, answer, firsts = run(template, site, _SEED, _NOW), None, set[tuple[int, int]]()
        while True:
            try:
                wanted = next(running) if answer is None else running.send(answer)
            except StopIteration:
                break
            assert isinstance(wanted, Send), "nobody listens"
            kind = _kind(template, wanted, firsts)
            if not wanted.shareable or key_of(wanted) not in asked:
                counts[kind if key_of(wanted) not in asked else "equal to an earlier one, after a change"] += 1
            asked.add(key_of(wanted))
            firsts.add((wanted.block, wanted.step))
            answer = _answer(wanted, start_page)
    return counts


def _kind(template: Template, send: Send, before: set[tuple[int, int]]) -> str:
    block = template.blocks[send.block]
    if not before:
        return "first request of a template"
    if (send.block, send.step) in before:
        return "further payload"
    if block.paths and send.block == 0:
        return "further path, judged by itself"
    return "later step"


def _answer(send: Send, start_page: str) -> tuple[Page, ...]:
    request = send.request
    is_start = request.target.partition("?")[0] == "/"
    status = 405 if is_start and request.method not in ("GET", "HEAD") else 200 if is_start else 404
    body = start_page if status == 200 else f"<html><head><title>{status}</title></head><body>nginx</body></html>"
    return pages_of(Answer((Hop(send.target, request, _response(status, body.encode(), request)),)))


def _response(status: int, body: bytes, request: Request) -> Response:
    headers = (("Server", "nginx/1.22.1"), ("Content-Type", "text/html"), ("Content-Length", str(len(body))))
    head = f"HTTP/1.1 {status} OK\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers) + "\r\n"
    content = b"" if request.method == "HEAD" else body
    timings = Timings(0, 0, 0, 0.001, 0.001)
    return Response(status, "OK", "1.1", headers, head.encode(), content, timings, None, "127.0.0.1", False, True)
