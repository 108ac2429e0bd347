"""What a web server answered, with the text decoded as a browser would."""

import re
from dataclasses import dataclass

_CHARSET = re.compile(r"charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_META_BYTES = 2048


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds that each phase took; connect and TLS are 0 on a connection that was open already."""

    connect_seconds: float
    tls_seconds: float
    first_byte_seconds: float
    """From the request to the first byte of the answer."""
    transfer_seconds: float


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """One answer of a web server."""

    url: str
    """The URL that gave it, after redirects."""
    status: int
    headers: tuple[tuple[str, str], ...]
    """In the order sent, names as sent."""
    body: bytes
    """Decompressed."""
    cut: bool
    """The body was longer than asked for; `body` is its start."""
    address: str
    timings: Timings
    redirects: tuple[str, ...] = ()
    """The URLs that led here, the first asked for first."""

    def header(self, name: str) -> str:
        """The values of a header joined by a comma; empty when it was not sent."""
        return ", ".join(self.header_values(name))

    def header_values(self, name: str) -> tuple[str, ...]:
        """Every value of a header, in order."""
        return tuple(value for key, value in self.headers if key.lower() == name.lower())

    @property
    def content_type(self) -> str:
        """The media type without parameters, lower case."""
        return self.header("content-type").split(";")[0].strip().lower()

    def text(self) -> str:
        """The body by the charset of the header, of the page itself, or UTF-8; never fails."""
        start = self.body[:_META_BYTES].decode("ascii", "replace")
        named = _CHARSET.search(self.header("content-type")[:200]) or _CHARSET.search(start)
        charset = named.group(1).lower() if named else "utf-8"
        try:
            # Browsers read gb2312 and gbk as gb18030, which holds both.
            return self.body.decode("gb18030" if charset in ("gb2312", "gbk") else charset, "replace")
        except (LookupError, ValueError):
            return self.body.decode("utf-8", "replace")
