"""Holds the demo's servers and ends them with their maker, however that one dies.

A program of its own, in a session of its own: Ctrl-C in the terminal does not reach it, and when its standard input
closes (the demo ended, crashed or was killed) it ends every process below it and removes the folder. It is the
subreaper, so a worker that lost its master or a command that lost its ssh session is still below it.

Talks in lines of JSON: `{"start": argv, "log": path}` → `{"pid": n}`; `{"exit_of": pid}` → `{"code": n or null}`;
`{"stop": pid}` → `{}`; `{"keep": true}` → `{}`: from then on it ends at SIGTERM alone. Runs as a bare script without
site packages, so it imports the standard library only.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_GRACE_SECONDS = 0.7
_libc = ctypes.CDLL(None, use_errno=True)

PRIVILEGE_SEPARATION = Path("/run/sshd")
"""sshd as root refuses to start, and to accept, without this folder; Debian makes it with the ssh service only."""


class Guardian:
    """Starts and ends processes below this one. Everything it started is in a session of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._exits: dict[int, int] = {}
        self._alive: set[int] = set()
        self.kept = False

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what one line asks for."""
        self.reap()
        if "start" in request:
            return {"pid": self._start(request["start"], request["log"])}
        if "exit_of" in request:
            return {"code": self._exits.get(request["exit_of"])}
        if "stop" in request:
            self._stop(request["stop"])
        self.kept = self.kept or bool(request.get("keep"))
        return {}

    def reap(self) -> None:
        """Collect whoever ended, our own and the orphans that fell to us."""
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                self._exits[ended[0]] = os.waitstatus_to_exitcode(ended[1])
                self._alive.discard(ended[0])

    def end_everything(self) -> None:
        """End all processes below this one, kindly and then for certain, and remove the folder."""
        self._end_all(lambda: descendants(os.getpid()))
        for _ in range(50):
            shutil.rmtree(self._folder, onerror=_remove_anyway)
            if not self._folder.exists():
                return
            time.sleep(0.02)  # the dying demo may have written once more

    def _start(self, argv: list[str], log: str) -> int:
        with Path(log).open("ab") as sink:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                cwd=self._folder,
                start_new_session=True,
                preexec_fn=_die_with_parent,  # safe: this process has one thread
            )
        process.returncode = 0  # reaped by `reap`, never by subprocess
        self._exits.pop(process.pid, None)
        self._alive.add(process.pid)
        return process.pid

    def _stop(self, pid: int) -> None:
        if pid in self._alive:
            self._end_all(lambda: [pid, *descendants(pid)] if pid in self._alive else [])

    def _end_all(self, find: Callable[[], list[int]]) -> None:
        _signal(find(), signal.SIGTERM)
        deadline = time.monotonic() + _GRACE_SECONDS
        while self._left(find) and time.monotonic() < deadline:
            time.sleep(0.01)
        while left := self._left(find):
            _signal(left, signal.SIGKILL)
            time.sleep(0.01)

    def _left(self, find: Callable[[], list[int]]) -> list[int]:
        self.reap()
        return find()


def descendants(pid: int) -> list[int]:
    """Every living process below `pid`."""
    parents: dict[int, list[int]] = {}
    for process, state, parent, _ in _processes():
        if state != "Z":
            parents.setdefault(parent, []).append(process)
    found, queue = [], [pid]
    while queue:
        below = parents.get(queue.pop(), [])
        found += below
        queue += below
    return found


@contextlib.contextmanager
def privilege_separation_folder() -> Iterator[None]:
    """Have /run/sshd as root while inside. Who leaves last removes it, if it was made here and no sshd needs it."""
    if os.geteuid() != 0:
        yield
        return
    held = _hold(PRIVILEGE_SEPARATION)
    try:
        yield
    finally:
        _let_go(held)


def _hold(path: Path) -> int:
    """An open folder with a shared lock; made and marked as ours when it was missing."""
    while True:
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o755)
            (path / ".jindun").touch()
        try:
            held = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(held, fcntl.LOCK_SH)
            if os.fstat(held).st_ino == path.stat().st_ino:
                return held
            os.close(held)
        except FileNotFoundError:
            continue  # somebody left last in this very moment


def _let_go(held: int) -> None:
    mark = PRIVILEGE_SEPARATION / ".jindun"
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if mark.exists() and not any(name.startswith("sshd") for _, state, _, name in _processes() if state != "Z"):
            mark.unlink()
            PRIVILEGE_SEPARATION.rmdir()
    except (BlockingIOError, FileNotFoundError):
        pass
    finally:
        os.close(held)


def _processes() -> Iterator[tuple[int, str, int, str]]:
    """Pid, state, parent and name of every process of the machine."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                text = (entry / "stat").read_text(errors="replace")
                state, parent = text.rpartition(")")[2].split()[:2]
                yield int(entry.name), state, int(parent), text[text.index("(") + 1 : text.rindex(")")]


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _die_with_parent() -> None:
    """For the case that the guardian itself is killed for certain: then its direct children get SIGTERM."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _remove_anyway(remove: Any, path: str, _: object) -> None:
    """A restored tree may hold folders without the right to write."""
    with contextlib.suppress(OSError):
        os.chmod(os.path.dirname(path), 0o700)  # noqa: PTH101, PTH120
        os.chmod(path, 0o700)  # noqa: PTH101
        remove(path)


def _leave(*_: object) -> NoReturn:
    raise SystemExit(0)


def _serve(guardian: Guardian) -> None:
    for line in sys.stdin:
        try:
            answer = guardian.answer(json.loads(line))
        except OSError as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)
    while guardian.kept:
        guardian.reap()
        time.sleep(1)


def _prepare(folder: Path) -> bool:
    """Make the folder; False, and said so, when that cannot be."""
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return False
    errors = os.open(folder / "guardian.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(errors, 2)  # the terminal's pipe must not stay open for the sake of `keep`
    return True


def main() -> None:
    """Serve until standard input closes or SIGTERM comes; then leave nothing behind."""
    folder = Path(sys.argv[1])
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    guardian = Guardian(folder)
    with privilege_separation_folder():
        if not _prepare(folder):
            return
        try:
            signal.signal(signal.SIGTERM, _leave)
            print(json.dumps({"ready": os.getpid()}), flush=True)
            _serve(guardian)
        except BrokenPipeError:
            pass
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            guardian.end_everything()


if __name__ == "__main__":
    main()
