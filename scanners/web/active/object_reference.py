"""Things of one person that another person can have by their number (IDOR)."""

import re

from scanners.web.message import Request
from scanners.web.probing.check import PageCheck
from scanners.web.probing.page import Page
from scanners.web.probing.trial import Probing, Purpose, Session, Trial
from scanners.web.probing.weakness import Verdict, WebClass
from secops.model.finding import Severity
from secops.model.text import Text

_REFERENCE = re.compile(r"[/=](\d{1,20}|[0-9a-fA-F]{24,40}|[0-9a-fA-F-]{36})(?=[/&.?]|$)")


class ObjectReference(PageCheck):
    """Asks in two sessions and without any: what tells the first person must not be told to the second."""

    name = "object-reference"
    title = Text("越权访问他人数据(IDOR)", "access to other people's data (IDOR)")
    weakness = WebClass.IDOR
    severity = Severity.HIGH
    cwe = 639
    clauses = ("8.1.4.2 a", "8.1.4.2 f", "8.1.4.11 b")
    mend = Text(
        "按当前用户校验每个对象的归属,不要只依赖编号。",
        "Check for each object that it belongs to who asks; a number proves nothing.",
    )

    def fits(self, request: Request, page: Page) -> bool:
        """What is read by a number."""
        return request.method == "GET" and page.status == 200 and bool(_REFERENCE.search(request.target))

    def probe(self, page: Page, trial: Trial) -> Probing:
        """Three requests, when there are two sessions and words that tell the first person."""
        told = [word for word in trial.identity if word in page.plain]
        if not told or Session.OTHER not in trial.sessions:
            return None
        stranger = yield from trial.ask(page.request, Purpose.CONTROL, session=Session.NOBODY)
        if any(word in stranger.plain for word in told):
            return None
        for purpose in (Purpose.ATTACK, Purpose.AGAIN):
            other = yield from trial.ask(page.request, purpose, session=Session.OTHER)
            if other.status != 200 or not any(word in other.plain for word in told):
                return None
        because = Text(
            f"第二个账号可读到第一个账号的数据(含“{_masked(told[0])}”),未登录则不能",
            f"a second account reads the data of the first (“{_masked(told[0])}”); without a login it cannot be read",
        )
        return Verdict(because, {"request": page.request.target})


def _masked(word: str) -> str:
    return f"{word[:2]}***"


OBJECT_REFERENCE = ObjectReference()
