"""The nouns of the scanning client: what is sent, what came back, and the closed list of why nothing did."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from scanners.nouns import noun
from secops.model.text import Text

Headers: TypeAlias = tuple[tuple[str, str], ...]
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Target:
    """The origin that requests go to."""

    scheme: str
    """`http` or `https`."""
    host: str
    """A name or an address; an IPv6 address without brackets."""
    port: int
    server_name: str = ""
    """What TLS asks for (SNI); empty: the host."""

    @property
    def authority(self) -> str:
        """As the Host header says it: the default port is left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if DEFAULT_PORTS.get(self.scheme) == self.port else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


@noun(frozen=True, slots=True)
class Request:
    """One request. Text outside ISO 8859-1 is sent as UTF-8; everything else byte for byte."""

    method: str
    target: str
    """The request-target exactly as written."""
    headers: Headers = ()
    """In order, case kept; Host, Content-Length and Connection are added only when absent and `raw` is None."""
    body: bytes = b""
    raw: bytes | None = None
    """Sent byte for byte when given, however malformed; the connection carries nothing else then."""


@noun(frozen=True, slots=True)
class Timings:
    """Seconds that each phase took, 0 for what did not happen; waiting for the rate limit is in none of them."""

    resolve: float
    connect: float
    tls: float
    first_byte: float
    """From the request to the first byte of its answer."""
    total: float
    """Everything, to the last byte."""


@noun(frozen=True, slots=True)
class Response:
    """One answer of a server."""

    status: int
    reason: str
    version: str
    """`1.0` or `1.1`."""
    headers: Headers
    """As received, order and case kept, bytes read as ISO 8859-1."""
    raw_head: bytes
    """Status line and header lines exactly as received, with the empty line."""
    body: bytes
    """Decompressed, and no longer than the limit."""
    timings: Timings
    certificate: bytes | None
    """What the server showed, DER; not verified here, see `Client.trust`."""
    peer: str
    """The address that answered; of a proxied request, the address that the proxy was asked for."""
    truncated: bool
    """`body` is only the start of what the server sent, or meant to send."""
    reused: bool
    """Over a connection that had carried other requests."""

    def header(self, name: str) -> str:
        """The values of a header joined by a comma; empty when it was not sent."""
        wanted = name.lower()
        return ", ".join(value for key, value in self.headers if key.lower() == wanted)


class Reason(StrEnum):
    """Why there is no answer, or no whole one. The list is closed."""

    OUT_OF_SCOPE = "out-of-scope"
    """The guard refused; nothing was sent."""
    TOO_INTRUSIVE = "too-intrusive"
    """The request does more than the profile of the scan allows; nothing was sent."""
    BAD_REQUEST = "bad-request"
    """It cannot be written as one request: use `raw`."""
    UNRESOLVED = "unresolved"
    REFUSED = "refused"
    NO_ROUTE = "no-route"
    TIMED_OUT = "timed-out"
    """In the phase that the failure names."""
    RESET = "reset"
    CLOSED = "closed"
    """Closed before the first byte of an answer."""
    CUT_SHORT = "cut-short"
    """Closed in the middle of an answer; what came is the last response of the chain when its head was whole."""
    TLS = "tls"
    PROXY = "proxy"
    TOO_LARGE = "too-large"
    """Headers, interim answers or a compression ratio past the limits."""
    GARBAGE = "garbage"
    """Not HTTP."""
    ENCODING = "encoding"
    """The body is not what its Content-Encoding says."""
    REDIRECT_LOOP = "redirect-loop"
    TOO_MANY_REDIRECTS = "too-many-redirects"
    PAUSED = "paused"
    """The site suffers and has not recovered in time; nothing was sent."""
    KILLED = "killed"
    BUG = "our-bug"


class Phase(StrEnum):
    """Where a request was when its time ran out."""

    NONE = ""
    RESOLVE = "resolve"
    CONNECT = "connect"
    PROXY = "proxy"
    TLS = "tls"
    FIRST_BYTE = "first-byte"
    HEAD = "head"
    BODY = "body"
    TOTAL = "total"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an exchange has no whole answer."""

    reason: Reason
    detail: Text
    phase: Phase = Phase.NONE


@noun(frozen=True, slots=True)
class Hop:
    """One request of a chain of redirects, and its answer."""

    target: Target
    request: Request
    response: Response


@noun(frozen=True, slots=True)
class Answer:
    """What came of an exchange: the chain of redirects, the final answer last, and why it is not whole."""

    chain: tuple[Hop, ...]
    failure: Failure | None = None

    @property
    def response(self) -> Response | None:
        """The last answer received; with a failure it may be a part, or a redirect that was not followed."""
        return self.chain[-1].response if self.chain else None
