"""What a check may do to its target, and nothing else: ask a web server, knock at a port, look at TLS, run a command.

Everything goes through the scope guard; everything is bounded in size and time.
"""

import asyncio
import errno
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from types import TracebackType
from typing import NoReturn, Protocol, Self
from urllib.parse import quote, urljoin, urlsplit

from scanners.answer import HttpAnswer, Timings
from scanners.endings import Blocked, NotApplicable, NotTested, OutOfScope, Stopped, Unreachable
from scanners.safety import Safety
from scanners.scope import Guard
from scanners.tls_probe import TlsAnswer, look_at_tls
from scanners.web.client import Client
from scanners.web.limits import Limits
from scanners.web.limits import Patience as PhasePatience
from scanners.web.message import DEFAULT_PORTS, Failure, Reason, Request, Target
from scanners.web.message import Timings as Phases
from scanners.web.pace import Pace
from secops import __version__
from secops.model.city import Asset
from secops.model.step import Result, Trouble
from secops.model.text import Text

BODY_BYTES = 2 * 1024 * 1024
_UPGRADED = 101
_PACE = Pace(most=300.0, start=100.0, growth=50.0, connections=16, total_connections=128)
_MAX_KNOCKS = 256
"""Sockets, of the 1024 that a process may usually have, that knock at ports at once."""
_SHELL_THREADS = 16
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SAFE_IN_TARGET = "/%:=&?~+!$,;'@()*[]|"


class Shell(Protocol):
    """Runs read-only commands on a host over ssh; blocking, safe to call from several threads."""

    def run(self, host: Asset, argv: tuple[str, ...], timeout_seconds: float) -> Result:
        """The result; an unreachable host is a result with that trouble, never an exception."""
        ...


class PortState(StrEnum):
    """How a TCP port answered a connection."""

    OPEN = "open"
    CLOSED = "closed"
    FILTERED = "filtered"
    """Nothing came back in time, or a router said no."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a target may take."""

    connect_seconds: float = 5.0
    idle_seconds: float = 5.0
    """Without a single byte."""
    total_seconds: float = 20.0
    """For one request with its redirects."""


@dataclass(frozen=True, slots=True)
class _Move:
    """Everything of one origin is looked at below another address."""

    origin: Target
    at: str


class Reach:
    """The only way from a check to its target. Use it in `async with`, in one event loop."""

    def __init__(
        self, guard: Guard, *, shell: Shell | None = None, patience: Patience | None = None, authorities: str = ""
    ) -> None:
        self._guard = guard
        self._shell = shell
        self._patience = patience or Patience()
        self._authorities = authorities
        self._move: _Move | None = None
        # What a check may send is the check's own level; here only the scope and the pace hold it back.
        patience = self._patience
        self._client = Client(guard, profile=Safety.INTRUSIVE, pace=_PACE, patience=_phases(patience))
        self._knocks = asyncio.Semaphore(_MAX_KNOCKS)
        self._threads = ThreadPoolExecutor(_SHELL_THREADS, thread_name_prefix="shell")

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.__aexit__(kind, error, trace)
        self._threads.shutdown(wait=False, cancel_futures=True)

    @property
    def stopped(self) -> bool:
        """Whether the kill switch is on."""
        return self._guard.stop.is_set()

    def relocated(self, url: str, at: str) -> "Reach":
        """A reach that looks at everything of `url`'s origin below `at`, and at nothing else.

        Answers keep the original URLs, so that a copy in an isolated place is judged as if it stood in its own place.
        """
        moved = Reach(self._guard, patience=self._patience, authorities=self._authorities)
        moved._client, moved._threads = self._client, self._threads
        moved._move = _Move(_split(url)[0], at.rstrip("/") + "/")
        return moved

    async def get(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: tuple[tuple[str, str], ...] = (),
        follow: int = 0,
        max_body_bytes: int = BODY_BYTES,
        truncate: bool = False,
    ) -> HttpAnswer:
        """Ask for a URL. Raises Unreachable, Blocked (led out of the scope), OutOfScope.

        `follow` is how many redirects are followed; with 0 a redirect is itself the answer.
        """
        limits = Limits(body_bytes=max_body_bytes)
        try:
            async with asyncio.timeout(self._patience.total_seconds):
                answer = await self._follow(url, method, headers, follow, limits)
        except TimeoutError as error:
            raise _too_slow(url) from error
        if answer.cut and not truncate:
            raise _too_large(max_body_bytes)
        return answer

    async def connect(self, host: str, port: int, timeout_seconds: float | None = None) -> PortState:
        """Knock at a TCP port, without sending anything. Raises OutOfScope, Unreachable (no such name)."""
        self._refuse_in_place()
        patience = timeout_seconds or self._patience.connect_seconds
        try:
            async with self._knocks:
                opened = await self._guard.open(host, port, timeout_seconds=patience)
        except ConnectionRefusedError:
            return PortState.CLOSED
        except OSError as error:
            if isinstance(error, TimeoutError) or error.errno in _NO_ROUTE:
                return PortState.FILTERED
            raise _no_answer(host, error) from error
        opened.writer.transport.abort()
        return PortState.OPEN

    async def tls(self, host: str, port: int) -> TlsAnswer:
        """What a TLS server shows. Raises OutOfScope, Unreachable."""
        self._refuse_in_place()
        try:
            return await look_at_tls(self._guard, host, port, self._patience.connect_seconds, self._authorities)
        except OSError as error:
            raise _no_answer(f"{host}:{port}", error) from error

    async def shell(self, host: Asset, argv: tuple[str, ...], timeout_seconds: float = 20.0) -> Result:
        """Run a read-only command on a host; the result may be a failure of the command.

        Raises NotApplicable (no shell there), OutOfScope, Unreachable.
        """
        self._refuse_in_place()
        if self._shell is None or host.ssh is None:
            raise NotApplicable(Text("该主机没有登记 SSH 登录方式", "the host has no ssh access declared"))
        try:
            await self._guard.addresses(host.address, host.ssh.port, "shell")
        except OSError as error:
            raise _no_answer(host.address, error) from error
        self._guard.sending(f"shell {' '.join(argv)}", host.address, "", host.ssh.port)
        running = asyncio.get_running_loop().run_in_executor(
            self._threads, self._shell.run, host, argv, timeout_seconds
        )
        result = await running
        return _require_answer(host, result)

    async def _follow(
        self, url: str, method: str, headers: tuple[tuple[str, str], ...], follow: int, limits: Limits
    ) -> HttpAnswer:
        trail: list[str] = []
        while True:
            answer = await self._hop(url, method, headers, limits, redirected=bool(trail))
            answer = replace(answer, redirects=tuple(trail))
            location = answer.header("location")
            if not follow or answer.status not in _REDIRECTS or not location:
                return answer
            trail.append(url)
            url = self._next(url, location)
            if len(trail) > follow or url in trail:
                raise Unreachable(Text(f"重定向没有尽头:{url}", f"redirects without an end: {url}"))

    async def _hop(
        self, url: str, method: str, headers: tuple[tuple[str, str], ...], limits: Limits, redirected: bool
    ) -> HttpAnswer:
        try:
            return await self._ask(url, method, headers, limits)
        except OutOfScope as error:
            if not redirected:
                raise
            raise Blocked(
                Text(f"重定向未跟随:{error.reason.zh}", f"redirected, and not followed: {error.reason.en}")
            ) from error

    async def _ask(self, url: str, method: str, headers: tuple[tuple[str, str], ...], limits: Limits) -> HttpAnswer:
        origin, target = _split(self._place_of(url))
        request = Request(method, target, (*_OUR_HEADERS, *headers))
        answer = await self._client.exchange(origin, request, limits=limits)
        response, failure = answer.response, answer.failure
        if failure is not None:
            raise _ending_of(failure, origin, url)
        assert response is not None
        if response.status == _UPGRADED:
            raise Unreachable(Text("服务器擅自更换了协议", "the server changes the protocol unasked"))
        timings = response.timings
        spent = Timings(timings.connect, timings.tls, timings.first_byte, _transfer_of(timings))
        return HttpAnswer(
            url, response.status, response.headers, response.body, response.truncated, response.peer, spent
        )

    def _next(self, url: str, location: str) -> str:
        """Where a redirect leads; one that stays in the isolated place is named by its original URL."""
        if not self._move:
            return _joined(url, location)
        reached = _joined(self._place_of(url), location)
        if reached.startswith(self._move.at):
            return f"{self._move.origin}/{reached.removeprefix(self._move.at)}"
        return reached

    def _place_of(self, url: str) -> str:
        if not self._move:
            return url
        origin, target = _split(url)
        if origin != self._move.origin:
            raise OutOfScope(
                Text(f"{url} 不在隔离区内,未访问", f"{url} is outside the isolated place and was not looked at")
            )
        return self._move.at + target.lstrip("/")

    def _refuse_in_place(self) -> None:
        if self._move:
            raise NotApplicable(
                Text("隔离区中只检查网页内容", "in an isolated place only the pages themselves are looked at")
            )


_OUR_HEADERS = (
    ("User-Agent", f"jindun/{__version__}"),
    ("Accept", "*/*"),
    ("Accept-Encoding", "gzip, deflate"),
)
_NO_ROUTE = (errno.ENETUNREACH, errno.EHOSTUNREACH)


def _split(url: str) -> tuple[Target, str]:
    """The origin and the encoded path with query. Raises Unreachable for what is not an http or https URL."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        _bad_url(url)
    if parts.scheme not in DEFAULT_PORTS or not host:
        _bad_url(url)
    path = quote(parts.path or "/", safe=_SAFE_IN_TARGET)
    query = "?" + quote(parts.query, safe=_SAFE_IN_TARGET) if parts.query else ""
    return Target(parts.scheme, host, port or DEFAULT_PORTS[parts.scheme]), path + query


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        _bad_url(location)


def _bad_url(url: str) -> NoReturn:
    raise Unreachable(Text(f"不是可访问的网址:{url[:200]!r}", f"not a URL that can be asked for: {url[:200]!r}"))


def _too_slow(url: str) -> Unreachable:
    return Unreachable(Text(f"{url} 未在时限内应答完毕", f"{url} did not finish its answer in time"))


def _too_large(max_body_bytes: int) -> Unreachable:
    size = f"{max_body_bytes // 1024} KiB"
    return Unreachable(Text(f"应答解压后超过 {size} 上限", f"the answer is larger than {size} once decompressed"))


def _ending_of(failure: Failure, origin: Target, url: str) -> NotTested:
    """What a failure of an exchange is for a check."""
    detail = failure.detail
    if failure.reason is Reason.OUT_OF_SCOPE:
        return OutOfScope(detail)
    if failure.reason is Reason.KILLED:
        return Stopped(detail)
    if failure.reason is Reason.TIMED_OUT:
        return _too_slow(url)
    return Unreachable(Text(f"{origin} 没有可用的应答:{detail.zh}", f"{origin} gave no usable answer: {detail.en}"))


def _transfer_of(timings: Phases) -> float:
    """Seconds from the first byte to the last."""
    return max(0.0, timings.total - timings.resolve - timings.connect - timings.tls - timings.first_byte)


def _phases(patience: Patience) -> PhasePatience:
    connect, idle = patience.connect_seconds, patience.idle_seconds
    return PhasePatience(connect, connect, connect, idle, idle, idle, patience.total_seconds)


def _no_answer(where: str, error: Exception) -> Unreachable:
    why = str(error) or type(error).__name__
    return Unreachable(Text(f"{where} 没有应答:{why}", f"{where} did not answer: {why}"))


def _require_answer(host: Asset, result: Result) -> Result:
    """The result, unless no command ran there."""
    if result.trouble in (Trouble.NONE, Trouble.FAILED):
        return result
    why = result.reason or result.trouble.value
    if result.trouble is Trouble.INTERNAL:
        raise RuntimeError(why)
    if result.trouble is Trouble.REFUSED:
        raise Blocked(Text(f"{host.id} 拒绝执行命令:{why}", f"no command may run on {host.id}: {why}"))
    raise Unreachable(Text(f"无法在 {host.id} 上执行命令:{why}", f"no command could run on {host.id}: {why}"))
