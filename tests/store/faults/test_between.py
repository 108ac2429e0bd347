"""What may happen between the death of a process and the next one: indices roll over, others meet what it had locked."""

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from secops.store import elasticsearch_reading
from secops.store.elasticsearch_indices import Indices
from secops.store.elasticsearch_retention import Full, Keep
from secops.store.finding_store import FindingStore
from secops.support.clock import now
from tests.contracts.evaluations import evaluation, weakness
from tests.lab.elasticsearch import shared_elasticsearch
from tests.store.elasticsearch_lab import fresh_indices
from tests.store.faults.ledger import Clock, ledger, open_store, told
from tests.store.faults.test_killed_at_every_write import STEPS, Crash, Killer, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("elasticsearch")]

LOCK_SECONDS = 1.5
MERGE = 2
"""Its number among the steps."""


@pytest.fixture
def indices() -> Iterator[Indices]:
    with fresh_indices(shared_elasticsearch()) as made:
        yield made


def crash(indices: Indices, home: Path, clock: Clock, step: int, request: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process does all steps before, and dies in that one after the answer to that request."""
    url, prefix = indices.server.name, indices.prefix
    with open_store(url, home, prefix, clock) as store:
        run(store, clock, range(step))
    killer = Killer(request, 1.0)
    with monkeypatch.context() as context:
        store = open_store(url, home, prefix, clock)
        killer.strike(context)
        with suppress(Crash):
            run(store, clock, [step])
        with suppress(Crash):
            store.close()
    assert killer.struck


@pytest.mark.parametrize(("step", "request_number"), [(3, 1), (3, 2), (3, 3), (6, 1), (6, 2), (7, 1)])
def test_indices_that_roll_over_between_sending_and_repeating(
    step: int, request_number: int, indices: Indices, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was sent to the one before is recognised there; what comes then goes to the new one."""
    clock = Clock()
    crash(indices, tmp_path, clock, step, request_number, monkeypatch)
    indices.server.refresh(f"{indices.prefix}-*")
    assert indices.roll(Keep(full=Full(documents=1)), now()).made
    with (
        ledger(tmp_path, clock) as right,
        open_store(indices.server.name, tmp_path, indices.prefix, clock) as store,
    ):
        run(store, clock, range(step + 1, len(STEPS)))
        run(right, clock, range(len(STEPS)))
        assert told(store) == told(right)
        assert store.waiting().depth == store.waiting().dead_letters == 0


@pytest.mark.parametrize(("request_number", "decided"), [(1, False), (2, True)])
def test_what_a_dead_process_locked_is_free_after_a_while(
    request_number: int, decided: bool, indices: Indices, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It died at a merge, before or after it was decided: who comes waits, or finishes it. The merge is not lost."""
    monkeypatch.setattr(elasticsearch_reading, "_LOCK_SECONDS", LOCK_SECONDS)
    clock, other = Clock(), tmp_path / "other"
    other.mkdir()
    crash(indices, tmp_path, clock, MERGE, request_number, monkeypatch)

    def somebody_records(store: FindingStore) -> None:
        store.record("other", [evaluation(weakness(), weakness("/b"), minutes=3)])

    began = time.monotonic()
    with open_store(indices.server.name, other, indices.prefix, clock) as store:
        somebody_records(store)
    waited = time.monotonic() - began
    assert decided or waited > LOCK_SECONDS
    with (
        ledger(tmp_path, clock) as right,
        open_store(indices.server.name, tmp_path, indices.prefix, clock) as store,
    ):
        run(right, clock, range(MERGE))
        if not decided:
            somebody_records(right)
        run(right, clock, [MERGE])
        if decided:
            somebody_records(right)
        assert told(store) == told(right)
        assert store.waiting().depth == store.waiting().dead_letters == 0
