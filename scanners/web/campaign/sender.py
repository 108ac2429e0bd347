"""Sends what checks ask for, as the person that they name."""

from dataclasses import dataclass

from scanners.web.client import Client
from scanners.web.cookies import CookieJar
from scanners.web.message import Answer, Request, Target
from scanners.web.probing.trial import Ask, Purpose, Session
from scanners.web.sessions.keeper import SessionKeeper
from secops import __version__

_CHECK_SECONDS = 8.0
USER_AGENT = ("User-Agent", f"jindun/{__version__}")


@dataclass(frozen=True, slots=True)
class Sessions:
    """Who is logged in."""

    own: SessionKeeper | None = None
    other: SessionKeeper | None = None
    """A second person, to tell whose objects are whose."""

    @property
    def kinds(self) -> frozenset[Session]:
        """Those that can be had."""
        return frozenset({Session.OWN, Session.NOBODY} | ({Session.OTHER} if self.other else set()))


class Sender:
    """One for each site; it counts."""

    def __init__(self, client: Client, sessions: Sessions) -> None:
        self.sent = 0
        self._client, self._sessions = client, sessions
        self._jar = sessions.own.cookies if sessions.own else CookieJar()

    async def send(self, target: Target, ask: Ask) -> Answer:
        """What came back; redirects are not followed."""
        self.sent += 1
        seconds = ask.patience_seconds or _CHECK_SECONDS
        keeper = {Session.OWN: self._sessions.own, Session.OTHER: self._sessions.other}.get(ask.session)
        if keeper is not None:
            request = keeper.dressed(target, ask.request)
            return await self._client.exchange(target, request, session=keeper.cookies, timeout_seconds=seconds)
        jar = self._jar if ask.session is Session.OWN else None
        return await self._client.exchange(target, ask.request, session=jar, timeout_seconds=seconds)

    async def exchange(self, target: Target, request: Request, *, session: CookieJar | None = None) -> Answer:
        """As the person of the scan, whatever the jar."""
        return await self.send(target, Ask(dressed_up(request), Purpose.LOOK))


def dressed_up(request: Request) -> Request:
    """With a User-Agent."""
    if any(name.lower() == "user-agent" for name, _ in request.headers):
        return request
    return Request(request.method, request.target, (USER_AGENT, *request.headers), request.body, request.raw)
