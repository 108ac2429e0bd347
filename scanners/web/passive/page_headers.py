"""Protective headers that a page lacks."""

from urllib.parse import urlsplit

from scanners.web.probing.check import PassiveCheck
from scanners.web.probing.page import Page
from scanners.web.probing.weakness import Verdict, WebClass
from secops.model.finding import Severity
from secops.model.text import Text

_WANTED = (
    ("content-security-policy", Severity.MEDIUM),
    ("x-content-type-options", Severity.LOW),
    ("referrer-policy", Severity.LOW),
)


class PageHeaders(PassiveCheck):
    """Looks at pages that were shown, not at errors."""

    name = "page-headers"
    title = Text("缺少安全响应头", "protective headers are missing")
    weakness = WebClass.HEADERS
    severity = Severity.LOW
    cwe = 693
    clauses = ("8.1.4.4 d",)
    mend = Text(
        "设置 Content-Security-Policy、X-Content-Type-Options: nosniff、X-Frame-Options、Referrer-Policy,HTTPS 站点另设 HSTS。",
        "Send Content-Security-Policy, X-Content-Type-Options: nosniff, X-Frame-Options, Referrer-Policy, and HSTS "
        "over HTTPS.",
    )

    def judge(self, url: str, page: Page) -> list[Verdict]:
        """One for each header."""
        if not page.is_html or not 200 <= page.status < 300:
            return []
        lacking = [(name, severity) for name, severity in _WANTED if not page.header(name)]
        framed = page.header("x-frame-options") or "frame-ancestors" in page.header("content-security-policy").lower()
        if not framed:
            lacking.append(("x-frame-options", Severity.MEDIUM))
        if urlsplit(url).scheme == "https" and not page.header("strict-transport-security"):
            lacking.append(("strict-transport-security", Severity.MEDIUM))
        return [_missing(name, severity) for name, severity in lacking]


def _missing(name: str, severity: Severity) -> Verdict:
    because = Text(f"应答中没有 {name}", f"the answer carries no {name}")
    return Verdict(because, rule=f"{name}-missing", severity=severity, place=name)


PAGE_HEADERS = PageHeaders()
