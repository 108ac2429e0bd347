"""Scripts that a page runs because they stand in the request."""

from scanners.web.points import Point
from scanners.web.probing.check import PointCheck
from scanners.web.probing.page import Page
from scanners.web.probing.reflection import Showing, find_script
from scanners.web.probing.trial import Probing, Purpose, Trial
from scanners.web.probing.weakness import Verdict, WebClass
from secops.model.finding import Severity
from secops.model.text import Text


class ReflectedXss(PointCheck):
    """Looks where a mark is shown, then tries what fits there; a page is read as a browser reads it."""

    name = "reflected-xss"
    title = Text("反射型跨站脚本", "reflected cross-site scripting")
    weakness = WebClass.XSS
    severity = Severity.HIGH
    cwe = 79
    clauses = ("8.1.4.4 d",)
    mend = Text(
        "输出到页面的内容按所在位置转义(HTML 正文、属性、脚本、网址各不相同),并启用内容安全策略。",
        "Escape what goes into a page for the place it stands in (text, attribute, script and address differ), and "
        "send a content security policy.",
    )

    def probe(self, point: Point, page: Page, trial: Trial) -> Probing:
        """One request where nothing is shown."""

        def show(payload: str | bytes, purpose: Purpose) -> Showing:
            return trial.ask(point.inject(payload), purpose)

        ran = yield from find_script(show, trial)
        if not ran:
            return None
        return Verdict(
            Text(
                f"载荷 {ran.payload!r} 在应答页面的 {ran.where} 处会作为脚本执行,重放两次结果一致",
                f"the payload {ran.payload!r} would run as a script at {ran.where} of the page, twice in a row",
            ),
            {"payload": ran.payload, "response": ran.excerpt},
        )


REFLECTED_XSS = ReflectedXss()
