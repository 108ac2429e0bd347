"""Coordination for a service on one machine: a locked file per name, the token inside it."""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from secops.coordination.coordinator import Held, Lease
from secops.support.language import say


class SingleNodeCoordinator:
    """Leases as `flock`ed files in one folder. The kernel frees the lock with the process, also after `kill -9`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def acquire(self, name: str) -> Iterator[Lease]:
        """See Coordinator. The token is on disk before the lease is given."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / (re.sub(r"[^\w.-]", "_", name) + ".lease")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Held(name, _holder(descriptor)) from None
            token = _token(descriptor) + 1
            os.pwrite(descriptor, f"{token:020d} {os.getpid():010d}\n".encode(), 0)
            os.fsync(descriptor)
            yield Lease(name, token)
        finally:
            os.close(descriptor)


def _token(descriptor: int) -> int:
    text = os.pread(descriptor, 20, 0)
    return int(text) if text else 0


def _holder(descriptor: int) -> str:
    process = os.pread(descriptor, 32, 0).split()[1:2]
    number = int(process[0]) if process else 0
    return say(zh=f"进程 {number}", en=f"process {number}")
