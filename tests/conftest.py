"""What holds for every test: how examples are drawn, where temporary folders lie, and who runs which file."""

import gc
import os
import signal
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """One worker runs a whole file, so that what its tests share is set up once; files that take long begin."""
    if not config.getoption("loadgroup", False):
        return
    grouped = {item.path for item in items if item.get_closest_marker("xdist_group")}
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: 0 if item.path in grouped else 1 if item.path in slow else 2)
    for item in items:
        if not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))


def pytest_collection_finish() -> None:
    """What was collected is left alone; what tests make is looked after as ever."""
    gc.freeze()
    gc.enable()
