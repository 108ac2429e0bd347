"""What holds for every test: how examples are drawn, where temporary folders lie, and who runs which file."""

import gc
import os
import re
import signal
import tempfile
import threading
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

_ROOT = Path(__file__).resolve().parent.parent
_MEMORY = Path("/dev/shm")
_ROOM_BYTES = 4 << 30
_NEEDED_MEMORY_KIB = 8 << 20

# How long an example takes tells of the machine, not of the code: pytest's own limit ends a test that hangs.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.register_profile("steady", _PATIENT, derandomize=True, database=None)
settings.register_profile("explore", _PATIENT, derandomize=False, max_examples=1000)
settings.load_profile("steady")


def _memory_has_room() -> bool:
    """Whether temporary files fit into memory, with enough left for the servers, and programs in them may be started."""
    if not os.access(_MEMORY, os.R_OK | os.W_OK | os.X_OK):
        return False
    about = os.statvfs(_MEMORY)
    available = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable"))
    return (
        not about.f_flag & os.ST_NOEXEC
        and about.f_bavail * about.f_frsize > _ROOM_BYTES
        and int(available.split()[1]) > _NEEDED_MEMORY_KIB
    )


# Tests kill processes, never the machine: what a database waits for its disk proves nothing here.
if "TMPDIR" not in os.environ and _memory_has_room():
    os.environ["TMPDIR"] = str(_MEMORY)
    tempfile.tempdir = None

# Thousands of tests stay until the end: looking again and again whether they are garbage costs a sixth of collecting them.
gc.disable()

# Hundreds of commands are started, which would compile the whole source each.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A shell starts what runs in the background deaf to Ctrl-C; the programs that tests interrupt would inherit it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)


class ByFile(LoadScopeScheduling):
    """One worker runs a whole file, and all files that name one group, so that what their tests share is set up once."""

    def _split_scope(self, nodeid: str) -> str:
        return _unit_of(nodeid.partition("::")[0])


@cache
def _unit_of(file: str) -> str:
    """The one group that a file names, else the file. (xdist's own groups go unnoticed by pytest 9.2.)"""
    groups = set(re.findall(r'xdist_group\("([^"]+)"\)', (_ROOT / file).read_text()))
    return groups.pop() if len(groups) == 1 else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Takes the place of the scheduler that `--dist` names."""
    return ByFile(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long begin, those that share a server first."""
    grouped = {item.path for item in items if item.get_closest_marker("xdist_group")}
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: 0 if item.path in grouped else 1 if item.path in slow else 2)


def pytest_collection_finish() -> None:
    """What was collected is left alone; what tests make is looked after as ever."""
    gc.freeze()
    gc.enable()
