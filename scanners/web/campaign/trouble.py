"""What kept a request from an answer of the site itself, and what that makes of a verdict."""

import re
from dataclasses import dataclass
from functools import lru_cache

from scanners.web.intervention import FIREWALL_TITLE, SHORT_BYTES
from scanners.web.message import Answer, Failure, Reason
from scanners.web.templates.page import Page
from secops.model.outcome import Outcome
from secops.model.text import Text

_SKIPPED = frozenset({Reason.OUT_OF_SCOPE, Reason.TOO_INTRUSIVE, Reason.BAD_REQUEST, Reason.KILLED})
_JUDGED = frozenset(
    {Reason.OUT_OF_SCOPE, Reason.TOO_INTRUSIVE, Reason.REDIRECT_LOOP, Reason.TOO_MANY_REDIRECTS}
    | {Reason.TOO_LARGE, Reason.ENCODING}
)
"""With these the answers that came first, or the part that came, are what the site has to say."""
_AGAIN = frozenset({Reason.RESET, Reason.CLOSED, Reason.CUT_SHORT, Reason.TIMED_OUT, Reason.REFUSED, Reason.NO_ROUTE})
_PUT_OFF = {
    429: Text("请求被限速(HTTP 429)", "the requests are rate-limited (HTTP 429)"),
    503: Text("服务暂不可用(HTTP 503)", "the site is not available (HTTP 503)"),
}
_GATEWAY = frozenset({502, 504})
_DENIED = {
    407: Text("代理要求登录(HTTP 407)", "a proxy asks for a login (HTTP 407)"),
    418: Text("被防护设备拦截(HTTP 418)", "a firewall stepped in (HTTP 418)"),
    451: Text("被拦截(HTTP 451)", "the page is withheld (HTTP 451)"),
}
MAY_DENY = frozenset({401, 403})
"""Answers of the site, unless it says the same to everything."""
_TITLE = re.compile(rb"<title[^>]*>(.{0,300}?)</title", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why something went untested."""

    outcome: Outcome
    """BLOCKED, UNREACHABLE, SKIPPED or ERROR."""
    reason: Text
    of_the_site: bool = True
    """It tells that the site suffers or defends itself; many in a row end its scan."""


def trouble_of(failure: Failure, elsewhere: bool) -> Trouble:
    """What a failure means. `elsewhere`: the request went to another host than the scanned one."""
    if failure.reason is Reason.BUG:
        return Trouble(Outcome.ERROR, failure.detail, of_the_site=False)
    if failure.reason in _SKIPPED or elsewhere:
        return Trouble(Outcome.SKIPPED, failure.detail, of_the_site=False)
    return Trouble(Outcome.BLOCKED if failure.reason is Reason.PAUSED else Outcome.UNREACHABLE, failure.detail)


def is_whole(answer: Answer) -> bool:
    """Whether what came is all that the site has to say."""
    return answer.failure is None or (bool(answer.chain) and answer.failure.reason in _JUDGED)


def worth_repeating(answer: Answer) -> bool:
    """Whether the same request may well be answered if it is sent again."""
    if answer.failure is not None:
        return answer.failure.reason in _AGAIN
    status = answer.chain[-1].response.status
    return status in _PUT_OFF or status in _GATEWAY


def put_off(answer: Answer) -> Text | None:
    """Why the answer is none, but a wish to be left in peace."""
    response = answer.response
    return _PUT_OFF.get(response.status) if response is not None else None


def intervention(page: Page) -> Text | None:
    """Who answered in the place of the site; None when the site did."""
    if page.status in _DENIED:
        return _DENIED[page.status]
    if page.status in _GATEWAY:
        return Text(f"网关出错(HTTP {page.status})", f"a gateway failed (HTTP {page.status})")
    return _told_by_title(page.body) if len(page.body) <= SHORT_BYTES else None


@lru_cache(maxsize=64)
def _told_by_title(body: bytes) -> Text | None:
    """Most bodies of a site are the same few."""
    found = _TITLE.search(body)
    title = found[1].decode("utf-8", "replace").strip() if found else ""
    if title and FIREWALL_TITLE.search(title):
        return Text(f"防护设备代为应答:“{title[:80]}”", f"a firewall answered instead: “{title[:80]}”")
    return None


def denies_everything(status: int) -> Text:
    """The reason when a random path is answered with this status too."""
    return Text(f"站点对任意路径都应答 HTTP {status}", f"the site answers any path with HTTP {status}")
