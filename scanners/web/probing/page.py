"""What came of one request, as checks look at it: read in the character set of the page."""

import html
from dataclasses import dataclass
from functools import cached_property

from scanners.web.charset import text_of
from scanners.web.message import Answer, Reason, Request, Response

_PAGES = ("text/html", "application/xhtml+xml", "image/svg+xml", "")


@dataclass(frozen=True)
class Page:
    """A request and its answer, redirects not followed."""

    request: Request
    answer: Answer

    @property
    def response(self) -> Response | None:
        """None when no answer came."""
        return self.answer.response

    @property
    def status(self) -> int:
        """0 when no answer came."""
        return self.response.status if self.response else 0

    @property
    def timed_out(self) -> bool:
        """The server took longer than it was given."""
        return self.answer.failure is not None and self.answer.failure.reason is Reason.TIMED_OUT

    @property
    def seconds(self) -> float:
        """Until the first byte came."""
        return self.response.timings.first_byte if self.response else 0.0

    @cached_property
    def text(self) -> str:
        """The body."""
        return text_of(self.response.body, self.header("content-type")) if self.response else ""

    @cached_property
    def plain(self) -> str:
        """The body with its entities decoded, for comparing what it says."""
        return html.unescape(self.text) if "&" in self.text else self.text

    @property
    def content_type(self) -> str:
        """Without its parameters, in lower case."""
        return self.header("content-type").partition(";")[0].strip().lower()

    @property
    def is_html(self) -> bool:
        """Whether a browser shows it as a page: it says so, or says nothing and may be guessed at."""
        if self.content_type == "" and self.header("x-content-type-options").lower() == "nosniff":
            return False
        return self.content_type in _PAGES

    def header(self, name: str) -> str:
        """The values of a header of the answer, joined; empty when there is none."""
        return self.response.header(name) if self.response else ""

    def headers(self, name: str) -> list[str]:
        """Every value of a header of the answer."""
        if not self.response:
            return []
        return [value for key, value in self.response.headers if key.lower() == name.lower()]

    def around(self, wanted: str, margin: int = 60) -> str:
        """An excerpt of the body around some text, for the evidence."""
        at = max(self.text.lower().find(wanted.lower()), 0)
        return " ".join(self.text[max(0, at - margin) : at + len(wanted) + margin].split())
