"""The whole of it: daemons in three centres, clients in four places, a disaster, and nothing that was acknowledged is lost."""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backup.failover.canary.ledger import longest_outage, read_ledger
from backup.failover.situation import Published, Wish, WishKind
from secops.lab import etcd, faults
from secops.lab.clients import Clients, truth
from secops.lab.namespaces import inside, run
from secops.lab.places import CLUSTER, PLACES, Lab
from secops.support.errors import Incomplete
from tests.lab.three_centres import standing_lab

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("three-centres"), pytest.mark.timeout(300)]
_PATIENCE_SECONDS = 90.0
_SETTLE_SECONDS = 10.5
"""After a change of primary there is no other that nobody asked for, for a little less than this."""
_LONGEST_SECONDS = 30.0
"""A machine may be busy with other tests: what failover takes on a quiet one is measured by the benchmark."""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with standing_lab("f", daemons=True) as standing:
        yield standing


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _published(lab: Lab) -> Published:
    while True:
        try:
            found = etcd.published(lab, CLUSTER)
        except Incomplete:
            continue
        assert found
        return found


def _protected(lab: Lab, primary: str) -> bool:
    published = _published(lab)
    return published.primary == primary and bool(published.promotable)


def _through(lab: Lab, folder: Path, hurt: Callable[[], None], new: str, *, lost: str = "") -> None:
    """Clients write, it happens, clients write again, and the ledgers are held against the new primary."""
    with Clients(lab, folder) as clients:
        until(lambda: all(clients.acknowledged(place) > 10 for place in PLACES))
        happened = time.time()
        hurt()
        until(lambda: _published(lab).primary == new)
        changed = time.time()
        left = [place for place in PLACES if place != lost]
        until(lambda: all(clients.acknowledged(place, changed + 1) > 10 for place in left))
        faults.heal(lab)
        until(lambda: _protected(lab, new))
    ledgers = [entry for place in PLACES for entry in read_ledger(folder / f"{place}.jsonl")]
    assert len(ledgers) == len(clients.entries)
    assert truth(lab, ledgers).sound
    outage = longest_outage(clients.of("client"), since=happened)
    assert outage
    assert outage.seconds < _LONGEST_SECONDS


def test_a_killed_primary_is_taken_over_from(lab: Lab, tmp_path: Path) -> None:
    _through(lab, tmp_path, lambda: faults.kill(lab, "c1", "postgresql"), "c2")


def test_people_can_hand_over_at_any_time(lab: Lab, tmp_path: Path) -> None:
    until(lambda: _protected(lab, "c2"))
    asked = Wish("back", WishKind.SWITCHOVER, "c1", by=("somebody",), reason="a test")
    _through(lab, tmp_path, lambda: etcd.wish(lab, CLUSTER, asked), "c1")


def test_a_playbook_hands_over_and_sees_it_protected_again(lab: Lab, tmp_path: Path) -> None:
    until(lambda: _protected(lab, "c1"))
    time.sleep(_SETTLE_SECONDS)
    play = ("switch-database", "--input", f"cluster={CLUSTER}", "--input")
    _said(lab, "playbook", "plan", *play, "member=c2")
    assert _published(lab).primary == "c1"
    _through(lab, tmp_path, lambda: _said(lab, "playbook", "run", *play, "member=c2"), "c2")
    time.sleep(_SETTLE_SECONDS)
    _said(lab, "playbook", "run", *play, "member=c1")


def _said(lab: Lab, *words: str) -> None:
    """In the remote centre, whose journal is its own."""
    argv = (sys.executable, "-m", "secops", "--home", str(lab.home("c3")), *words)
    run(*inside(lab.namespace("c3"), argv), timeout_seconds=200)


def test_a_primary_that_is_cut_off_is_taken_over_from_and_comes_back_as_a_standby(lab: Lab, tmp_path: Path) -> None:
    until(lambda: _protected(lab, "c1"))
    time.sleep(_SETTLE_SECONDS)
    _through(lab, tmp_path, lambda: faults.isolate(lab, "c1"), "c2", lost="c1")


def test_noise_on_the_lines_is_no_reason(lab: Lab, tmp_path: Path) -> None:
    before = _published(lab)
    with Clients(lab, tmp_path) as clients:
        for one, other in (("c1", "c2"), ("c2", "c3"), ("c1", "c3")):
            faults.slow(lab, one, other, loss_percent=2, jitter_ms=20)
        faults.cut(lab, "c3", "client")
        time.sleep(5)
        assert clients.acknowledged("client") > 10
    faults.heal(lab)
    assert _published(lab).primary == before.primary
    assert truth(lab, clients.entries).sound
