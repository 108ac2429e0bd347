"""Three centres and a client as namespaces on one bridge; an entry in each of two centres, both of one address."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from secops.model.cluster import ClusterEntry, EntryDriver, Member
from secops.model.step import Procedure
from tests.contracts.entry_rigs import Rig, Standing
from tests.contracts.entry_rigs.listening import PYTHON, SAY, cluster_of
from tests.lab.bridged import first_line, moved_into, namespaces, started

_PORT = 7000
_ADDRESS = "10.88.0.100"
_ASK = "import socket;c=socket.create_connection(('10.88.0.100',7000),timeout=3);print(c.recv(9).decode(),flush=True)"
_STAY = (
    _ASK + ";c.settimeout(20)\ntry: print(c.recv(1))\nexcept TimeoutError: print('open')\nexcept OSError: print('over')"
)


def _missing() -> str:
    if os.geteuid() != 0:
        return "network namespaces need root"
    absent = [program for program in ("ip", "ss", "arping") if not shutil.which(program)]
    return f"not installed: {', '.join(absent)}" if absent else ""


@contextmanager
def _stand(folder: Path) -> Iterator[Standing]:
    prefix = f"jd{os.getpid()}"
    with ExitStack() as stack:
        stack.enter_context(namespaces(prefix, "abx"))
        for name in "ab":
            listener = stack.enter_context(started(f"{prefix}{name}", PYTHON, "-c", SAY, "0.0.0.0", str(_PORT), name))
            assert first_line(listener) == "up"
        members = tuple(Member(name, f"c-{name}", "local", f"10.88.0.{at}", _PORT) for at, name in enumerate("ab", 1))
        entries = [
            ClusterEntry(f"c-{name}", _ADDRESS, _PORT, EntryDriver.VIRTUAL_ADDRESS, device="eth0") for name in "ab"
        ]

        def ask() -> str:
            with started(f"{prefix}x", PYTHON, "-c", _ASK) as client:
                return first_line(client)

        def open_session() -> object:
            client = stack.enter_context(started(f"{prefix}x", PYTHON, "-c", _STAY))
            assert first_line(client)
            return lambda: first_line(client) in ("over", "b''")

        def inside(entry: ClusterEntry, procedure: Procedure[object]) -> Procedure[object]:
            return moved_into(f"{prefix}{entry.centre[-1]}", procedure)

        yield Standing(cluster_of(members, *entries), ask, open_session, inside)  # type: ignore[arg-type]


rig = Rig("virtual_address", _stand, _missing)
