"""Old runs of one playbook are forgotten whole, the newest and those of others are kept."""

from datetime import timedelta
from pathlib import Path

import pytest

from secops.execution.journal import Journal, Kind, Mode, Run
from secops.support.clock import now
from secops.support.errors import BadInput


def test_the_newest_runs_of_a_playbook_are_kept(tmp_path: Path) -> None:
    journal, began = Journal(tmp_path / "journal.sqlite"), now()
    for n in range(10):
        for playbook in ("failover", "other"):
            run = Run(f"{playbook}{n}", playbook, "", Mode.REAL, began + timedelta(seconds=n), {})
            journal.begin(run, 1)
            journal.append(run.id, 1, Kind.INTENT, "p", {})
    assert journal.prune("failover", 3) == 7
    assert {run.id for run in journal.runs()} == {"failover9", "failover8", "failover7"} | {
        f"other{n}" for n in range(10)
    }
    assert [entry.kind for entry in journal.entries("failover9")] == [Kind.STARTED, Kind.INTENT]
    assert not journal.entries("failover0")
    with pytest.raises(BadInput):
        journal.run("failover0")
    assert journal.prune("failover", 3) == 0
    journal.close()
