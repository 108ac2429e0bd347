"""What every trial must do, on real servers restored from real copies: one lab per product, the first-choice engine."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from backup.engine import engines
from backup.trial import Trial, TrialFailed, Tried, trials
from secops.execution.executor import Boundary
from secops.model.step import LOCAL
from secops.support.language import choose
from tests.backup.performing import Performing
from tests.contracts.test_database_engine import Bench, labs, make_bench
from tests.lab.processes import runs
from tests.lab.serving import folder_for_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

_TRIED = {
    trial.name: trial for trial in trials().values() if any(lab.product is trial.product for lab in labs().values())
}


@dataclass
class Restored:
    """A restored folder, of which each test takes a copy, and who tries it."""

    trial: Trial
    bench: Bench
    folder: Path
    taken: datetime

    def run(self, wanted: datetime | None = None, **told: str) -> Tried:
        """Try it, with other options than the lab's."""
        asset = replace(self.bench.source, tried_with={**self.bench.source.tried_with, **told})
        plan = self.trial.run(asset, LOCAL, str(self.folder), wanted or self.taken)
        return self.bench.performing.run(plan)

    def gone(self) -> bool:
        """Whether nothing is left of the trial: no process, no folder."""
        return (
            not runs(f"{self.folder} ")
            and not runs(f"{self.folder}.trial")
            and not Path(f"{self.folder}.trial").exists()
        )


@pytest.fixture(scope="module", params=sorted(_TRIED))
def original(request: pytest.FixtureRequest) -> Iterator[Restored]:
    trial = _TRIED[request.param]
    lab = next(lab for lab in labs().values() if lab.product is trial.product)
    engine = next(engine for engine in engines().values() if engine.chosen and trial.product in engine.products)
    choose("en")
    with lab.running() as database, folder_for_server("trial") as folder, Performing(folder) as performing:
        bench = make_bench(engine, database, trial.product, folder, performing)
        database.write("wanted")
        copied = bench.copy()
        yield Restored(trial, bench, bench.restore(copied), copied.point.taken)
    choose(None)


@pytest.fixture
def restored(original: Restored, tmp_path: Path) -> Restored:
    folder = original.folder.with_name(f"t{abs(hash(tmp_path)) % 10_000}")
    original.bench.database.duplicate(original.folder, folder)
    return replace(original, folder=folder)


def test_it_says_what_it_is(restored: Restored) -> None:
    trial = restored.trial
    assert trial.name and trial.needs and trial.describes.zh and trial.describes.en and trial.options.__doc__


def test_a_good_copy_starts_and_answers(restored: Restored) -> None:
    tried = restored.run()
    assert tried.start_seconds > 0
    assert len(tried.looked.checked) >= 2
    assert tried.looked.unchecked == ()
    assert restored.gone()


def test_a_wrong_answer_of_the_business_is_a_failure(restored: Restored) -> None:
    with pytest.raises(TrialFailed, match="lacks"):
        restored.run(answer="what is not there")
    assert restored.gone()


def test_a_stale_canary_is_a_failure(restored: Restored) -> None:
    with pytest.raises(TrialFailed, match="before the wanted moment"):
        restored.run(restored.taken + timedelta(hours=1))
    assert restored.gone()


def test_a_canary_from_the_future_is_a_failure(restored: Restored) -> None:
    with pytest.raises(TrialFailed, match="after the wanted moment"):
        restored.run(restored.taken - timedelta(hours=1))


def test_what_was_not_asked_is_said(restored: Restored) -> None:
    tried = restored.run(canary="", question="")
    assert len(tried.looked.unchecked) == 2


def test_an_empty_folder_is_a_failure(restored: Restored) -> None:
    os.system(f"rm -rf '{restored.folder}'/*")
    with pytest.raises(TrialFailed):
        restored.run()
    assert restored.gone()


@pytest.mark.parametrize("boundary", [Boundary.AFTER_INTENT, Boundary.AFTER_EFFECT])
def test_a_trial_that_was_killed_is_taken_up_again(restored: Restored, boundary: Boundary) -> None:
    performing = restored.bench.performing
    restored.run()
    if not performing.changed:
        pytest.skip("it changes nothing")
    step = performing.changed[-3:][0]
    plan = lambda: restored.trial.run(restored.bench.source, LOCAL, str(restored.folder), restored.taken)  # noqa: E731
    assert performing.interrupt_and_resume(plan, boundary, step).looked.checked
    assert restored.gone()
