"""What follows from what clients were told."""

from pathlib import Path

import pytest

from backup.failover.canary.ledger import Entered, LedgerFile, Told, judge, longest_outage, read_ledger


def entry(key: str, sent: float, answered: float, told: Told = Told.OK, timeline: int = 1) -> Entered:
    return Entered(key, "c", sent, answered, told, "10.0.0.1", timeline)


def test_what_was_acknowledged_must_be_there_and_what_was_refused_must_not() -> None:
    entries = [entry("a", 1, 2), entry("b", 2, 3), entry("x", 3, 4, Told.FAILED), entry("u", 4, 5, Told.UNKNOWN)]
    assert judge(entries, ["a", "b"]).sound
    assert judge(entries, ["a", "b", "u"]).sound
    assert judge(entries, ["a", "u"]).lost == ("b",)
    assert judge(entries, ["a", "b", "x"]).risen == ("x",)


def test_two_databases_that_acknowledge_at_once_are_seen() -> None:
    new = entry("n", 10, 11, timeline=2)
    assert judge([entry("o", 9, 12), new], ["o", "n"]).sound  # an answer that was on its way
    assert judge([entry("o", 11.5, 12), new], ["o", "n"]).doubled == ("o",)


def test_the_outage_is_the_longest_time_without_any_acknowledgement() -> None:
    entries = [entry("a", 0, 1), entry("b", 1, 2), entry("f", 2, 5, Told.FAILED), entry("c", 5, 6), entry("d", 6, 6.5)]
    outage = longest_outage(entries)
    assert outage and (outage.began, outage.ended, outage.seconds) == (2, 6, 4)
    later = longest_outage(entries, since=6.2)
    assert later and later.seconds == pytest.approx(0.5)
    assert longest_outage(entries[:1]) is None


def test_a_ledger_that_a_crash_cut_short_is_read_up_to_there(tmp_path: Path) -> None:
    entries = [entry("a", 1, 2), entry("é", 2, 3, Told.UNKNOWN)]
    with LedgerFile(tmp_path / "ledger") as ledger:
        for one in entries:
            ledger.enter(one)
    with (tmp_path / "ledger").open("a") as file:
        file.write('{"key": "c", "cli')
    assert read_ledger(tmp_path / "ledger") == entries
