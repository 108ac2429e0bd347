"""How far a crawl goes, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from scanners.web.crawl.clusters import Caps
from scanners.web.crawl.lead import Lead
from scanners.web.finding_points import Learned, points_of
from scanners.web.message import Request, Target
from scanners.web.points import Part, Point
from secops.model.text import Text


class LeftOut(StrEnum):
    """Why something that was found is not followed."""

    ELSEWHERE = "elsewhere"
    """Another site."""
    OUT_OF_SCOPE = "out-of-scope"
    ALIKE = "alike"
    """Enough pages of its kind were seen."""
    TRAP = "trap"
    LOGOUT = "logout"
    CHANGES = "changes"
    """It would delete, stop or pay."""
    RESOURCE = "resource"
    """A picture, a font, a film."""
    TOO_DEEP = "too-deep"
    PAGES = "page-budget"
    TIME = "time-budget"
    OUT_OF_SESSION = "out-of-session"
    UNSEEN = "unseen"
    """By the browser: the page never came to rest, died in it, or was one too many."""
    NO_ANSWER = "no-answer"
    STOPPED = "stopped"
    """By the kill switch."""


WHY: Mapping[LeftOut, Text] = {
    LeftOut.ELSEWHERE: Text("其他网站", "on another site"),
    LeftOut.OUT_OF_SCOPE: Text("不在授权范围", "outside the authorised scope"),
    LeftOut.ALIKE: Text("同类页面已足够", "enough pages of its kind were seen"),
    LeftOut.TRAP: Text("疑似爬虫陷阱", "seems to be a crawler trap"),
    LeftOut.LOGOUT: Text("会退出登录", "would end the session"),
    LeftOut.CHANGES: Text("可能删除、停用或支付", "might delete, stop or pay"),
    LeftOut.RESOURCE: Text("图片、字体、音视频等资源", "pictures, fonts, films and the like"),
    LeftOut.TOO_DEEP: Text("超过链接深度上限", "too many links away from the start"),
    LeftOut.PAGES: Text("超过页数上限", "beyond the budget of pages"),
    LeftOut.TIME: Text("超过时间上限", "beyond the budget of time"),
    LeftOut.OUT_OF_SESSION: Text("登录态丢失且无法恢复", "logged out, and the session could not be restored"),
    LeftOut.UNSEEN: Text(
        "未能在浏览器中完整显示", "not shown to its end in the browser; what scripts make of it may be missing"
    ),
    LeftOut.NO_ANSWER: Text("没有应答", "there was no answer"),
    LeftOut.STOPPED: Text("扫描已被紧急停止", "the scan was stopped by the kill switch"),
}


@dataclass(frozen=True, slots=True)
class CrawlPlan:
    """Where a crawl starts and how far it goes."""

    seeds: tuple[str, ...]
    """Absolute URLs."""
    max_pages: int = 5000
    """Requests that are answered."""
    max_depth: int = 20
    """Links away from a seed."""
    max_seconds: float = 3600.0
    submits: bool = False
    """Send forms and calls that are no GET; those with passwords or files are never sent."""
    probes: bool = True
    """Ask for what many sites have: robots.txt, site maps, descriptions of interfaces."""
    caps: Caps = field(default_factory=Caps)
    seed: int = 0
    """Decides the order among equals."""
    concurrency: int = 8
    confirm_every: int = 24
    """Answers between two looks at whether the session still holds."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One request that a site answers, or a form that it shows."""

    lead: Lead
    status: int
    """0: known, not sent."""
    kind: str
    charset: str
    """Payloads are written in it."""
    learned: Learned
    """Names to try as headers and cookies there."""

    @property
    def target(self) -> Target:
        """The origin."""
        return self.lead.target

    @property
    def request(self) -> Request:
        """What is sent."""
        return self.lead.request

    @property
    def points(self) -> tuple[Point, ...]:
        """Where payloads can stand in it."""
        return points_of(self.target, self.request, charset=self.charset, learned=self.learned)

    @property
    def parameters(self) -> tuple[tuple[str, str], ...]:
        """Name and place of each field that the request has; path segments and usual headers are none."""
        own = points_of(self.target, self.request, charset=self.charset)
        named = ((one.parameter, one.where.reported) for one in own if one.part is Part.VALUE and one.name)
        return tuple(dict.fromkeys(pair for pair in named if pair[1] != "path" and pair[0] != "Content-Type"))


@dataclass(frozen=True, slots=True)
class Crawled:
    """What a crawl found."""

    entries: tuple[Entry, ...]
    """In the order of discovery."""
    left_out: Mapping[LeftOut, int]
    examples: Mapping[LeftOut, tuple[str, ...]]
    answered: int
    failures: Mapping[str, int]
    """Reasons of missing answers."""

    unanswered_seeds: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """A start did not answer, the session was lost or the scan was stopped: there may be much more."""
        lost = (LeftOut.OUT_OF_SESSION, LeftOut.STOPPED)
        return not self.answered or bool(self.unanswered_seeds) or any(self.left_out.get(reason) for reason in lost)
