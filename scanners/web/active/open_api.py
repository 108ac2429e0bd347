"""Interfaces that hand personal data to whoever asks."""

from dataclasses import replace

from scanners.web.message import Request
from scanners.web.probing.check import PageCheck
from scanners.web.probing.page import Page
from scanners.web.probing.private import private_in
from scanners.web.probing.trial import Probing, Purpose, Session, Trial
from scanners.web.probing.weakness import Verdict, WebClass
from secops.model.finding import Severity
from secops.model.text import Text

_CREDENTIALS = frozenset({"cookie", "authorization", "x-token", "x-access-token", "token"})


class OpenApi(PageCheck):
    """Asks again without any session."""

    name = "open-api"
    title = Text("接口未鉴权即返回敏感数据", "an interface hands out private data without a login")
    weakness = WebClass.AUTH
    severity = Severity.HIGH
    cwe = 306
    clauses = ("8.1.4.1 a", "8.1.4.11 b")
    mend = Text(
        "对所有数据接口统一鉴权,并按最小必要返回字段。",
        "Ask for a login at every interface, and return no more than is needed.",
    )

    def fits(self, request: Request, page: Page) -> bool:
        """Data that is read, and private."""
        data = "json" in page.content_type or "xml" in page.content_type
        return request.method == "GET" and page.status == 200 and data and bool(private_in(page.text))

    def probe(self, page: Page, trial: Trial) -> Probing:
        """Two requests."""
        bare = tuple(pair for pair in page.request.headers if pair[0].lower() not in _CREDENTIALS)
        private = ""
        for purpose in (Purpose.ATTACK, Purpose.AGAIN):
            seen = yield from trial.ask(replace(page.request, headers=bare), purpose, session=Session.NOBODY)
            private = private_in(seen.text) if seen.status == 200 else ""
            if not private:
                return None
        because = Text(
            f"不带会话访问接口,仍返回敏感数据({private})", f"without a session the interface still returns {private}"
        )
        return Verdict(because, {"data": private})


OPEN_API = OpenApi()
