"""Looking at the processes of this machine, as any user of it could."""

import time
from contextlib import suppress
from pathlib import Path


def command_lines() -> list[str]:
    """The command line of every process, words separated by spaces."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found


def runs(mark: str) -> bool:
    """Whether some process has `mark` in its command line."""
    return any(mark in line for line in command_lines())


def wait_until_gone(mark: str, seconds: float = 30.0) -> bool:
    """Whether no process has `mark` in its command line any more, at the latest after `seconds`."""
    deadline = time.monotonic() + seconds
    while runs(mark):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def wait_until_runs(command: str, seconds: float = 30.0) -> bool:
    """Whether some process has a command line that starts with `command`, at the latest after `seconds`."""
    deadline = time.monotonic() + seconds
    while not any(line.startswith(command) for line in command_lines()):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
