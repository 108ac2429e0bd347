"""What every web check says of itself, and what it says when it found something."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from secops.model.finding import Severity
from secops.model.text import Text


class WebClass(StrEnum):
    """The classes of weaknesses that a scan of a web system reports."""

    SQLI = "sqli"
    XSS = "xss"
    CMDI = "cmdi"
    CODEINJ = "codeinj"
    SSTI = "ssti"
    PATHTRAVER = "pathtraver"
    REDIRECT = "redirect"
    XXE = "xxe"
    XPATHI = "xpathi"
    LDAPI = "ldapi"
    SSRF = "ssrf"
    CRLF = "crlf"
    DESERIALIZATION = "deserialization"
    UPLOAD = "upload"
    SECURECOOKIE = "securecookie"
    HEADERS = "headers"
    CORS = "cors"
    CSRF = "csrf"
    AUTH = "auth"
    IDOR = "idor"
    EXPOSURE = "exposure"
    CACHE = "cache"
    MIXED = "mixed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Something was found: the sentence that explains why, and excerpts that show it."""

    because: Text
    evidence: dict[str, str] = field(default_factory=dict)
    rule: str = ""
    """What of the check it is, e.g. `boolean`; the rule of the finding is `check.rule`."""
    severity: Severity | None = None
    """Where it differs from that of the check."""
    place: str = ""
    """What on the page it is, where there may be several: a cookie, a form, a header."""


class WebCheck:
    """What a check says of itself."""

    name: ClassVar[str]
    """Stable id, kebab-case."""
    title: ClassVar[Text]
    weakness: ClassVar[WebClass]
    severity: ClassVar[Severity]
    cwe: ClassVar[int]
    clauses: ClassVar[tuple[str, ...]]
    """GB/T 22239 items that it proves to be broken."""
    mend: ClassVar[Text]
    """What to do about it."""
    as_stranger: ClassVar[bool] = False
    """It looks at what somebody is answered who comes for the first time."""
    unless_found: ClassVar[tuple[str, ...]] = ()
    """Checks whose finding at the same place makes this one needless."""

    def rule_of(self, verdict: Verdict) -> str:
        """The stable id of what was found."""
        return f"{self.name}.{verdict.rule}" if verdict.rule else self.name
