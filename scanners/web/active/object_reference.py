"""Things of one person that another person can have by their number (IDOR)."""

import re

from scanners.web.points import Part, Point
from scanners.web.probing.check import PointCheck
from scanners.web.probing.page import Page
from scanners.web.probing.private import private_in
from scanners.web.probing.trial import Probing, Purpose, Session, Trial
from scanners.web.probing.weakness import Verdict, WebClass
from secops.model.finding import Severity
from secops.model.text import Text

_REFERENCE = re.compile(r"\d{1,20}|[0-9a-fA-F]{24,40}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class ObjectReference(PointCheck):
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

    def fits(self, point: Point) -> bool:
        """What is read by a number."""
        reads = point.request.method == "GET" and point.part is Part.VALUE
        return reads and bool(_REFERENCE.fullmatch(point.value))

    def probe(self, point: Point, page: Page, trial: Trial) -> Probing:
        """Nothing is sent unless there are two sessions."""
        if Session.OTHER not in trial.sessions or page.status != 200:
            return None
        told = [word for word in trial.identity if word in page.plain]
        private = private_in(page.plain)
        if not told and not private:
            return None
        stranger = yield from trial.ask(point.request, Purpose.CONTROL, session=Session.NOBODY)
        if _tells(stranger, told, private):
            return None
        for purpose in (Purpose.ATTACK, Purpose.AGAIN):
            other = yield from trial.ask(point.request, purpose, session=Session.OTHER)
            if other.status != 200 or not _tells(other, told, private):
                return None
        shown = f"{told[0][:2]}***" if told else private
        because = Text(
            f"第二个账号可读到第一个账号的数据(含“{shown}”),未登录则不能",
            f"a second account reads the data of the first (“{shown}”); without a login it cannot be read",
        )
        return Verdict(because, {"request": point.request.target})


def _tells(page: Page, told: list[str], private: str) -> bool:
    return any(word in page.plain for word in told) if told else private_in(page.plain) == private


OBJECT_REFERENCE = ObjectReference()
