"""A process of its own that writes to a store: `python -m …store_writer STORE WHERE WRITER SCANS FINDINGS`.

After each scan whose recording has returned it prints the scan's id.
"""

import sys
from pathlib import Path

from secops.support.clock import now
from tests.contracts.evaluations import evaluation, weakness
from tests.contracts.store_maker import makers

PER_ASSET = 20
"""Findings in one evaluation."""


def main() -> None:
    """Record the scans one after the other; every scan also sees the one finding that all writers share."""
    store_name, where, writer, scans, findings = sys.argv[1:]
    with makers()[store_name].open(Path(where), now) as store:
        for scan in range(int(scans)):
            batch = [
                evaluation(
                    *(weakness(f"/{number}") for number in range(PER_ASSET)),
                    asset=f"{writer}-{scan}-{asset}",
                    observation=f"{writer} {scan} {asset}".encode(),
                )
                for asset in range(int(findings) // PER_ASSET)
            ]
            store.record(f"{writer}-{scan}", [*batch, evaluation(weakness("/shared"), asset="shared")])
            print(f"{writer}-{scan}", flush=True)


if __name__ == "__main__":
    main()
