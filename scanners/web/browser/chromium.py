"""Starts the Chromium of the machine, walled in: no network of its own, bounded memory, and it dies with us."""

import asyncio
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from secops.model.text import Text
from secops.support.errors import BadInput

_BINARIES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_START_SECONDS = 60.0
_MOST_STARTS = 5
_MOST_RENDERER_BYTES = 768 * 1024 * 1024
_LOOK_SECONDS = 0.5
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_ARGUMENTS = (
    # Every request is answered from within. What that should miss finds no name, no way, and a closed door.
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--proxy-bypass-list=<-loopback>",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",  # its older name
    "--disable-quic",
    "--dns-prefetch-disable",
    "--disable-domain-reliability",
    "--disable-client-side-phishing-detection",
    "--no-pings",
    "--renderer-process-limit=4",
    "--js-flags=--max-old-space-size=512",
)
_LEFT_AS_USUAL = ["--disable-popup-blocking", "--disable-ipc-flooding-protection"]
"""What Playwright would switch off: the brakes on pages that open windows or call without end."""


_WITHOUT_SOCKETS = """for (const name of ['RTCPeerConnection', 'webkitRTCPeerConnection', 'WebTransport'])
  delete globalThis[name];"""
"""What needs no address to leave; the walls hold without this, too."""


@asynccontextmanager
async def running_chromium() -> AsyncIterator["Chromium"]:
    """A browser until the end of the block. Raises BadInput when it or Playwright is missing, or it cannot start."""
    binary = next(filter(None, map(shutil.which, _BINARIES)), None)
    if find_spec("playwright") is None or binary is None:
        raise BadInput(_missing(playwright=find_spec("playwright") is None, chromium=binary is None))
    with _wall() as door:
        async with import_module("playwright.async_api").async_playwright() as playwright:
            chromium = Chromium(playwright, binary, door)
            await chromium.start()
            watching = asyncio.create_task(_watch_memory(chromium))
            try:
                yield chromium
            finally:
                watching.cancel()
                await chromium.close()


class Chromium:
    """One browser; when it dies, the next page gets another."""

    def __init__(self, playwright: Any, binary: str, door: int) -> None:
        self._playwright = playwright
        self._binary = binary
        self._door = door
        self._browser: Any = None
        self._starts = 0
        self._lock = asyncio.Lock()

    async def start(self) -> None:
        """Start it. Raises BadInput when it cannot be started."""
        as_root = os.getuid() == 0
        try:
            self._browser = await self._playwright.chromium.launch(
                executable_path=self._binary,
                args=[*_ARGUMENTS, f"--proxy-server=http://127.0.0.1:{self._door}"],
                ignore_default_args=_LEFT_AS_USUAL,
                # Its own walls need an ordinary user; without them Chromium refuses to run for root.
                chromium_sandbox=not as_root,
                env={"PATH": os.environ.get("PATH", os.defpath), "HOME": "/nonexistent", "LANG": "C.UTF-8"},
                # We end it ourselves, in order.
                handle_sigint=False,
                handle_sigterm=False,
                handle_sighup=False,
                timeout=_START_SECONDS * 1000,
            )
        except Exception as error:
            if not is_of_playwright(error):
                raise
            raise BadInput(_not_started(str(error))) from None

    @asynccontextmanager
    async def profile(self, storage: Any = None) -> AsyncIterator[Any]:
        """A fresh profile, as Playwright's context: it shares nothing with others, and all of it closes at the end.

        `storage`: cookies and local storage as Playwright's `storage_state` writes them.
        """
        browser = await self._alive()
        context = await browser.new_context(
            service_workers="block", accept_downloads=False, storage_state=storage, ignore_https_errors=True
        )
        try:
            await context.add_init_script(_WITHOUT_SOCKETS)
            yield context
        finally:
            with suppress(Exception):
                await asyncio.wait_for(context.close(), 10)

    async def processes(self) -> list[dict[str, Any]]:
        """Its processes, as Chromium tells them: `type`, and `id` in its own count."""
        session = await self._browser.new_browser_cdp_session()
        try:
            found: list[dict[str, Any]] = (await session.send("SystemInfo.getProcessInfo"))["processInfo"]
            return found
        finally:
            await session.detach()

    async def close(self) -> None:
        """End it."""
        with suppress(Exception):
            await asyncio.wait_for(self._browser.close(), 10)

    async def _alive(self) -> Any:
        async with self._lock:
            if not self._browser.is_connected() and self._starts < _MOST_STARTS:
                self._starts += 1
                # Without a browser each page is told as not shown; what was crawled is not lost.
                with suppress(BadInput):
                    await self.start()
            return self._browser


def is_of_playwright(error: BaseException) -> bool:
    """Whether the browser, or the page in it, did it: a time that ran out, a page that died."""
    return isinstance(error, TimeoutError) or type(error).__module__.startswith("playwright.")


@contextmanager
def _wall() -> Iterator[int]:
    """A port that nobody can listen at: it is taken, and closed."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


async def _watch_memory(chromium: Chromium) -> None:
    """End the process of a page that takes too much."""
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        with suppress(Exception):
            for one in await chromium.processes():
                if one["type"] == "renderer" and _resident_bytes(one["id"]) > _MOST_RENDERER_BYTES:
                    os.kill(one["id"], signal.SIGKILL)


def _resident_bytes(pid: int) -> int:
    """Of a process of a browser; 0 for any other."""
    try:
        if "chrom" not in Path(f"/proc/{pid}/comm").read_text():
            return 0
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return 0


def _missing(playwright: bool, chromium: bool) -> Text:
    commands = [f"{sys.executable} -m pip install playwright"] if playwright else []
    commands += ["apt-get install chromium"] if chromium else []
    listed = "; ".join(commands)
    return Text(f"渲染页面或用浏览器登录,需要先安装:{listed}", f"to use a browser, install first: {listed}")


def _not_started(said: str) -> Text:
    """The line that tells why, out of pages of logs."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if any("sandbox" in line.lower() for line in lines):
        return Text(
            "Chromium 无法启动:其沙箱需要内核允许普通用户使用用户命名空间(user namespaces)",
            "Chromium could not be started: its sandbox needs user namespaces, and ordinary users have none here",
        )
    why = next((line for line in lines if "cannot open" in line.lower()), (lines or ["?"])[0])[:300]
    return Text(f"Chromium 无法启动:{why}", f"Chromium could not be started: {why}")
