"""One answer as matchers see it: parts by name, each made once however many templates look at it."""

from collections.abc import Callable, Container
from typing import Any

from scanners.web.message import Answer, Hop, Request, Response, Target
from scanners.web.templates.expressions.values import Value, as_text, lower
from scanners.web.templates.page_text import NO_RESPONSE, decoded_body, header_dump, request_dump, visible_headers
from scanners.web.templates.xpath import document

_SAME_PARTS = {"header": "all_headers", "raw": "response"}
BlockKey = tuple[str, int]
"""Identity of a template and index of a block in it."""


class _Content:
    """What is made of a response alone, whoever asked for it."""

    __slots__ = ("body", "fields", "lowered", "parts", "possible", "remembered", "response", "trees")

    def __init__(self, response: Response, body: bytes) -> None:
        self.response, self.body = response, body
        self.possible: Container[BlockKey] | None = None
        self.fields: dict[str, bytes] | None = None
        self.parts: dict[str, bytes] = {"body": body}
        self.lowered: dict[str, bytes] = {}
        self.remembered: dict[str, Value] = {}
        self.trees: dict[str, Any] = {}

    def is_of(self, response: Response) -> bool:
        """Whether a response is byte for byte the same."""
        return self.response.body == response.body and self.response.raw_head == response.raw_head


class Page:
    """The parts of one answer."""

    __slots__ = ("_content", "_own", "body", "duration", "hop", "status")

    def __init__(
        self, hop: Hop, duration_seconds: float, body: bytes | None = None, like: "Page | None" = None
    ) -> None:
        """`like`: a page that may well be the same; what was made of it serves this one, too."""
        response = hop.response
        self.hop = hop
        self.status = response.status
        self.duration = duration_seconds
        self._content: _Content
        if body is None and like is not None and like._content.is_of(response):
            self._content = like._content
        else:
            self._content = _Content(response, decoded_body(response) if body is None else body)
        self.body: bytes = self._content.body
        self._own: dict[str, bytes] = {}

    @property
    def possible(self) -> Container[BlockKey] | None:
        """Blocks that this answer can match at all; None when nobody has looked."""
        return self._content.possible

    @possible.setter
    def possible(self, blocks: Container[BlockKey]) -> None:
        self._content.possible = blocks

    @property
    def url(self) -> str:
        """What was asked for."""
        return f"{self.hop.target}{self.hop.request.target}"

    def part(self, name: str) -> bytes | None:
        """The text of a part: `body`, `header`, `response`, a header or a cookie in lower case with `_`, and others."""
        parts = self._own if name in _OWN else self._content.parts
        found = parts.get(name)
        if found is None:
            found = self._made(_SAME_PARTS.get(name, name))
            if found is not None:
                parts[name] = found
        return found

    def value(self, name: str) -> Value:
        """The part as an expression sees it. Raises KeyError."""
        number = _NUMBERS.get(name)
        if number is not None:
            return number(self)
        found = self.part(name)
        if found is None:
            raise KeyError(name)
        return found

    def lowered(self, name: str) -> bytes | None:
        """The text of a part in lower case."""
        found = self._content.lowered.get(name)
        if found is None:
            text = self.part(name)
            if text is None:
                return None
            found = lower(text)
            if name not in _OWN:
                self._content.lowered[name] = found
        return found

    def remember(self, name: str, key: str, compute: Callable[[], Value]) -> Value:
        """`compute()`, which looks at that part alone, once for each key."""
        if name in _OWN:
            return compute()
        remembered = self._content.remembered
        if key not in remembered:
            remembered[key] = compute()
        return remembered[key]

    def tree(self, name: str) -> Any | None:
        """The part as a document."""
        trees = self._content.trees
        if name not in trees:
            text = self.part(name)
            trees[name] = None if text is None else document(text)
        return trees[name]

    def shortened(self, most_bytes: int) -> "Page":
        """The page of which only the first bytes of the body were read."""
        if not most_bytes or len(self.body) <= most_bytes:
            return self
        return Page(self.hop, self.duration, self.body[:most_bytes])

    def _made(self, name: str) -> bytes | None:
        make = _MAKERS.get(name)
        if make is not None:
            return make(self)
        if name in _NUMBERS:
            return as_text(_NUMBERS[name](self))
        return self._named().get(name)

    def _named(self) -> dict[str, bytes]:
        content = self._content
        if content.fields is None:
            content.fields = _named_fields(content.response)
        return content.fields

    def content_length(self) -> int:
        """What the server said, else what came."""
        said = self._named().get("content_length", b"")
        return int(said) if said.isdigit() and len(said) < 16 else len(self.body)


_OWN = frozenset({"request", "matched", "duration", "ip"})
"""Parts that differ though the response is the same."""
_NUMBERS: dict[str, Callable[[Page], Value]] = {
    "status_code": lambda page: float(page.status),
    "content_length": lambda page: float(page.content_length()),
    "duration": lambda page: page.duration,
}
_MAKERS: dict[str, Callable[[Page], bytes]] = {
    "all_headers": lambda page: header_dump(page.hop.response),
    "response": lambda page: (page.part("all_headers") or b"") + page.body,
    "all": lambda page: page.body + (page.part("all_headers") or b""),
    "request": lambda page: request_dump(page.hop.request),
    "ip": lambda page: page.hop.response.peer.encode(),
    "matched": lambda page: page.url.encode("latin-1", "replace"),
    "type": lambda _: b"http",
    "timeout": lambda _: b"false",
}


def _named_fields(response: Response) -> dict[str, bytes]:
    """Cookies by name, then headers over them; several headers of one name are joined by a space."""
    fields: dict[str, bytes] = {}
    joined: dict[str, bytes] = {}
    for name, value in visible_headers(response):
        key, text = name.strip().lower().replace("-", "_"), value.strip().encode("latin-1", "replace")
        joined[key] = joined[key] + b" " + text if key in joined else text
        if key == "set_cookie":
            cookie, equals, rest = text.partition(b";")[0].partition(b"=")
            if equals:
                fields.setdefault(cookie.strip().decode("latin-1").lower(), rest.strip().strip(b'"'))
    return fields | joined


def pages_of(answer: Answer, like: Page | None = None) -> tuple[Page, ...]:
    """The pages of a chain of redirects, the last one last; the body of a redirect that was followed does not count."""
    pages, waited = [], 0.0
    for index, hop in enumerate(answer.chain):
        timings = hop.response.timings
        duration = waited + timings.resolve + timings.connect + timings.tls + timings.first_byte
        waited += timings.total
        pages.append(Page(hop, duration, b"" if index < len(answer.chain) - 1 else None, like))
    return tuple(pages)


def no_page(target: Target, request: Request) -> Page:
    """What stands for the answer that never came, where something else may still prove the match."""
    return Page(Hop(target, request, NO_RESPONSE), 0.0, b"")
