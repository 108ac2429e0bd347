"""The scanning client: requests byte for byte as written, inside the scope, at a gentle pace, and on record.

What a server does is never an exception: it is an answer, or a failure of the closed list.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from copy import copy
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Self

from scanners.safety import Safety
from scanners.scope import Guard
from scanners.web.cookies import CookieJar
from scanners.web.dialing import Dialer, NotOpened, Trust
from scanners.web.intrusiveness import Profile, intrusiveness_of
from scanners.web.lane import Dispatch, Lane
from scanners.web.limits import Limits, Patience
from scanners.web.message import Answer, Failure, Hop, Reason, Request, Response, Target
from scanners.web.pace import Gate, Pace
from scanners.web.pool import Pool
from scanners.web.proxy import Proxy
from scanners.web.redirects import NONE, Follow, Redirects, endless, next_request
from scanners.web.wire import NotOneRequest, asked_of, encoded
from secops.model.text import Text

Dress = Callable[[Target, Request, str], Request]
"""Given where a request goes and the cookies that are sent with it anyway."""


class Client:
    """Use it in `async with`, in one event loop; everything it sends goes through the guard."""

    def __init__(
        self,
        guard: Guard,
        *,
        profile: Profile = Safety.SAFE,
        pace: Pace | None = None,
        limits: Limits | None = None,
        patience: Patience | None = None,
        proxy: Proxy | None = None,
        old_tls: bool = True,
        authorities: str = "",
        kill_file: Path | None = None,
    ) -> None:
        self.guard = guard
        self.profile = profile
        """The most that a request may do; one that does more is refused."""
        self.limits_requests = guard.scope.limits_requests
        self.patience = patience or Patience()
        self.dialer = Dialer(guard, self.patience, proxy, old_tls=old_tls, authorities=authorities)
        self._pace = pace or Pace()
        self.limits = limits or Limits()
        self._kill_file = kill_file
        self._pool: Pool | None = None
        self.dress: Dress | None = None
        """How requests are dressed before they are written; what is told of them stays bare."""

    async def __aenter__(self) -> Self:
        self._pool = Pool(self.guard, self.dialer, self._pace, self.patience, self._kill_file)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.pool.close()

    def as_person(self, dress: "Dress") -> Self:
        """The same client, over the same connections, in the session of somebody."""
        person = copy(self)
        person.dress = dress
        return person

    @property
    def pool(self) -> Pool:
        """Its connections."""
        assert self._pool is not None, "the client is used outside `async with`"
        return self._pool

    async def exchange(
        self,
        target: Target,
        request: Request,
        *,
        session: CookieJar | None = None,
        redirects: Redirects = NONE,
        timeout_seconds: float | None = None,
        limits: Limits | None = None,
        urgent: bool = False,
    ) -> Answer:
        """Send a request and follow its redirects. `timeout_seconds` counts from when it leaves the queue.

        `urgent` goes although the site is paused and its rate is used up.
        """
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def settle(_: Exchange, answer: Answer) -> None:
            if not future.done():
                future.set_result(answer)

        seconds = timeout_seconds or self.patience.total_seconds
        exchange = Exchange(self, session, redirects, seconds, settle, limits=limits, urgent=urgent)
        exchange.go(self.pool.lane_of(target), request)
        try:
            return await future
        except asyncio.CancelledError:
            exchange.abandon()
            raise

    async def exchange_many(
        self,
        target: Target,
        requests: Iterable[Request],
        on_answer: Callable[[Request, Answer], None],
        *,
        concurrency: int,
        session: CookieJar | None = None,
        redirects: Redirects = NONE,
        timeout_seconds: float | None = None,
    ) -> None:
        """Send many requests, `concurrency` of them under way at a time, without a task for each.

        `on_answer` is called with each request as given and its answer, in order of arrival; what it raises ends the
        batch and is raised here. `requests` is read as far as needed, and no further once the scan is killed. How
        many go at once over the wire is decided by the pace.
        """
        seconds = timeout_seconds or self.patience.total_seconds
        batch = _Batch(self.guard, self.pool.lane_of(target), iter(requests), on_answer)
        await batch.run([Exchange(self, session, redirects, seconds, batch.settle) for _ in range(concurrency)])

    def kill(self) -> None:
        """Stop everything at once: nothing more is sent by anybody who shares the guard."""
        self.guard.stop.set()
        self.pool.kill()

    def gate_of(self, target: Target) -> Gate | None:
        """Rate and baseline of a target's address; None before its first request."""
        return self.pool.gate_of(target)

    async def trust(self, target: Target) -> Trust | Failure:
        """Whether the certificates of a target are trusted, by one more handshake; a failure when there is none."""
        try:
            return await self.dialer.trust(target)
        except NotOpened as error:
            return error.failure


class Exchange(Dispatch):
    """One request with its redirects, while it is under way."""

    __slots__ = ("_client", "_cookie_jar", "_first", "_hops", "_plain", "_policy", "_settle", "asked")

    def __init__(
        self,
        client: Client,
        session: CookieJar | None,
        policy: Redirects,
        seconds: float,
        settle: "Callable[[Exchange, Answer], None]",
        *,
        limits: Limits | None = None,
        urgent: bool = False,
    ) -> None:
        super().__init__(seconds, limits or client.limits, urgent=urgent)
        self._client = client
        self._cookie_jar = session
        self._plain = session is None and policy.follow is Follow.NOWHERE
        self._policy = policy
        self._settle = settle

    def go(self, lane: Lane, request: Request) -> None:
        """Send the first request; when it has settled, it may go again with another."""
        self.asked = request
        self._first = lane.target
        self._hops: tuple[Hop, ...] = ()
        self._send(lane, request)

    def abandon(self) -> None:
        """Nobody waits for it: it is not sent, or broken off at the next look of the clock."""
        self.abandoned = True
        self.deadline = 0.001

    def done(self, response: Response | None, failure: Failure | None) -> None:
        if response is not None:
            target, request = self.lane.target, self.request
            hop = Hop(target, request, response)
            self._hops = (*self._hops, hop) if self._hops else (hop,)
            if failure is None and not self._plain:
                try:
                    self._go_on(target, request, response)
                except Exception as error:
                    # In a callback of the connection nobody else would ever tell who waits.
                    self._settle(self, Answer(self._hops, _bug(error)))
                return
        self._settle(self, Answer(self._hops, failure))

    def _send(self, lane: Lane, request: Request) -> None:
        failure = _refusal(self._client, lane, request)
        if failure is None:
            try:
                self.aim(lane, request, self._encoded(lane, request))
            except NotOneRequest as error:
                why = Text(f"不能写成一个请求:{error}", f"it cannot be written as one request: {error}")
                failure = Failure(Reason.BAD_REQUEST, why)
        if failure is not None:
            self._settle(self, Answer(self._hops, failure))
        else:
            self._client.pool.submit(self)

    def _encoded(self, lane: Lane, request: Request) -> bytes:
        cookie = self._cookie_jar.header(lane.target, request.target) if self._cookie_jar is not None else ""
        if self._client.dress is not None:
            request = self._client.dress(lane.target, request, cookie)
        if lane.forwarded:
            return encoded(self._client.dialer.authorized(request), lane.authority, cookie, lane.origin)
        return encoded(request, lane.authority, cookie)

    def _go_on(self, target: Target, request: Request, response: Response) -> None:
        """Keep the cookies and follow a redirect."""
        jar = self._cookie_jar
        new_cookies = jar.take(target, request.target, response) if jar is not None else False
        following = next_request(self._first, target, request, response, self._policy)
        if following is None:
            self._settle(self, Answer(self._hops))
            return
        failure = endless(self._hops, following, self._policy, new_cookies)
        left = self.deadline - monotonic()
        if failure is not None or self.abandoned:
            self._settle(self, Answer(self._hops, failure))
            return
        self.seconds = max(left, 0.001)
        there, next_one = following
        self._send(self._client.pool.lane_of(there), next_one)


class _Batch:
    """Many exchanges with one target; each that settles goes again with the next request."""

    def __init__(
        self,
        guard: Guard,
        lane: Lane,
        requests: Iterator[Request],
        on_answer: Callable[[Request, Answer], None],
    ) -> None:
        self._guard = guard
        self._lane = lane
        self._requests = requests
        self._on_answer = on_answer
        self._seconds = 0.0
        self._free: list[Exchange] = []
        self._under_way = 0
        self._filling = False
        self._over = False
        self._error: Exception | None = None
        self._finished = asyncio.Event()

    async def run(self, exchanges: list[Exchange]) -> None:
        """Until all is done. Raises what `on_answer` or the source of requests raised."""
        self._free = exchanges
        self._seconds = exchanges[0].seconds
        self._fill()
        try:
            await self._finished.wait()
        except asyncio.CancelledError:
            self._over = True
            self._on_answer = _ignore
            raise
        if self._error is not None:
            raise self._error

    def settle(self, exchange: Exchange, answer: Answer) -> None:
        """Called by each exchange that ended."""
        self._free.append(exchange)
        self._under_way -= 1
        try:
            self._on_answer(exchange.asked, answer)
        except Exception as error:
            self._stop(error)
        if not self._filling:
            self._fill()

    def _fill(self) -> None:
        """Send as many as there is room for; what ends at once makes room in this loop, not deeper down."""
        self._filling = True
        self._over = self._over or self._guard.stop.is_set()
        while self._free and not self._over:
            try:
                request = next(self._requests, None)
            except Exception as error:
                self._stop(error)
                break
            if request is None:
                self._over = True
                break
            self._under_way += 1
            exchange = self._free.pop()
            exchange.seconds = self._seconds
            exchange.go(self._lane, request)
        self._filling = False
        if self._over and not self._under_way:
            self._finished.set()

    def _stop(self, error: Exception) -> None:
        self._error = self._error or error
        self._over = True


def _bug(error: Exception) -> Failure:
    return Failure(Reason.BUG, Text(f"程序缺陷:{error!r}", f"our bug: {error!r}"))


def _ignore(request: Request, answer: Answer) -> None:
    """What is done with the answers of a batch that was cancelled."""


def _refusal(client: Client, lane: Lane, request: Request) -> Failure | None:
    """Why a request may not be sent, told to the audit; None when it may."""
    if client.limits_requests or lane.forwarded:
        refused = _outside(client.guard, lane, request)
        if refused is not None:
            return Failure(Reason.OUT_OF_SCOPE, refused)
    if client.profile is Safety.INTRUSIVE:
        return None
    needed = intrusiveness_of(request)
    if client.profile.allows(needed):
        return None
    why = Text(
        f"该请求属于 {needed.value} 级,本次扫描只允许 {client.profile.value} 级,未发送",
        f"the request is {needed.value}, the scan is {client.profile.value}; it was not sent",
    )
    target = lane.target
    client.guard.refusing(f"{request.method} {lane.origin}{request.target}", target.host, target.port, why)
    return Failure(Reason.TOO_INTRUSIVE, why)


def _outside(guard: Guard, lane: Lane, request: Request) -> Text | None:
    """Why a request lies outside the scope; None when it lies inside."""
    host, port = lane.target.host, lane.target.port
    if lane.forwarded and not _is_for(lane, request):
        why = Text(
            "转发代理会按请求自身去找主机,该请求指向别处,未发送",
            "a forwarding proxy goes where the request says, and this one says another place; it was not sent",
        )
        guard.refusing(f"{request.method} {lane.origin} {request.target}", host, port, why)
        return why
    # Raw bytes of which no request can be made out are outside any limit.
    for method, place in asked_of(request) or (("?", "?"),):
        refused = guard.refuse_request(method, place, host, port)
        if refused is not None:
            return refused
    return None


def _is_for(lane: Lane, request: Request) -> bool:
    """Whether a request leads a proxy to the lane's target and nowhere else."""
    if request.raw is not None or not request.target.startswith("/"):
        return False
    named = [value.strip().lower() for name, value in request.headers if name.strip().lower() == "host"]
    return all(value in (lane.authority.lower(), f"{lane.target.host}:{lane.target.port}".lower()) for value in named)
