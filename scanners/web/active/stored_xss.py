"""Scripts that a site keeps and shows to others."""

from collections.abc import Callable, Generator
from urllib.parse import urljoin

from scanners.web.message import Request
from scanners.web.points import Point, Where
from scanners.web.probing.check import PointCheck
from scanners.web.probing.page import Page
from scanners.web.probing.reflection import Showing, find_script
from scanners.web.probing.trial import Ask, Hits, Listen, Probing, Purpose, Trial
from scanners.web.probing.weakness import Verdict, WebClass
from secops.model.finding import Severity
from secops.model.text import Text

_MOST_VIEWS = 8


class StoredXss(PointCheck):
    """Sends a mark, looks for the page that shows it, then tries what fits there."""

    name = "stored-xss"
    title = Text("存储型跨站脚本", "stored cross-site scripting")
    weakness = WebClass.XSS
    severity = Severity.HIGH
    cwe = 79
    clauses = ("8.1.4.4 d",)
    shows_elsewhere = True
    mend = Text(
        "输出存储内容时按所在位置转义;富文本用白名单清洗。",
        "Escape what was stored for the place where it is shown; clean rich text with an allow-list.",
    )

    def fits(self, point: Point) -> bool:
        """What is stored comes in a body."""
        return point.request.method not in ("GET", "HEAD") and point.where in (Where.FORM, Where.JSON)

    def probe(self, point: Point, page: Page, trial: Trial) -> Probing:
        """The page may be any of the views."""
        mark = trial.mark()
        sent = yield from trial.ask(point.inject(mark), Purpose.LOOK)
        view = yield from _view_with(trial, mark, _views_of(point, trial, sent))
        if view is None:
            return None
        ran = yield from find_script(_shower(point, trial, view), trial)
        if not ran:
            return None
        return Verdict(
            Text(
                f"提交的载荷 {ran.payload!r} 被保存,并在 {view.target} 的 {ran.where} 处作为脚本执行",
                f"the payload {ran.payload!r} was kept, and would run at {ran.where} of {view.target}",
            ),
            {"payload": ran.payload, "view": view.target, "response": ran.excerpt},
        )


def _views_of(point: Point, trial: Trial, sent: Page) -> list[Request]:
    """Where the answer leads, the page itself, the other pages."""
    cookies = tuple(pair for pair in point.request.headers if pair[0].lower() == "cookie")
    location = urljoin(f"{trial.target}{point.request.target}", sent.header("location"))
    led = location.removeprefix(str(trial.target)) if location.startswith(f"{trial.target}/") else point.request.target
    own = [Request("GET", target, cookies) for target in (led, point.request.target)]
    return list(dict.fromkeys((*own, *trial.views)))[:_MOST_VIEWS]


def _view_with(trial: Trial, mark: str, views: list[Request]) -> Generator[Ask | Listen, Page | Hits, Request | None]:
    for view in views:
        page = yield from trial.ask(view, Purpose.LOOK)
        if mark in page.text and page.is_html:
            return view
    return None


def _shower(point: Point, trial: Trial, view: Request) -> Callable[[str | bytes, Purpose], Showing]:
    def show(payload: str | bytes, purpose: Purpose) -> Showing:
        yield from trial.ask(point.inject(payload), purpose)
        return (yield from trial.ask(view, purpose))

    return show


STORED_XSS = StoredXss()
