"""Keeps a user logged in during a scan: nothing that was answered while logged out counts.

Ask `before` for a number, work, and ask `after` with it whether the answers count; `confirmed` does both.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from scanners.web.browser.rendering import Browser
from scanners.web.charset import text_of
from scanners.web.cookies import CookieJar
from scanners.web.message import Answer, Reason, Request, Target
from scanners.web.sessions.logins import Login, LoginImpossible, Sends
from scanners.web.sessions.session_file import SessionFile
from scanners.web.urls import request_target_of, target_of
from secops.model.text import Text
from secops.support.errors import Incomplete

Worked = TypeVar("Worked")
_ATTEMPTS = 3
_NO_ANSWER = Text("登录态探测没有得到应答", "the logged-in probe got no answer")


class OutOfSession(Incomplete):
    """The session is lost and cannot be had again: what was to be tested in it is not tested."""


class SessionKeeper:
    """One user, kept logged in. In one event loop; several tasks may use it at once."""

    def __init__(
        self,
        sends: Sends,
        spec: SessionFile,
        *,
        folder: Path | None = None,
        resolve_secret: Callable[[str], str] = lambda text: text,
        browser: Browser | None = None,
    ) -> None:
        """`browser`: for sessions that begin in one."""
        self.cookies = CookieJar()
        """Give it to the client with every request of the session."""
        self.trouble: Text | None = None
        """Why there is no session; None while there is one, or none was asked for yet."""
        self.logins = 0
        self.probes = 0
        self._sends = sends
        self._spec = spec
        self._site = target_of(spec.probe.url)
        self._login = Login(sends, spec, self.cookies, folder or Path(), resolve_secret, browser)
        self._lock = asyncio.Lock()
        self._session = 0
        """Number of the present session; 0: none."""
        self._last = 0
        self._failed = 0
        self._proven_at = float("-inf")

    @property
    def locked(self) -> bool:
        """So many logins failed that another one might lock the account."""
        return self._failed >= self._spec.max_failed_logins

    @property
    def storage(self) -> Any:
        """What the site keeps in the browser that logged in; None for nothing."""
        return self._login.storage

    @property
    def site(self) -> Target:
        """Where the session is."""
        return self._site

    @property
    def probe_target(self) -> str:
        """What is asked to see whether somebody is logged in, without scheme and host."""
        return request_target_of(self._spec.probe.url)

    def fully_dressed(self, target: Target, request: Request, cookie: str = "") -> Request:
        """The request with its cookies, too, for whom no jar is kept; those that it has, and `cookie`, are stronger."""
        if target != self._site or request.raw is not None:
            return request
        request = self.dressed(target, request)
        own = [value for name, value in request.headers if name.lower() == "cookie"]
        known = {one.partition("=")[0].strip() for one in "; ".join((*own, cookie)).split(";")}
        ours = self.cookies.header(target, request.target).split("; ")
        added = "; ".join(one for one in ours if one.partition("=")[0] not in known)
        if not added:
            return request
        headers = tuple(pair for pair in request.headers if pair[0].lower() != "cookie")
        return replace(request, headers=(*headers, ("Cookie", "; ".join((*own, added)))))

    def dressed(self, target: Target, request: Request) -> Request:
        """The request with the headers that prove the session; never for another site."""
        extra = self._login.headers
        if not extra or target != self._site or request.raw is not None:
            return request
        known = {name.lower() for name, _ in request.headers}
        headers = (*request.headers, *(pair for pair in extra if pair[0].lower() not in known))
        return Request(request.method, request.target, headers, request.body)

    async def before(self) -> int:
        """The number of the present session, which is begun when there is none; 0 when it cannot be had."""
        async with self._lock:
            if not self._session:
                await self._begin()
            return self._session

    async def after(self, session: int) -> bool:
        """Whether what was asked since `before` gave this number was answered to somebody logged in."""
        asked_at = monotonic()
        async with self._lock:
            if session != self._session or not session:
                return False
            if self._proven_at >= asked_at:
                return True
            if not await self._proven():
                self._session = 0
                return False
            return True

    async def _begin(self) -> None:
        if self.locked or (self._last and not self._login.can_be_repeated):
            self.trouble = self.trouble or _lost(self.locked, self._failed)
            return
        try:
            await self._login.begin()
        except LoginImpossible as error:
            self.trouble = error.text
            self._failed += error.counts
            return
        self.logins += 1
        if await self._proven():
            self._last += 1
            self._session, self._failed, self.trouble = self._last, 0, None
            return
        self._failed += 1
        self.trouble = _lost(self.locked, self._failed)

    async def _proven(self) -> bool:
        """Whether the probe says so; no answer proves nothing."""
        began = monotonic()
        self.probes += 1
        probe = self._spec.probe
        request = self.dressed(self._site, Request("GET", request_target_of(probe.url)))
        answer = await self._sends.exchange(self._site, request, session=self.cookies)
        if answer.failure and answer.failure.reason in (Reason.RESET, Reason.CLOSED, Reason.TIMED_OUT):
            answer = await self._sends.exchange(self._site, request, session=self.cookies)
        proven = _proves(self._spec, answer)
        if proven:
            self._proven_at = began
        elif answer.failure:
            self.trouble = _NO_ANSWER
        return proven


async def confirmed(keeper: SessionKeeper, work: Callable[[], Awaitable[Worked]]) -> Worked:
    """Do the work while logged in; done while logged out it is done again. Raises OutOfSession."""
    for _ in range(_ATTEMPTS):
        session = await keeper.before()
        if not session:
            break
        done = await work()
        if await keeper.after(session):
            return done
    raise OutOfSession(keeper.trouble or _lost(False, 0))


def _proves(spec: SessionFile, answer: Answer) -> bool:
    response = answer.response
    if response is None or answer.failure is not None:
        return False
    probe, page = spec.probe, text_of(response.body, response.header("content-type"))
    if probe.status is not None and response.status != probe.status:
        return False
    # What is only lacking proves nothing on a page of errors.
    if probe.lacks and (probe.lacks in page or not 200 <= response.status < 300):
        return False
    return probe.shows in page


def _lost(locked: bool, failed: int) -> Text:
    if locked:
        return Text(
            f"登录连续失败 {failed} 次,已停止尝试以免账号被锁定",
            f"{failed} logins in a row failed; no more are tried, lest the account be locked",
        )
    return Text("登录态已丢失,且无法重新登录", "the session is lost and cannot be begun again")
