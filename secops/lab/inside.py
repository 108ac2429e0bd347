"""Lets one thread of this process step into a network namespace: sockets it opens there stay there."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from secops.lab.namespaces import handle

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def inside_namespace(name: str) -> Iterator[None]:
    """The calling thread alone, and what it starts meanwhile, is inside. Raises OSError without such a namespace."""
    outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        with Path(handle(name)).open() as there:
            _enter(there.fileno())
        try:
            yield
        finally:
            _enter(outside)
    finally:
        os.close(outside)


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
