"""The outbox: what is appended is there, in order, until it is done; quotas, full disks and restored files included."""

import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from secops.model.text import Text
from secops.store.entries import Approving, Recording
from secops.store.event import Recorded
from secops.store.outbox import Outbox, Outcome
from secops.store.refusals import Conflict, NotFound
from secops.support.errors import Incomplete
from tests.contracts.evaluations import at, evaluation, weakness
from tests.store.scarce_disk import on_file_of_a_megabyte, on_full_disk

HERE = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.sqlite"


@pytest.fixture
def outbox(path: Path) -> Iterator[Outbox]:
    with_clock = Outbox(path, clock=lambda: at(0))
    yield with_clock
    with_clock.close()


def recording(number: int, observation: bytes = b"") -> Recording:
    return Recording(f"s{number}", evaluation(weakness(f"/{number}"), minutes=number, observation=observation))


def waiting(outbox: Outbox) -> list[str]:
    entries = outbox.after(0, limit_bytes=1 << 30, limit=10**6)
    return [entry.write.scan for entry in entries if isinstance(entry.write, Recording)]


def test_entries_come_in_order_and_go_when_they_are_done(outbox: Outbox, path: Path) -> None:
    numbers = outbox.append(map(recording, range(5)))
    assert list(numbers) == sorted(numbers)
    assert waiting(outbox) == ["s0", "s1", "s2", "s3", "s4"]
    outbox.done({numbers[1]: Outcome(), numbers[0]: Outcome()})
    assert waiting(outbox) == ["s2", "s3", "s4"]
    assert (outbox.standing().depth, outbox.standing().oldest) == (3, at(0))
    again = Outbox(path)
    assert (waiting(again), again.id) == (["s2", "s3", "s4"], outbox.id)
    again.close()
    outbox.done(dict.fromkeys(numbers, Outcome()))
    assert (outbox.standing().depth, outbox.standing().size_bytes, outbox.first()) == (0, 0, None)


def test_a_chunk_is_as_large_as_asked_and_never_empty(outbox: Outbox) -> None:
    numbers = outbox.append([recording(n, bytes(10_000)) for n in range(9)])
    assert [entry.number for entry in outbox.after(0, limit_bytes=25_000, limit=100)] == list(numbers[:2])
    assert [entry.number for entry in outbox.after(numbers[1], limit_bytes=1, limit=100)] == [numbers[2]]
    assert len(outbox.after(0, limit_bytes=1 << 30, limit=4)) == 4
    assert outbox.after(numbers[-1], limit_bytes=1 << 30, limit=4) == []


def test_numbers_grow_when_the_clock_steps_back(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    before = outbox.append([recording(0)])[0]
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    after = outbox.append([recording(1), recording(2)])
    assert list(after) == [before + 1, before + 2]


def test_numbers_grow_when_the_file_is_restored_from_a_copy(outbox: Outbox, path: Path, tmp_path: Path) -> None:
    outbox.append([recording(0)])
    with sqlite3.connect(tmp_path / "copy") as copy, sqlite3.connect(path) as original:
        original.backup(copy)
    later = outbox.append(map(recording, range(1, 9)))[-1]
    outbox.close()
    for file in path.parent.glob("outbox.sqlite*"):
        file.unlink()
    shutil.copy(tmp_path / "copy", path)
    restored = Outbox(path)
    assert restored.append([recording(9)])[0] > later
    restored.close()


def test_who_waits_is_told_once_what_became_of_it(outbox: Outbox) -> None:
    (mine,) = outbox.append([recording(0)], waited_for=True)
    (nobodys,) = outbox.append([recording(1)])
    assert [entry.waited_for for entry in outbox.after(0, limit_bytes=1 << 20, limit=9)] == [True, False]
    outcome = Outcome(Recorded(new=("a", "b"), resolved=("c",)), Conflict(Text("变了", "changed")))
    outbox.done({mine: outcome, nobodys: Outcome()})
    told = outbox.outcomes([mine, nobodys])
    assert list(told) == [mine]
    assert told[mine].recorded == outcome.recorded
    assert (type(told[mine].refusal), str(told[mine].refusal)) == (Conflict, "changed")
    assert outbox.outcomes([mine]) == {}


def test_a_dead_letter_keeps_all_of_the_entry_and_can_be_replayed(outbox: Outbox) -> None:
    numbers = outbox.append([recording(n, b"seen") for n in range(3)])
    size = outbox.standing().size_bytes
    outbox.bury(numbers[1], Text("不合", "does not fit"), frozenset({"b", "a"}))
    assert (waiting(outbox), outbox.standing().size_bytes) == (["s0", "s2"], size)
    (letter,) = outbox.dead_letters()
    assert (letter.number, letter.reason.en, letter.again) == (numbers[1], "does not fit", frozenset({"a", "b"}))
    assert letter.write == recording(1, b"seen")
    assert outbox.dead_claims() == {numbers[1]}
    with pytest.raises(NotFound):
        outbox.replay([numbers[0]])
    assert outbox.replay() == [numbers[1]]
    last = outbox.after(numbers[2], limit_bytes=1, limit=1)[0]
    assert (last.write, last.claim, last.again) == (recording(1, b"seen"), numbers[1], frozenset({"a", "b"}))
    outbox.bury(last.number, Text("还是不合", "still does not"))
    assert outbox.dead_letters()[0].again == frozenset({"a", "b"}), "what it reached before is reached"
    assert outbox.drop() == [last.number]
    assert outbox.dead_letters() == []


def test_an_entry_that_cannot_be_read_is_buried_and_holds_nobody_up(outbox: Outbox, path: Path) -> None:
    numbers = outbox.append(map(recording, range(3)))
    with sqlite3.connect(path) as other:
        other.execute("UPDATE entries SET body = ? WHERE number = ?", (b"{broken", numbers[0]))
    assert waiting(outbox) == ["s1", "s2"]
    assert [(letter.number, letter.write) for letter in outbox.dead_letters()] == [(numbers[0], None)]


def test_over_the_quota_the_oldest_observations_go_and_nothing_else(path: Path) -> None:
    outbox = Outbox(path, quota_bytes=100_000)
    outbox.append([Approving("site", "page", bytes(20_000), "li", at(0))])
    for number in range(10):
        outbox.append([recording(number, bytes(20_000))])
    entries = outbox.after(0, limit_bytes=1 << 30, limit=100)
    bodies = [len(one.write.evaluation.observation) for one in entries if isinstance(one.write, Recording)]
    assert bodies == [0] * 7 + [20_000] * 3
    assert len(entries) == 11
    assert isinstance(entries[0].write, Approving)
    assert len(entries[0].write.observation) == 20_000, "what somebody approved is no mere observation"
    assert outbox.standing().dropped_observations == 7
    assert outbox.standing().size_bytes <= 100_000
    outbox.close()


def test_over_the_quota_without_observations_nothing_is_taken(path: Path) -> None:
    outbox = Outbox(path, quota_bytes=20_000)
    taken = 0
    with pytest.raises(Incomplete, match=r"reached its quota of 20,000 bytes and nothing of this was written"):
        for _ in range(100):
            outbox.append([recording(taken), recording(taken + 1)])
            taken += 2
    assert waiting(outbox) == [f"s{number}" for number in range(taken)]
    assert taken > 4
    outbox.done({entry.number: Outcome() for entry in outbox.after(0, limit_bytes=1 << 20, limit=4)})
    outbox.append([recording(99)])
    outbox.close()


def test_one_ships_at_a_time(outbox: Outbox, path: Path) -> None:
    other = Outbox(path)
    with outbox.shipping(time.monotonic()) as alone:
        assert alone
        with other.shipping(time.monotonic() + 0.1) as second:
            assert not second
        with other.shipping(time.monotonic() + 60, finished=lambda: True) as second:
            assert not second, "it is done already"
    with other.shipping(time.monotonic()) as second:
        assert second
    other.close()


def test_many_append_at_once(path: Path) -> None:
    failures: list[BaseException] = []

    def append(writer: int) -> None:
        try:
            mine = Outbox(path)
            for number in range(20):
                mine.append([recording(writer * 1000 + number)])
            mine.close()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=append, args=(writer,)) for writer in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    outbox = Outbox(path)
    assert len(set(waiting(outbox))) == 120
    outbox.close()


FILL = """
import sys
from pathlib import Path
from secops.store.entries import Recording
from secops.store.outbox import Outbox
from secops.support.errors import Incomplete
from tests.contracts.evaluations import evaluation, weakness

outbox = Outbox(Path(sys.argv[1]))
for number in range(10_000):
    body = bytes(5000) + b"%d" % number
    batch = [Recording(f"s{number}-{a}", evaluation(weakness(), asset=f"{a}", observation=body)) for a in range(9)]
    try:
        outbox.append(batch)
    except Incomplete as error:
        print(number, error)
        break
"""


def check_filled(path: Path, told: str, expected: str) -> None:
    """What was appended before the disk was full is there, whole; what was not is not; it goes on with room."""
    count, message = told.split(maxsplit=1)
    assert expected in message
    assert int(count) > 0
    outbox = Outbox(path)
    assert waiting(outbox) == [f"s{number}-{a}" for number in range(int(count)) for a in range(9)]
    outbox.append([recording(1)])
    outbox.close()


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    check_filled(*on_full_disk(FILL, tmp_path), "is full")


def test_a_file_that_may_not_grow_loses_nothing(path: Path) -> None:
    check_filled(path, on_file_of_a_megabyte(FILL, path), "")
