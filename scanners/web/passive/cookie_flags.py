"""Session cookies that scripts can read, that travel unencrypted, or that other sites can make use of."""

import re
from urllib.parse import urlsplit

from scanners.web.probing.check import PassiveCheck
from scanners.web.probing.page import Page
from scanners.web.probing.weakness import Verdict, WebClass
from secops.model.finding import Severity
from secops.model.text import Text

SESSION_NAME = re.compile(r"sess|sid|token|auth|login|jwt|passport|^who$|user", re.IGNORECASE)


class CookieFlags(PassiveCheck):
    """Looks at cookies whose name is that of a session."""

    name = "cookie-flags"
    title = Text("会话 Cookie 缺少安全属性", "session cookies lack protective flags")
    weakness = WebClass.SECURECOOKIE
    severity = Severity.MEDIUM
    cwe = 1004
    clauses = ("8.1.4.8 a", "8.1.4.1 c")
    as_stranger = True
    mend = Text(
        "会话 Cookie 设置 HttpOnly、SameSite,HTTPS 站点加 Secure。",
        "Set HttpOnly and SameSite on session cookies, and Secure over HTTPS.",
    )

    def judge(self, url: str, page: Page) -> list[Verdict]:
        """One for each cookie."""
        wanted = ["HttpOnly", "SameSite", *(["Secure"] if urlsplit(url).scheme == "https" else [])]
        found = []
        for cookie in page.headers("set-cookie"):
            name, *flags = (part.partition("=")[0].strip() for part in cookie.split(";"))
            given = {flag.lower() for flag in flags}
            lacking = ", ".join(flag for flag in wanted if flag.lower() not in given)
            deleted = "max-age=0" in cookie.lower() or "01-jan-1970" in cookie.lower().replace(" ", "-")
            if lacking and SESSION_NAME.search(name) and not deleted:
                because = Text(f"Cookie {name} 没有 {lacking}", f"cookie {name} has no {lacking}")
                found.append(Verdict(because, rule="missing", place=name))
        return found


COOKIE_FLAGS = CookieFlags()
