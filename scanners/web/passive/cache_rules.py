"""Logins and personal data that browsers and proxies may keep."""

from scanners.web.probing.check import PassiveCheck
from scanners.web.probing.page import Page
from scanners.web.probing.page_forms import forms_in
from scanners.web.probing.private import private_in
from scanners.web.probing.weakness import Verdict, WebClass
from secops.model.finding import Severity
from secops.model.text import Text


class CacheRules(PassiveCheck):
    """Looks at pages that ask for a password or show personal data."""

    name = "cache-rules"
    title = Text("敏感页面允许缓存", "sensitive pages may be cached")
    weakness = WebClass.CACHE
    severity = Severity.LOW
    cwe = 525
    clauses = ("8.1.4.10 a", "8.1.4.11 b")
    mend = Text("敏感页面设置 Cache-Control: no-store。", "Send Cache-Control: no-store with sensitive pages.")

    def judge(self, url: str, page: Page) -> list[Verdict]:
        """One for the page."""
        if page.status != 200 or _kept_by_nobody(page.header("cache-control").lower()):
            return []
        if page.is_html and any(form.logs_in for form in forms_in(page.text, page.request.target)):
            because = Text("登录页未禁止缓存", "the login page may be cached")
            return [Verdict(because, _evidence(page), rule="login")]
        if private := private_in(page.text):
            because = Text(
                f"含个人信息({private})的页面未禁止缓存", f"a page with personal data ({private}) may be cached"
            )
            return [Verdict(because, _evidence(page), rule="personal-data")]
        return []


def _kept_by_nobody(rules: str) -> bool:
    return "no-store" in rules or ("no-cache" in rules and "private" in rules)


def _evidence(page: Page) -> dict[str, str]:
    return {"cache-control": page.header("cache-control") or "-"}


CACHE_RULES = CacheRules()
