"""The ledger of canaries: numbers grow, signatures bind, what was acknowledged is on disk, and nothing forged counts."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup.canary import LOOKED_AT, Canary, canaries_in
from backup.canary_ledger import CanaryLedger, Holding
from secops.evidence.keys import make_key
from secops.support.errors import BadInput

START = datetime(2026, 11, 30, 8, tzinfo=UTC)
WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from backup.canary_ledger import CanaryLedger
from secops.evidence.keys import load_private_key
key = load_private_key(Path(sys.argv[2]))
ledger = CanaryLedger(Path(sys.argv[1]), lambda text: key.sign(text.encode()).hex())
while True:
    canary = ledger.begin("db", datetime.now(UTC))
    ledger.acknowledge("db", canary.counter, datetime.now(UTC))
    print(canary.counter, flush=True)
"""


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[CanaryLedger]:
    key = make_key(tmp_path / "key.pem", tmp_path / "key.pub.pem")
    made = CanaryLedger(tmp_path / "canaries.sqlite", lambda text: key.sign(text.encode()).hex())
    yield made
    made.close()


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def write(ledger: CanaryLedger, seconds: float, asset: str = "db") -> Canary:
    canary = ledger.begin(asset, at(seconds))
    ledger.acknowledge(asset, canary.counter, at(seconds + 0.01))
    return canary


def hold(ledger: CanaryLedger, found: list[Canary], wanted: float, subject: str = "v/p") -> Holding:
    return ledger.hold(subject, found, Holding(subject, "db", at(wanted + 60), at(wanted)))


def test_numbers_grow_for_each_asset_also_when_the_clock_goes_back(ledger: CanaryLedger) -> None:
    assert [write(ledger, second).counter for second in (0, 1, -3600)] == [1, 2, 3]
    assert write(ledger, 0, "other").counter == 1
    newest = ledger.newest("db")
    assert newest and (newest.counter, newest.moment) == (3, at(-3600))


def test_beginning_again_is_the_same_canary(ledger: CanaryLedger) -> None:
    assert ledger.begin("db", at(0)) == ledger.begin("db", at(0))
    assert ledger.newest("db") is None, "begun is not acknowledged"


def test_lines_are_read_back_whatever_stands_around_them(ledger: CanaryLedger) -> None:
    one, two = write(ledger, 0), write(ledger, 1)
    told = f"\n{one.line}\r\nERR no\n{two.line}\n{one.line}\n1 2026 zz\n"
    assert canaries_in(told, "db") == (two, one)


@given(st.text(max_size=300))
@settings(deadline=None, max_examples=60)
def test_whatever_an_intruder_answers_is_no_canary_of_ours(told: str) -> None:
    assert canaries_in(told, "db") == ()


def test_a_copy_with_all_of_them_lacks_nothing(ledger: CanaryLedger) -> None:
    written = [write(ledger, second) for second in range(5)]
    held = hold(ledger, written, 10)
    assert (held.newest, held.moment, held.stale, held.missing, held.late, held.forged) == (5, at(4), 0, 0, 0, 0)
    write(ledger, 20)
    assert ledger.acknowledged_after("db", held.newest) == 1
    assert ledger.holding("v/p") == held and list(ledger.holdings("db")) == [held]


def test_what_lacks_the_last_ones_is_stale_and_what_has_holes_lacks_some(ledger: CanaryLedger) -> None:
    written = [write(ledger, second) for second in range(6)]
    held = hold(ledger, [written[0], written[2], written[3]], 10)
    assert (held.newest, held.stale, held.missing) == (4, 2, 1)


def test_what_was_never_acknowledged_is_not_missed(ledger: CanaryLedger) -> None:
    first = write(ledger, 0)
    ledger.begin("db", at(1))
    last = write(ledger, 2)
    held = hold(ledger, [first, last], 10)
    assert (held.stale, held.missing) == (0, 0)


def test_older_ones_than_are_looked_at_are_not_missed(ledger: CanaryLedger) -> None:
    written = [write(ledger, second) for second in range(LOOKED_AT + 20)]
    held = hold(ledger, written[-LOOKED_AT:], 10_000)
    assert (held.missing, held.stale) == (0, 0)
    assert hold(ledger, written[5:25], 10_000).missing == 5, "a product that holds few holds all that it ever got"


def test_those_from_after_the_moment_are_late(ledger: CanaryLedger) -> None:
    written = [write(ledger, second) for second in (0, 10, 20)]
    assert hold(ledger, written, 10).late == 1
    assert hold(ledger, written[:2], 10).late == 0


@pytest.mark.parametrize("change", [{"signature": "0" * 128}, {"moment": at(5000)}, {"counter": 2}, {"counter": 99}])
def test_a_changed_canary_is_forged_and_counts_for_nothing(ledger: CanaryLedger, change: dict[str, object]) -> None:
    one = write(ledger, 0)
    write(ledger, 1)
    held = hold(ledger, [replace(one, **change)], 10)  # type: ignore[arg-type]
    assert (held.forged, held.newest) == (1, 0)


def test_a_canary_of_one_asset_is_none_of_another(ledger: CanaryLedger) -> None:
    other = write(ledger, 0, "other")
    held = hold(ledger, [Canary("db", other.counter, other.moment, other.signature)], 10)
    assert (held.forged, held.newest) == (1, 0)


def test_one_that_the_ledger_forgot_is_known_by_its_signature(ledger: CanaryLedger, tmp_path: Path) -> None:
    one = write(ledger, 0)
    fresh = CanaryLedger(tmp_path / "new.sqlite", ledger._sign)
    assert hold(fresh, [one], 10).newest == 1
    assert hold(fresh, [replace(one, counter=7)], 10).forged == 1
    fresh.close()


def test_without_a_key_none_is_written(tmp_path: Path) -> None:
    ledger = CanaryLedger(tmp_path / "canaries.sqlite", lambda _text: "")
    with pytest.raises(BadInput, match="key"):
        ledger.begin("db", START)
    ledger.close()


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "canaries.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(BadInput, match=r"canaries\.sqlite"):
        CanaryLedger(tmp_path / "canaries.sqlite", lambda _text: "00")


def test_many_at_once_get_a_number_each(ledger: CanaryLedger) -> None:
    threads = [
        Thread(target=lambda part=part: [write(ledger, part + second / 100) for second in range(20)])
        for part in range(0, 4000, 1000)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.acknowledged_after("db", 0) == 80
    newest = ledger.newest("db")
    assert newest and newest.counter == 80


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    make_key(tmp_path / "key.pem", tmp_path / "key.pub.pem")
    argv = [sys.executable, "-c", WRITER, str(tmp_path / "canaries.sqlite"), str(tmp_path / "key.pem")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout
        told = [int(writer.stdout.readline()) for _ in range(10)]
        os.kill(writer.pid, signal.SIGKILL)
        told += [int(line) for line in writer.stdout.read().splitlines()]
    ledger = CanaryLedger(tmp_path / "canaries.sqlite", lambda _text: "")
    newest = ledger.newest("db")
    assert newest and newest.counter in (told[-1], told[-1] + 1)
    assert ledger.acknowledged_after("db", 0) >= len(told)
    ledger.close()
