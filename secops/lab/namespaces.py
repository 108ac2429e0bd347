"""Network namespaces and the processes inside them, as the kernel tells of them."""

import subprocess
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from secops.model.text import Text
from secops.support.errors import Incomplete

_HANDLES = Path("/run/netns")


@dataclass(frozen=True, slots=True)
class Process:
    """A living process."""

    pid: int
    parent: int
    state: str
    """As in /proc: R, S, D, T (stopped) …"""
    argv: tuple[str, ...]
    program: str
    """Name of the executable, without its folder."""


def add(name: str) -> None:
    """A new namespace with its loopback up."""
    run("ip", "netns", "add", name)
    run("ip", "-n", name, "link", "set", "lo", "up")


def remove(name: str) -> None:
    """Nothing when there is none."""
    if exists(name):
        run("ip", "netns", "delete", name)


def exists(name: str) -> bool:
    """Whether there is such a namespace, or what is left of its name."""
    return (_HANDLES / name).exists()


def handle(name: str) -> Path:
    """The file that stands for it."""
    return _HANDLES / name


def processes(name: str) -> list[Process]:
    """Who lives in the namespace now; zombies do not live."""
    try:
        wanted = (_HANDLES / name).stat()
    except OSError:
        return []
    return [process for process in _everyone() if _lives_in(process.pid, (wanted.st_dev, wanted.st_ino))]


def inside(name: str, argv: Iterable[str]) -> tuple[str, ...]:
    """The command, to be run in the namespace."""
    return ("ip", "netns", "exec", name, *argv)


def run(*argv: str, timeout_seconds: float = 60) -> str:
    """What the program printed. Raises Incomplete with what it complained of."""
    done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=timeout_seconds)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-600:]
        raise Incomplete(Text(f"{argv[0]} 失败:{said}", f"{' '.join(argv[:4])} failed: {said}"))
    return done.stdout


def _everyone() -> Iterator[Process]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                yield _read(entry)


def _read(entry: Path) -> Process:
    state, parent = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
    argv = tuple((entry / "cmdline").read_text(errors="replace").rstrip("\0").split("\0"))
    return Process(int(entry.name), int(parent), state, argv, (entry / "exe").readlink().name.split(" ")[0])


def _lives_in(pid: int, namespace: tuple[int, int]) -> bool:
    with suppress(OSError):
        found = Path(f"/proc/{pid}/ns/net").stat()
        return (found.st_dev, found.st_ino) == namespace
    return False
