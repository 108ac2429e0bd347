"""What may be touched, and the guard that every socket of a scan goes through.

The guard resolves names itself, checks every address that comes back, and connects to a checked address only, so that
a second answer of the DNS cannot lead it elsewhere. Outside the scope nothing is sent.
"""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from time import monotonic
from typing import TypeAlias

from scanners.allowed import Window, lies_below
from scanners.endings import OutOfScope, Stopped
from scanners.nouns import noun
from secops.model.text import Text
from secops.support.clock import now, to_text

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

READ_BUFFER_BYTES = 64 * 1024
_RESOLVED_SECONDS = 30.0
"""How long an answer of the DNS is used: a scan knocks at a hundred ports of one name."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What somebody authorised to be scanned, and until when."""

    networks: tuple[Network, ...]
    approved_by: str
    expires: datetime
    ports: frozenset[int] = frozenset()
    """Empty: every port."""
    hosts: frozenset[str] = frozenset()
    """Names that may be asked of the DNS; empty: any name whose every address lies in `networks`."""
    paths: tuple[str, ...] = ()
    """Below which a site may be asked; empty: everywhere."""
    methods: frozenset[str] = frozenset()
    """Upper case; empty: every method."""
    windows: tuple[Window, ...] = ()
    """When anything may be sent; empty: always."""

    def refuse_name(self, host: str) -> Text | None:
        """Why a host name may not even be resolved; None when it may."""
        if not self.hosts or host.lower() in self.hosts or _literal(host) is not None:
            return None
        return Text(
            f"主机 {host} 不在授权范围内,未发送任何数据",
            f"host {host} is not in the authorised scope; nothing was sent",
        )

    def refuse(self, host: str, address: Address, port: int, moment: datetime) -> Text | None:
        """Why an address may not be touched; None when it may."""
        if refused := self.refuse_moment(moment):
            return refused
        if not any(address in network for network in self.networks):
            return Text(
                f"主机 {host} 的地址 {address} 不在授权网段内,未发送任何数据",
                f"host {host} has address {address}, outside the authorised networks; nothing was sent",
            )
        if self.ports and port not in self.ports:
            return Text(
                f"主机 {host}({address})的端口 {port} 不在授权范围内",
                f"port {port} of host {host} ({address}) is not in the authorised scope",
            )
        return None

    def refuse_moment(self, moment: datetime) -> Text | None:
        """Why nothing may be sent now; None when it may."""
        if moment >= self.expires:
            until = to_text(self.expires)
            return Text(f"扫描授权已于 {until} 到期", f"the authorisation to scan ended at {until}")
        if self.windows and not any(window.holds(moment) for window in self.windows):
            hours = "; ".join(map(str, self.windows))
            return Text(f"当前不在授权扫描时段内({hours})", f"outside the hours authorised for scanning ({hours})")
        return None

    @property
    def limits_requests(self) -> bool:
        """Whether there are requests that a site in scope may not be sent."""
        return bool(self.paths or self.methods)

    def refuse_request(self, method: str, target: str) -> Text | None:
        """Why a request may not be sent to a site whose address is in scope; None when it may."""
        if self.methods and method.upper() not in self.methods:
            return Text(f"请求方法 {method[:40]} 未获授权", f"the method {method[:40]} is not authorised")
        if self.paths and not lies_below(target, self.paths):
            where = ", ".join(self.paths)
            return Text(
                f"路径 {target[:200]} 不在授权范围({where})内,或可被服务器解读为范围之外",
                f"the path {target[:200]} lies outside {where}, or a server may read it so",
            )
        return None


def scope_of(
    networks: tuple[str, ...],
    approved_by: str,
    expires: datetime,
    ports: frozenset[int] = frozenset(),
    hosts: frozenset[str] = frozenset(),
    *,
    paths: tuple[str, ...] = (),
    methods: frozenset[str] = frozenset(),
    windows: tuple[Window, ...] = (),
) -> Scope:
    """A scope from networks as people write them, e.g. `10.1.0.0/16`. Raises ValueError."""
    names = frozenset(host.lower() for host in hosts)
    allowed = frozenset(method.upper() for method in methods)
    written = tuple(ip_network(network) for network in networks)
    return Scope(written, approved_by, expires, ports, names, paths, allowed, windows)


@noun(frozen=True, slots=True)
class Touch:
    """One thing that was sent, or refused, for the audit trail."""

    at: datetime
    what: str
    """`connect`, `shell`, or a request line such as `GET http://…`."""
    host: str
    address: str
    port: int
    refused: Text | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection to a checked address, and what it took to get it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    address: str
    port: int
    connect_seconds: float
    tls_seconds: float

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The TLS side of the connection."""
        found: ssl.SSLObject | None = self.writer.get_extra_info("ssl_object")
        return found


@dataclass(frozen=True, slots=True)
class Connected:
    """A TCP connection to a checked address."""

    socket: socket.socket
    peer: Address


def _ignore(touch: Touch) -> None:
    """The audit of somebody who keeps none."""


class Guard:
    """Opens every socket of a scan, inside the scope only, until `stop` is set. One event loop at a time."""

    def __init__(
        self,
        scope: Scope,
        *,
        audit: Callable[[Touch], None] = _ignore,
        stop: threading.Event | None = None,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self.scope = scope
        self.stop = stop or threading.Event()
        self._audit = audit
        self._clock = clock
        self._resolved: dict[str, tuple[float, tuple[Address, ...]]] = {}

    async def addresses(self, host: str, port: int, what: str = "connect") -> tuple[Address, ...]:
        """The addresses of a host, every one of them inside the scope.

        Raises OutOfScope when any lies outside, Stopped, and OSError when the name has no address.
        """
        self._go_on()
        self._permit(self.scope.refuse_name(host), what, host, "", port)
        found = await self._resolve(host)
        moment = self._clock()
        for address in found:
            self._permit(self.scope.refuse(host, address, port, moment), what, host, str(address), port)
        return found

    async def open(
        self, host: str, port: int, *, tls: ssl.SSLContext | None = None, server_name: str = "", timeout_seconds: float
    ) -> Opened:
        """Connect to the first address that accepts, with TLS when a context is given.

        Raises OutOfScope, Stopped, TimeoutError, and OSError (ssl.SSLError is one).
        """
        async with asyncio.timeout(timeout_seconds):
            found = await self.addresses(host, port)
            began = monotonic()
            connected = await self.connect(host, found, port)
            connected_at = monotonic()
            reader, writer = await _with_streams(connected, tls, server_name or host)
            done = monotonic()
        return Opened(reader, writer, str(connected.peer), port, connected_at - began, done - connected_at)

    def refuse_request(self, method: str, target: str, host: str, port: int) -> Text | None:
        """Why a request may not be sent, which the audit is told too; None when it may."""
        refused = self.scope.refuse_request(method, target)
        if refused is not None:
            self.refusing(f"{method} {target}", host, port, refused)
        return refused

    def refusing(self, what: str, host: str, port: int, why: Text) -> None:
        """Record what was not sent, and why."""
        self._audit(Touch(self._clock(), what, host, "", port, why))

    def sending(self, what: str, host: str, address: str, port: int) -> None:
        """Record what is about to be sent over an open connection. Raises Stopped, and OutOfScope when time is up."""
        if self.stop.is_set():
            self._go_on()
        moment = self._clock()
        scope = self.scope
        refused = scope.refuse_moment(moment) if scope.windows or moment >= scope.expires else None
        self._audit(Touch(moment, what, host, address, port, refused))
        if refused is not None:
            raise OutOfScope(refused)

    async def connect(self, host: str, found: tuple[Address, ...], port: int) -> Connected:
        """Connect to the first of a host's addresses that accepts. Raises OutOfScope, Stopped, OSError."""
        trouble: OSError = OSError(f"{host} has no address")
        for address in found:
            self._permit(self.scope.refuse(host, address, port, self._clock()), "connect", host, str(address), port)
            self.sending("connect", host, str(address), port)
            try:
                return await _connect_to(address, port)
            except OSError as error:
                trouble = error
        raise trouble

    async def connect_through(self, proxy: str, proxy_port: int, host: str, address: Address, port: int) -> Connected:
        """Connect to a proxy that the user named, to reach an address of a host. Raises as `connect`."""
        self._permit(self.scope.refuse(host, address, port, self._clock()), "connect", host, str(address), port)
        trouble: OSError = OSError(f"{proxy} has no address")
        for gateway in await self._resolve(proxy):
            self.sending(f"connect through {proxy}:{proxy_port}", host, str(address), port)
            try:
                return await _connect_to(gateway, proxy_port)
            except OSError as error:
                trouble = error
        raise trouble

    async def _resolve(self, host: str) -> tuple[Address, ...]:
        asked_at, found = self._resolved.get(host, (float("-inf"), ()))
        if monotonic() - asked_at > _RESOLVED_SECONDS:
            found = await _resolve(host)
            self._resolved[host] = (monotonic(), found)
        return found

    def _go_on(self) -> None:
        if self.stop.is_set():
            raise Stopped(Text("扫描已被紧急停止", "the scan was stopped by the kill switch"))

    def _permit(self, refused: Text | None, what: str, host: str, address: str, port: int) -> None:
        if refused is not None:
            self._audit(Touch(self._clock(), what, host, address, port, refused))
            raise OutOfScope(refused)


async def _connect_to(address: Address, port: int) -> Connected:
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    plain = socket.socket(family, socket.SOCK_STREAM)
    try:
        plain.setblocking(False)
        await asyncio.get_running_loop().sock_connect(plain, (str(address), port))
    except BaseException:
        plain.close()
        raise
    return Connected(plain, address)


async def _with_streams(
    connected: Connected, tls: ssl.SSLContext | None, server_name: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        name = server_name if tls else None
        return await asyncio.open_connection(
            sock=connected.socket, ssl=tls, server_hostname=name, limit=READ_BUFFER_BYTES
        )
    except BaseException:
        connected.socket.close()
        raise


async def _resolve(host: str) -> tuple[Address, ...]:
    literal = _literal(host)
    if literal is not None:
        return (literal,)
    try:
        answers = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(f"{host!r} is not a host name") from error
    return tuple(dict.fromkeys(_plain(ip_address(str(answer[4][0]).split("%")[0])) for answer in answers))


def _literal(host: str) -> Address | None:
    try:
        return _plain(ip_address(host))
    except ValueError:
        return None


def _plain(address: Address) -> Address:
    """An IPv4 address that is dressed as IPv6 (::ffff:a.b.c.d) must not slip past a check of IPv4 networks."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
