"""Real servers as child processes: started together, ready before they are used, gone with the demo."""

import contextlib
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from secops.model.text import Text
from secops.support.errors import BadInput, Incomplete

START_SECONDS = 15.0
_END_SECONDS = 10.0
_GUARDIAN = Path(__file__).with_name("guardian.py")
_LONGEST_FOLDER = 70
"""A unix socket's path has 107 characters; names of sockets below the folder need the rest."""


class PortTaken(Exception):
    """Somebody took a port between its choice and its use; the start is tried again with others."""


@dataclass(frozen=True, slots=True)
class Server:
    """A program that serves in the foreground."""

    name: str
    argv: tuple[str, ...]
    log: Path
    ready: Callable[[int], bool]
    """Whether the process with this pid serves by now: not whether somebody answers on the port."""


class Processes:
    """The servers below one folder, which is made here and removed at the end with everything in it.

    A guardian process holds them: when this process ends in any way, kill -9 included, it ends them and removes the
    folder. Not for use by several threads at once.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._kept = False
        self._guardian = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_GUARDIAN), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            answer = json.loads(self._line())
            if "error" in answer:
                reason = answer["error"]
                raise BadInput(Text(f"无法建立演示目录:{reason}", f"the demo's folder cannot be made: {reason}"))
        except BaseException:
            self.close()
            raise

    def start(self, *servers: Server) -> dict[str, int]:
        """Start the servers together and wait until each is ready; their pids by name.

        Raises PortTaken, and Incomplete with the end of the log when one does not come up.
        """
        pids = {server.name: self._start(server) for server in servers}
        deadline = time.monotonic() + START_SECONDS
        waiting = list(servers)
        while waiting:
            waiting = [server for server in waiting if not server.ready(pids[server.name])]
            for server in waiting:
                self._check_alive(server, pids[server.name], deadline)
            time.sleep(0.005)
        return pids

    def stop(self, pid: int) -> None:
        """End one server and everything below it; nothing when it is gone or was not started here."""
        self._ask({"stop": pid})

    def keep(self) -> int:
        """Leave everything standing when this process ends; the pid whose SIGTERM ends it."""
        self._ask({"keep": True})
        self._kept = True
        return self._guardian.pid

    def close(self) -> None:
        """End all (unless kept) and wait until it is done. May be called twice."""
        for pipe in (self._guardian.stdin, self._guardian.stdout):
            with contextlib.suppress(OSError):
                if pipe:
                    pipe.close()
        if not self._kept:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._guardian.wait(_END_SECONDS)  # an interrupt here is harmless: the guardian goes on by itself

    def __enter__(self) -> "Processes":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self, server: Server) -> int:
        return int(self._ask({"start": server.argv, "log": str(server.log)})["pid"])

    def _check_alive(self, server: Server, pid: int, deadline: float) -> None:
        code = self._ask({"exit_of": pid})["code"]
        if code is None and time.monotonic() < deadline:
            return
        tail = _tail(server.log)
        if "in use" in tail:
            raise PortTaken(tail)
        raise Incomplete(
            Text(
                f"{server.name} 未能启动(退出码 {code}):{tail}",
                f"{server.name} did not start (exit code {code}): {tail}",
            )
        )

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._guardian.stdin
        try:
            print(json.dumps(request), file=self._guardian.stdin, flush=True)
            answer: dict[str, Any] = json.loads(self._line())
        except BrokenPipeError:
            raise _lost() from None
        if "error" in answer:
            raise Incomplete(Text(f"无法启动:{answer['error']}", f"cannot start: {answer['error']}"))
        return answer

    def _line(self) -> str:
        assert self._guardian.stdout
        line = self._guardian.stdout.readline()
        if not line:
            raise _lost()
        return line


def new_folder() -> Path:
    """A path for a demo's folder that does not exist yet, below the temporary directory, short enough for sockets."""
    temporary = Path(tempfile.gettempdir()).resolve()
    place = temporary if _fits(temporary / "jindun-12345678") else Path("/tmp")  # noqa: S108
    return place / f"jindun-{secrets.token_hex(4)}"


def usable(folder: Path) -> Path:
    """The folder's real path. Raises BadInput when servers' configuration or socket paths could not hold it."""
    real = folder.resolve()
    if not _fits(real):
        raise BadInput(
            Text(
                f"演示目录的路径须不超过 {_LONGEST_FOLDER} 个字符,且仅含字母、数字和 ._-:{real}",
                f"the demo's folder may have {_LONGEST_FOLDER} characters at most, only letters, digits, ._-: {real}",
            )
        )
    return real


def program(name: str, package: str) -> str:
    """The full path of a program, also where servers live. Raises Incomplete with the Debian package that brings it."""
    found = shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin")
    if not found:
        raise Incomplete(
            Text(
                f"缺少程序 {name};请安装:apt-get install {package}",
                f"the program {name} is missing; install it: apt-get install {package}",
            )
        )
    return found


def pid_written(pid_file: Path, pid: int) -> bool:
    """Whether a server has written its pid to its file, which it does when it listens."""
    try:
        return pid_file.read_text().strip() == str(pid)
    except FileNotFoundError:
        return False


def _fits(folder: Path) -> bool:
    return len(str(folder)) <= _LONGEST_FOLDER and re.fullmatch(r"[\w./-]+", str(folder), re.ASCII) is not None


def _tail(log: Path) -> str:
    try:
        return log.read_text(errors="replace").strip()[-600:]
    except OSError:
        return ""


def _lost() -> Incomplete:
    return Incomplete(Text("演示的守护进程已被终止", "the demo's guardian process was killed"))
