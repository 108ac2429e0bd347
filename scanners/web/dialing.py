"""Opens a connection to a target: name, scope, TCP, proxy, TLS, each within its time."""

import asyncio
import errno
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from time import monotonic

from scanners.endings import OutOfScope, Stopped
from scanners.scope import Address, Connected, Guard
from scanners.tls_probe import chain_of, unjudging_context
from scanners.web.connection import Connection, Opening, timed_out
from scanners.web.limits import Patience
from scanners.web.message import Failure, Phase, Reason, Request, Target
from scanners.web.proxy import Proxy, ProxyKind, ProxyRefused, tunnel
from secops.model.text import Text

_NO_ROUTE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.ENETDOWN, errno.EHOSTDOWN)


class NotOpened(Exception):
    """There is no connection, and why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.detail.en)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Trust:
    """OpenSSL's verdict on the certificates of a server, its name included."""

    code: int
    """0 when they are trusted."""
    why: str
    """What the code means."""


class Dialer:
    """Opens the connections of one client."""

    def __init__(
        self, guard: Guard, patience: Patience, proxy: Proxy | None, *, old_tls: bool, authorities: str
    ) -> None:
        self._guard = guard
        self._patience = patience
        self.proxy = proxy
        self._tls = _context(old_tls)
        self._authorities = authorities

    def forwards(self, target: Target) -> bool:
        """Whether requests to a target are handed to the proxy with the whole URL."""
        return self.proxy is not None and self.proxy.kind is ProxyKind.FORWARD and target.scheme == "http"

    def authorized(self, request: Request) -> Request:
        """A request that is handed to the proxy, with what the proxy wants to see."""
        if self.proxy is None or not self.proxy.authorization:
            return request
        return replace(request, headers=(*request.headers, ("Proxy-Authorization", self.proxy.authorization)))

    async def resolve(self, target: Target) -> tuple[Address, ...]:
        """The addresses of a target, all inside the scope. Raises NotOpened."""
        async with _phase(Phase.RESOLVE, self._patience.resolve_seconds):
            try:
                found = await self._guard.addresses(target.host, target.port)
            except OSError as error:
                why = str(error)
                raise NotOpened(
                    Failure(
                        Reason.UNRESOLVED, Text(f"{target.host} 无法解析:{why}", f"{target.host} has no address: {why}")
                    )
                ) from error
        if self.forwards(target) and not self._named_in_scope(target.host, found):
            raise NotOpened(
                Failure(
                    Reason.OUT_OF_SCOPE,
                    Text(
                        f"转发代理会自行解析 {target.host},授权范围的 hosts 中没有列出它,未发送任何数据",
                        f"a forwarding proxy resolves {target.host} by itself, and the scope does not list it under "
                        "hosts; nothing was sent",
                    ),
                )
            )
        return found

    async def open(self, target: Target, found: tuple[Address, ...], connection: Connection) -> None:
        """Open a connection to one of the checked addresses. Raises NotOpened."""
        await self._open(target, found, connection, connection.opening, self._tls)

    async def trust(self, target: Target) -> Trust:
        """Shake hands once more, verifying. Raises NotOpened when there is no handshake to judge."""
        context = _verifying_context(self._authorities)
        try:
            await self._open(target, await self.resolve(target), _Hangup(), Opening(peer=""), context)
        except NotOpened as error:
            if isinstance(error.__cause__, ssl.SSLCertVerificationError):
                return Trust(error.__cause__.verify_code, error.__cause__.verify_message)
            raise
        return Trust(0, "")

    async def _open(
        self,
        target: Target,
        found: tuple[Address, ...],
        protocol: asyncio.Protocol,
        opening: Opening,
        context: ssl.SSLContext,
    ) -> None:
        began = monotonic()
        async with _phase(Phase.CONNECT, self._patience.connect_seconds):
            link = await self._link(target, found)
        try:
            if self.proxy is not None and not self.forwards(target):
                async with _phase(Phase.PROXY, self._patience.connect_seconds):
                    await tunnel(link.socket, self.proxy, found[0], target.port)
            opening.peer = str(found[0] if self.proxy else link.peer)
            opening.connect_seconds = monotonic() - began
            await self._shake_hands(target, link, protocol, opening, context)
        except BaseException:
            link.socket.close()
            raise

    async def _link(self, target: Target, found: tuple[Address, ...]) -> Connected:
        if self.proxy is None:
            return await self._guard.connect(target.host, found, target.port)
        return await self._guard.connect_through(self.proxy.host, self.proxy.port, target.host, found[0], target.port)

    async def _shake_hands(
        self, target: Target, link: Connected, protocol: asyncio.Protocol, opening: Opening, context: ssl.SSLContext
    ) -> None:
        loop = asyncio.get_running_loop()
        if target.scheme != "https":
            await loop.create_connection(lambda: protocol, sock=link.socket)
            return
        began = monotonic()
        async with _phase(Phase.TLS, self._patience.tls_seconds):
            transport, _ = await loop.create_connection(
                lambda: protocol, sock=link.socket, ssl=context, server_hostname=target.server_name or target.host
            )
        opening.tls_seconds = monotonic() - began
        shown = transport.get_extra_info("ssl_object")
        opening.chain = chain_of(shown) if shown else ()

    def _named_in_scope(self, host: str, found: tuple[Address, ...]) -> bool:
        return host.lower() in self._guard.scope.hosts or (len(found) == 1 and host == str(found[0]))


@asynccontextmanager
async def _phase(phase: Phase, seconds: float) -> AsyncIterator[None]:
    """Bound a phase, and turn everything that a network can do into NotOpened."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise NotOpened(timed_out(phase)) from error
    except (OutOfScope, Stopped) as error:
        raise NotOpened(failure_of(error)) from error
    except ssl.SSLError as error:
        raise NotOpened(_tls_failure(error.reason or str(error) or "no TLS")) from error
    except OSError as error:
        raise NotOpened(_tls_failure(str(error)) if phase is Phase.TLS else _failure_of(error)) from error


def failure_of(error: OutOfScope | Stopped) -> Failure:
    """What the guard said."""
    return Failure(Reason.KILLED if isinstance(error, Stopped) else Reason.OUT_OF_SCOPE, error.reason)


def _failure_of(error: OSError) -> Failure:
    why = error.strerror or str(error) or type(error).__name__
    if isinstance(error, ProxyRefused):
        return Failure(Reason.PROXY, error.reason)
    if isinstance(error, ConnectionRefusedError):
        return Failure(Reason.REFUSED, Text("端口关闭,拒绝连接", "the connection was refused"))
    if error.errno in _NO_ROUTE:
        return Failure(Reason.NO_ROUTE, Text(f"无法到达:{why}", f"there is no way to it: {why}"))
    if error.errno == errno.ETIMEDOUT:
        return timed_out(Phase.CONNECT)
    return Failure(Reason.RESET, Text(f"连接中断:{why}", f"the connection broke: {why}"))


def _tls_failure(why: str) -> Failure:
    return Failure(Reason.TLS, Text(f"TLS 握手失败:{why}", f"the TLS handshake failed: {why}"))


class _Hangup(asyncio.Protocol):
    """Closes the connection as soon as it is there."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def _verifying_context(authorities: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if authorities:
        context.load_verify_locations(cafile=authorities)
    # Trust alone is asked here: a weak key or an old version is judged by itself.
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
    return context


def _context(old_tls: bool) -> ssl.SSLContext:
    """For talking to any server: what it shows is captured, not trusted."""
    context = unjudging_context()
    context.set_alpn_protocols(["http/1.1"])
    if not old_tls:
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context
    # Old servers neither know secure renegotiation nor send a close notice.
    context.options |= ssl.OP_LEGACY_SERVER_CONNECT if hasattr(ssl, "OP_LEGACY_SERVER_CONNECT") else 0x4
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
    return context
