"""A process that records scans until it is killed: `python -m … URL PREFIX FOLDER FIRST`; it tells each that is done."""

import itertools
import sys
from pathlib import Path

from tests.store.faults.ledger import Clock, open_store
from tests.store.faults.scans import scan


def main() -> None:
    """Record scan after scan, from the number FIRST on."""
    url, prefix, folder, first = sys.argv[1:]
    with open_store(url, Path(folder), prefix, Clock()) as store:
        print("open", flush=True)
        for number in itertools.count(int(first)):
            store.record(f"s{number:03}", scan(number))
            print(number, flush=True)


if __name__ == "__main__":
    main()
