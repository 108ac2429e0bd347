"""One of two processes that write the same findings: `python -m … NAME FOLDER [URL PREFIX]`, a file without a server.

It waits for a line, sees two findings ROUNDS times and moves one of them whenever nobody was faster; then it tells how
often it moved it.
"""

import sys
from pathlib import Path

from secops.model.finding import State
from secops.model.text import Text
from secops.store.edits import Move
from secops.store.finding_store import FindingStore
from secops.store.sqlite_store import SqliteStore
from secops.support.errors import BadInput
from tests.contracts.evaluations import evaluation, id_of, weakness
from tests.store.faults.ledger import Clock, open_store

ROUNDS = 12
ASSET = "shared"
STATES = {"home-0": State.TRIAGED, "home-1": State.IN_PROGRESS}


def opened(folder: Path, server: list[str]) -> FindingStore:
    """The store in that folder, of that server if there is one."""
    if not server:
        return SqliteStore(folder / "findings.sqlite", clock=Clock())
    url, prefix = server
    return open_store(url, folder, prefix, Clock())


def main() -> None:
    """Write, and tell."""
    name, folder, *server = sys.argv[1:]
    finding, moved = id_of("/b", ASSET), 0
    with opened(Path(folder), server) as store:
        print("open", flush=True)
        sys.stdin.readline()
        for number in range(ROUNDS):
            seen = evaluation(weakness(), weakness("/b"), minutes=number, asset=ASSET, check=f"check of {name}")
            store.record(f"{name}-{number}", [seen])
            try:
                revision = store.get(finding).revision
                store.edit(Move(finding, Text("因", "why"), revision, STATES[name]), actor=name)
                moved += 1
            except BadInput:
                pass  # somebody was faster, or it is there already
    print(moved, flush=True)


if __name__ == "__main__":
    main()
