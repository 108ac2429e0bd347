"""Line ends that get into the head of an answer, and make headers of their own."""

from scanners.web.points import Point
from scanners.web.probing.check import PointCheck
from scanners.web.probing.page import Page
from scanners.web.probing.trial import Probing, Purpose, Trial
from scanners.web.probing.weakness import Verdict, WebClass
from secops.model.finding import Severity
from secops.model.text import Text

_LINE_ENDS = ("\r\n", "\n", "\r", "%0d%0a", "嘊嘍", "\\r\\n")
"""The fifth loses all but the last byte of each character in some servers: U+560A and U+560D."""


class CrlfInjection(PointCheck):
    """Tries to make a header that only we can have meant."""

    name = "crlf-injection"
    title = Text("响应头注入(CRLF)", "header injection (CRLF)")
    weakness = WebClass.CRLF
    severity = Severity.MEDIUM
    cwe = 113
    clauses = ("8.1.4.4 d",)
    mend = Text(
        "写入响应头的内容去除回车换行;使用会拒绝它们的框架接口。",
        "Take line ends out of what goes into headers; use an interface that refuses them.",
    )

    def probe(self, point: Point, page: Page, trial: Trial) -> Probing:
        """A first request tells whether the value gets into the head at all."""
        mark = trial.mark()
        seen = yield from trial.ask(point.inject(point.value + mark), Purpose.LOOK)
        if not _in_head(seen, mark):
            return None
        for end in _LINE_ENDS:
            for purpose in (Purpose.ATTACK, Purpose.AGAIN):
                name, value = f"x-{trial.mark()}", trial.mark()
                payload = f"{point.value}{end}{name}: {value}"
                seen = yield from trial.ask(point.inject(payload), purpose)
                if not seen.header(name).startswith(value):
                    break
            else:
                because = Text(
                    f"载荷在应答中产生了新的响应头 {name}: {value}",
                    f"the payload made a header of its own, {name}: {value}",
                )
                return Verdict(because, {"payload": repr(payload), "header": f"{name}: {value}"})
        return None


def _in_head(page: Page, mark: str) -> bool:
    return page.response is not None and mark.encode() in page.response.raw_head.lower()


CRLF_INJECTION = CrlfInjection()
