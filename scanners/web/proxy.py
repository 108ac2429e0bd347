"""The dialogue with a proxy before it carries our bytes: CONNECT of HTTP proxies, and SOCKS5."""

import asyncio
import base64
import socket
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote, urlsplit

from scanners.scope import Address
from secops.model.text import Text
from secops.support.errors import BadInput

_MAX_REPLY_BYTES = 16 * 1024


class ProxyKind(StrEnum):
    """What a proxy speaks."""

    CONNECT = "connect"
    """HTTP, a tunnel for every target."""
    FORWARD = "forward"
    """HTTP, a tunnel for https; plain requests are handed over with the whole URL."""
    SOCKS5 = "socks5"


@dataclass(frozen=True, slots=True)
class Proxy:
    """A way out that the user named. It is asked for addresses that the scope guard checked, never for names.

    The exception is a plain request handed over by FORWARD: that proxy resolves the name again, so that only names
    which the scope lists under `hosts`, and literal addresses, go that way.
    """

    kind: ProxyKind
    host: str
    port: int
    user: str = ""
    password: str = ""

    @property
    def authorization(self) -> str:
        """Value of Proxy-Authorization; empty without a user."""
        if not self.user:
            return ""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


def proxy_of(url: str) -> Proxy:
    """The proxy of an address as `socks5://user:word@host:1080`; `http://` forwards, `connect://` tunnels everything.

    Raises BadInput, without repeating what was written: it may hold a password.
    """
    try:
        parts = urlsplit(url)
        kind, host, port = _KINDS[parts.scheme], parts.hostname, parts.port
    except (KeyError, ValueError):
        kind, host, port = None, None, None
    if kind is None or not host or not port or parts.path.strip("/") or parts.query:
        zh, en = "socks5://、http:// 或 connect://主机:端口", "socks5://, http:// or connect:// with host and port"
        raise BadInput(Text(f"代理须写为 {zh}", f"a proxy is written {en}"))
    return Proxy(kind, host, port, unquote(parts.username or ""), unquote(parts.password or ""))


_KINDS = {"http": ProxyKind.FORWARD, "connect": ProxyKind.CONNECT, "socks5": ProxyKind.SOCKS5}


class ProxyRefused(OSError):
    """The proxy did not let us through."""

    def __init__(self, reason: Text) -> None:
        super().__init__(reason.en)
        self.reason = reason


async def tunnel(link: socket.socket, proxy: Proxy, address: Address, port: int) -> None:
    """Have the proxy connect to an address. Raises ProxyRefused, OSError."""
    if proxy.kind is ProxyKind.SOCKS5:
        await _socks(link, proxy, address, port)
    else:
        await _connect(link, proxy, address, port)


async def _connect(link: socket.socket, proxy: Proxy, address: Address, port: int) -> None:
    authority = f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
    if proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(link, ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace"))
    # Byte by byte: what comes behind the empty line is of the target, not of the proxy.
    reply = b""
    while not reply.endswith(b"\r\n\r\n"):
        byte = await loop.sock_recv(link, 1)
        if not byte or len(reply) > _MAX_REPLY_BYTES:
            raise _refused("应答无法理解", f"an answer that makes no sense: {reply[:60]!r}")
        reply += byte
    status_line = reply.partition(b"\r\n")[0].decode("latin-1")
    if status_line.split(" ")[1:2] != ["200"]:
        raise _refused(status_line[:100], status_line[:100])


async def _socks(link: socket.socket, proxy: Proxy, address: Address, port: int) -> None:
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(link, b"\x05\x01\x02" if proxy.user else b"\x05\x01\x00")
    version, method = await _exactly(link, 2)
    if version != 5 or method not in (0, 2):
        raise _refused("不是 SOCKS5,或拒绝了认证方式", "it is not SOCKS5, or refused how we log in")
    if method == 2:
        user, password = proxy.user.encode()[:255], proxy.password.encode()[:255]
        await loop.sock_sendall(link, b"\x01%c%b%c%b" % (len(user), user, len(password), password))
        if (await _exactly(link, 2))[1] != 0:
            raise _refused("用户名或密码有误", "the user or password is wrong")
    kind = b"\x04" if address.version == 6 else b"\x01"
    await loop.sock_sendall(link, b"\x05\x01\x00" + kind + address.packed + port.to_bytes(2, "big"))
    reply = await _exactly(link, 4)
    if reply[1] != 0:
        why = _SOCKS_REPLIES.get(reply[1], f"code {reply[1]}")
        raise _refused(why, why)
    length = {1: 4, 4: 16}.get(reply[3])
    await _exactly(link, (length if length is not None else (await _exactly(link, 1))[0]) + 2)


_SOCKS_REPLIES = {
    1: "general failure",
    2: "not allowed by its rules",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "TTL expired",
    7: "command not supported",
    8: "address type not supported",
}


async def _exactly(link: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = await asyncio.get_running_loop().sock_recv(link, count - len(data))
        if not piece:
            raise _refused("连接被关闭", "it closed the connection")
        data += piece
    return data


def _refused(zh: str, en: str) -> ProxyRefused:
    return ProxyRefused(Text(f"代理拒绝:{zh}", f"the proxy refused: {en}"))
