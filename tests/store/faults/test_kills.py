"""A process that is killed again and again, and two that write the same findings at once."""

import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from secops.model.finding import State
from secops.model.text import Text
from secops.store.edits import Move
from secops.store.elasticsearch_indices import Indices
from secops.store.event import Recorded
from secops.support.errors import BadInput
from tests.contracts.evaluations import evaluation, id_of, weakness
from tests.lab.elasticsearch import shared_elasticsearch
from tests.store.elasticsearch_lab import fresh_indices
from tests.store.faults.ledger import Clock, ledger, open_store, told
from tests.store.faults.scans import scan

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("elasticsearch")]

HERE = Path(__file__).parents[3]
KILLS = 20


@pytest.fixture
def indices() -> Iterator[Indices]:
    with fresh_indices(shared_elasticsearch()) as made:
        yield made


def test_killed_at_any_moment_and_started_again(indices: Indices, tmp_path: Path) -> None:
    """After each kill the next process goes on with the next scan, as a service would."""
    chance, clock, number = random.Random(11), Clock(), 0
    for _ in range(KILLS):
        command = [sys.executable, "-m", "tests.store.faults.writer", indices.server.name, indices.prefix]
        writer = subprocess.Popen([*command, str(tmp_path), str(number)], cwd=HERE, stdout=subprocess.PIPE, text=True)
        assert writer.stdout
        assert writer.stdout.readline() == "open\n"
        time.sleep(chance.uniform(0, 0.6))
        writer.kill()
        done = [int(line) for line in writer.communicate()[0].split()]
        number = max(done, default=number - 1) + 1
        # The scan that was under way may be written down already; recording it again changes nothing.
    with ledger(tmp_path, clock) as right, open_store(indices.server.name, tmp_path, indices.prefix, clock) as store:
        known = {row.scan for row in store.coverage()} | {f"s{number:03}" for number in range(number)}
        for each in range(number + 1):
            if f"s{each:03}" in known and store.coverage(f"s{each:03}"):
                right.record(f"s{each:03}", scan(each))
        assert store.waiting().depth == store.waiting().dead_letters == 0
        one, other = told(store), told(right)
        for part in other:
            assert one[part] == other[part], part
        assert number > 3


def test_two_homes_that_write_the_same_findings(indices: Indices, tmp_path: Path) -> None:
    """Each with an outbox of its own: every sighting counts once, every edit that was taken is there."""
    failures: list[BaseException] = []
    moved: list[str] = []
    clock = Clock()

    def write(home: int) -> None:
        folder = tmp_path / str(home)
        folder.mkdir()
        try:
            with open_store(indices.server.name, folder, indices.prefix, clock) as store:
                start.wait()
                for number in range(10):
                    seen = evaluation(weakness(), weakness("/b"), minutes=number, asset="shared", check=f"c{home}")
                    store.record(f"{home}-{number}", [seen])
                    try:
                        revision = store.get(id_of("/b", "shared")).revision
                        to = State.IN_PROGRESS if home else State.TRIAGED
                        store.edit(Move(id_of("/b", "shared"), Text("因", "why"), revision, to), actor=f"home-{home}")
                        moved.append(f"home-{home}")
                    except BadInput:
                        pass
        except BaseException as failure:
            failures.append(failure)

    start = threading.Barrier(2)
    writers = [threading.Thread(target=write, args=(home,)) for home in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failures == []
    with open_store(indices.server.name, tmp_path, indices.prefix, clock) as store:
        for path in ("/", "/b"):
            assert store.get(id_of(path, "shared")).times_seen == 20
        assert len(store.coverage()) == 2
        events = store.history(id_of("/b", "shared"))
        assert sorted(event.actor for event in events[1:]) == sorted(moved)
        assert [event.revision for event in events] == list(range(1, len(moved) + 2))
        assert len(store.audit()) == len(moved)


def test_the_same_scan_recorded_by_two_homes_counts_once(indices: Indices, tmp_path: Path) -> None:
    clock, recorded = Clock(), []
    start = threading.Barrier(2)

    def write(home: int) -> None:
        folder = tmp_path / str(home)
        folder.mkdir()
        with open_store(indices.server.name, folder, indices.prefix, clock) as store:
            start.wait()
            recorded.append(store.record("s001", scan(1)))

    writers = [threading.Thread(target=write, args=(home,)) for home in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    with ledger(tmp_path, clock) as right, open_store(indices.server.name, tmp_path, indices.prefix, clock) as store:
        whole = right.record("s001", scan(1))
        assert told(store) == told(right)
        assert sorted(id for one in recorded for id in one.new) == list(whole.new)
        assert store.record("s001", scan(1)) == Recorded()


def test_a_clock_that_steps_back(indices: Indices, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    with ledger(tmp_path, clock) as right, open_store(indices.server.name, tmp_path, indices.prefix, clock) as store:
        for step, minutes in enumerate((50, 20, 60, 10)):
            clock.minutes = minutes
            monkeypatch.setattr(time, "time_ns", lambda at=minutes: at * 60 * 10**9)
            for one in (store, right):
                one.record(f"s{step}", scan(step))
                one.approve_baseline("site", "http-headers", f"body {step}".encode(), "li")
                move = Move(id_of(f"/{step + 1}", "a0"), Text("因", "why"), None, State.TRIAGED)
                try:
                    one.edit(move, actor="li")
                except BadInput as refusal:
                    assert one is right or str(refusal), "refused by both or by none"
        assert told(store) == told(right)
