"""Fetches one page, within the scope, the time and the size allowed."""

import http.client
import io
import socket
import ssl
import time
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urlsplit

from secops.execution.dial import Guard, NotAllowed, dial, left
from secops.execution.output import LIMIT_BYTES
from secops.execution.runner import failure
from secops.model.step import Fetch, Result, Trouble
from secops.model.text import Text
from secops.support.language import say
from secops.support.system_words import why

_LONGEST_BODY_BYTES = 8 << 20
_CHUNK_BYTES = 1 << 16
_USABLE_IN_URL = "/?#[]@!$&'()*+,;=:%~"


class FetchRunner:
    """GET over a connection of its own; no redirects, no cookies, no proxies, no decompression.

    `allowed` is asked with the resolved address, and the connection goes to that address. `tls` decides which
    certificates are good; by default those that the system trusts.
    """

    def __init__(self, allowed: Guard, tls: ssl.SSLContext | None = None) -> None:
        self._allowed = allowed
        self._tls = tls or ssl.create_default_context()

    def perform(self, effect: Fetch, timeout_seconds: float) -> Result:
        """As `Performs.perform`; the time counts for the whole answer, however slowly it drips in."""
        started = time.monotonic()
        try:
            url = _split(effect.url)
        except ValueError as error:
            return failure(
                Trouble.REFUSED, zh=f"不能获取 {effect.url}:{error}", en=f"cannot fetch {effect.url}: {error}"
            )
        try:
            page = self._get(url, started + timeout_seconds)
        except (OSError, http.client.HTTPException, NotAllowed) as error:
            return _failed(effect.url, error, timeout_seconds, time.monotonic() - started)
        return _judged(effect, page, time.monotonic() - started)

    def _get(self, url: SplitResult, deadline: float) -> "_Page":
        secure = url.scheme == "https"
        host = url.hostname or ""
        port = url.port or (443 if secure else 80)
        with dial(host, port, deadline, self._allowed) as plain:
            plain.settimeout(left(deadline))
            channel = self._tls.wrap_socket(plain, server_hostname=host) if secure else plain
            with channel:
                return _ask(url, _Timed(channel, deadline))


@dataclass(frozen=True, slots=True)
class _Page:
    status: int
    moved_to: str
    body: str
    longer: bool


class _Timed:
    """The part of a socket that http.client uses, with one deadline for all of it."""

    def __init__(self, channel: socket.socket, deadline: float) -> None:
        self._channel = channel
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        """As a socket does."""
        self._channel.settimeout(left(self._deadline))
        self._channel.sendall(data)

    def makefile(self, *_mode: str) -> io.BufferedReader:
        """As a socket does."""
        return io.BufferedReader(_TimedReading(self._channel, self._deadline))

    def close(self) -> None:
        """Whoever opened the socket closes it."""


class _TimedReading(io.RawIOBase):
    def __init__(self, channel: socket.socket, deadline: float) -> None:
        self._channel = channel
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview[int]") -> int:  # type: ignore[override]
        self._channel.settimeout(left(self._deadline))
        return self._channel.recv_into(buffer)


def _split(text: str) -> SplitResult:
    """The parts of an absolute http or https URL. Raises ValueError with a sentence."""
    url = urlsplit(text)
    if url.scheme not in ("http", "https"):
        raise ValueError(say(zh="仅支持 http 和 https", en="only http and https"))
    if not url.hostname or url.port == 0:
        raise ValueError(say(zh="缺少主机或端口不合法", en="no host, or no valid port"))
    if url.username is not None:
        raise ValueError(say(zh="地址中不得写用户名和口令", en="no user name or password in an address"))
    return url


def _ask(url: SplitResult, channel: _Timed) -> _Page:
    connection = http.client.HTTPConnection(url.hostname or "", url.port)
    connection.sock = channel
    target = quote(url.path or "/", safe=_USABLE_IN_URL) + (
        f"?{quote(url.query, safe=_USABLE_IN_URL)}" if url.query else ""
    )
    headers = {"Host": _host_header(url), "Connection": "close", "Accept-Encoding": "identity", "User-Agent": "jindun"}
    connection.request("GET", target, headers=headers)
    answer = connection.getresponse()
    body = _read(answer)
    return _Page(
        status=answer.status,
        moved_to=answer.getheader("Location") or "",
        body=_decode(body[:_LONGEST_BODY_BYTES], answer.headers.get_content_charset() or "utf-8"),
        longer=len(body) > _LONGEST_BODY_BYTES,
    )


def _host_header(url: SplitResult) -> str:
    return url.netloc.encode("idna").decode() if not url.netloc.isascii() else url.netloc


def _read(answer: http.client.HTTPResponse) -> bytearray:
    """The body up to one byte more than wanted, which tells that there is more."""
    body = bytearray()
    while len(body) <= _LONGEST_BODY_BYTES:
        chunk = answer.read(min(_CHUNK_BYTES, _LONGEST_BODY_BYTES + 1 - len(body)))
        if not chunk and answer.length:
            raise http.client.IncompleteRead(bytes(body), answer.length)
        if not chunk:
            break
        body += chunk
    return body


def _decode(body: bytearray, charset: str) -> str:
    """GB 2312 and GBK are read as their superset, as browsers do."""
    if charset.lower() in ("gb2312", "gbk"):
        charset = "gb18030"
    try:
        return body.decode(charset, errors="replace")
    except LookupError:
        return body.decode(errors="replace")


def _judged(fetch: Fetch, page: _Page, seconds: float) -> Result:
    output = page.body[:LIMIT_BYTES]
    if page.status != 200:
        moved = f" → {page.moved_to[:300]}" if page.moved_to else ""
        return failure(
            Trouble.FAILED,
            zh=f"{fetch.url} 返回状态 {page.status}{moved}",
            en=f"{fetch.url} answered with status {page.status}{moved}",
            seconds=seconds,
            output=output,
            exit_code=page.status,
        )
    if fetch.contains not in page.body:
        return failure(
            Trouble.FAILED,
            zh=f"{fetch.url} 的内容不含“{fetch.contains}”",
            en=f"{fetch.url} does not contain {fetch.contains!r}",
            seconds=seconds,
            output=output,
        )
    return Result(ok=True, output=output, reason=_cut_note(page), seconds=seconds)


def _cut_note(page: _Page) -> str:
    if not page.longer:
        return ""
    limit = f"{_LONGEST_BODY_BYTES >> 20} MiB"
    return say(zh=f"内容超过 {limit},其余未读取", en=f"longer than {limit}; the rest was not read")


def _failed(url: str, error: Exception, timeout_seconds: float, seconds: float) -> Result:
    if isinstance(error, NotAllowed):
        return failure(
            Trouble.REFUSED,
            zh=f"{url} 指向授权范围之外的 {error},未发送任何内容",
            en=f"{url} leads to {error}, outside the authorised scope; nothing was sent",
            seconds=seconds,
        )
    if isinstance(error, TimeoutError):
        return failure(
            Trouble.TIMEOUT,
            zh=f"{url} 在 {timeout_seconds:g} 秒内未答完",
            en=f"{url} did not finish its answer within {timeout_seconds:g} s",
            seconds=seconds,
        )
    words = str(error) or type(error).__name__
    said = why(error) if isinstance(error, OSError) else Text(words, words)
    return failure(
        Trouble.UNREACHABLE, zh=f"{url} 无法获取:{said.zh}", en=f"{url} cannot be fetched: {said.en}", seconds=seconds
    )
