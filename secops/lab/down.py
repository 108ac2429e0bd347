"""Ends a lab, whole or half built, and tells what is left of one."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from secops.lab import namespaces, sshd
from secops.lab.places import ROOT, Lab
from secops.model.text import Text
from secops.support.errors import Incomplete

_KILL_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Left:
    """What there is of a lab. Its TUN devices live in its namespaces and go with them."""

    namespaces: tuple[str, ...]
    processes: tuple[int, ...]
    mounts: tuple[str, ...]
    folder: bool

    def __bool__(self) -> bool:
        return bool(self.namespaces or self.processes or self.mounts or self.folder)


def down(lab: Lab) -> None:
    """End every process inside, unmount, remove. May be called at any time, and twice. Raises Incomplete with the rest."""
    _end_processes(lab)
    for mount in reversed(list(_mounts(lab.folder))):
        namespaces.run("umount", "--lazy", mount)
    for name in lab.namespaces:
        namespaces.remove(name)
    shutil.rmtree(lab.folder, ignore_errors=True)
    with suppress(OSError):
        ROOT.rmdir()
        sshd.let_go()
    if left := what_is_left(lab):
        raise Incomplete(Text(f"实验场 {lab.name} 未能清除:{left}", f"the lab {lab.name} cannot be removed: {left}"))


def what_is_left(lab: Lab) -> Left:
    """Everything that bears the lab's name or lives in its namespaces."""
    there = tuple(name for name in lab.namespaces if namespaces.exists(name))
    pids = tuple(process.pid for name in there for process in namespaces.processes(name))
    return Left(there, pids, tuple(_mounts(lab.folder)), lab.folder.exists())


def _end_processes(lab: Lab) -> None:
    deadline = time.monotonic() + _KILL_SECONDS
    while pids := [process.pid for name in lab.namespaces for process in namespaces.processes(name)]:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            return
        time.sleep(0.02)


def _mounts(folder: Path) -> Iterator[str]:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        place = line.split(" ")[4]
        if place.startswith(f"{folder}/"):
            yield place
