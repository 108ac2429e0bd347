"""A process that dies at any request, half done or its answer lost: the next one makes it good. One that lives on
though answers get lost makes it good itself.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from secops.model.acceptance import Acceptance
from secops.model.finding import Severity, State
from secops.model.outcome import Evaluation
from secops.model.text import Text
from secops.store import elasticsearch_drain
from secops.store.edits import Merge, Move, Split
from secops.store.elasticsearch_server import Action, ElasticsearchServer, Result
from secops.store.finding_store import FindingStore
from tests.contracts.evaluations import at, evaluation, id_of, weakness
from tests.lab.elasticsearch import shared_elasticsearch
from tests.lab.interposer import interposed
from tests.store.elasticsearch_lab import fresh_indices
from tests.store.faults.ledger import Clock, ledger, open_store, told

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("elasticsearch")]

BECAUSE = Text("因为", "because")
A, B, C = id_of(), id_of("/b"), id_of(asset="other")
RISK = Acceptance("risk-1", "asset:site", Severity.HIGH, "old", "a wall", "li", at(4), at(4) + timedelta(days=9))
STEPS: list[Callable[[FindingStore], object]] = [
    lambda store: store.record(
        "s1",
        [
            evaluation(weakness(), weakness("/b"), minutes=1, observation=b"one"),
            evaluation(weakness(), minutes=1, asset="other"),
        ],
    ),
    lambda store: store.edit(Move(A, BECAUSE, 1, State.TRIAGED), actor="li"),
    lambda store: store.edit(Merge(A, BECAUSE, part=B), actor="li"),
    lambda store: store.record("s2", [evaluation(minutes=3, observation=b"two"), evaluation(minutes=3, asset="other")]),
    lambda store: store.record("s3", [evaluation(weakness("/b", Severity.HIGH), minutes=4)]),
    lambda store: store.keep_acceptance(RISK, actor="li", action="requested"),
    lambda store: store.edit(Split(B, BECAUSE), actor="wang"),
    lambda store: store.approve_baseline("site", "http-headers", b"two", "li"),
    lambda store: store.keep_acceptance(
        replace(RISK, revision=2, approver="wang", approved=at(8)), actor="wang", action="approved"
    ),
    lambda store: store.record("s4", [evaluation(weakness(), weakness("/b"), weakness("/c"), minutes=9)]),
]


class Crash(BaseException):
    """The process is gone."""


class Killer:
    """Lets one request be the last of its process."""

    def __init__(self, number: int, share: float) -> None:
        self._left = number
        self._share = share
        self._bulk = ElasticsearchServer.bulk

    def strike(self, context: pytest.MonkeyPatch) -> None:
        """Stand between the store and its server."""

        def bulk(server: ElasticsearchServer, actions: Sequence[Action]) -> list[Result]:
            self._left -= bool(actions)
            if self._left == 0 and actions:
                self._bulk(server, actions[: round(len(actions) * self._share)])
            if self._left <= 0:
                raise Crash
            return self._bulk(server, actions)

        context.setattr(ElasticsearchServer, "bulk", bulk)

    @property
    def struck(self) -> bool:
        return self._left <= 0


def run(store: FindingStore, clock: Clock, steps: Sequence[int]) -> None:
    for step in steps:
        clock.minutes = step + 0.5
        STEPS[step](store)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("step", range(len(STEPS)))
def test_a_crash_at_any_request_of_a_step_is_made_good(
    step: int, share: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step is struck at its first request, then at its second, until it has no more."""
    clock = Clock()
    with ledger(tmp_path, clock) as right:
        run(right, clock, range(step + 1))
        expected = told(right)
    number, struck = 0, True
    while struck:
        number += 1
        folder = tmp_path / str(number)
        folder.mkdir()
        with fresh_indices(shared_elasticsearch()) as indices:
            url, prefix = indices.server.name, indices.prefix
            with open_store(url, folder, prefix, clock) as store:
                run(store, clock, range(step))
            killer = Killer(number, share)
            with monkeypatch.context() as context:
                store = open_store(url, folder, prefix, clock)
                killer.strike(context)
                with suppress(Crash):
                    run(store, clock, [step])
            struck = killer.struck
            with suppress(Crash):
                store.close()
            with open_store(url, folder, prefix, clock) as store:
                assert told(store) == expected, f"struck at request {number}"
                assert store.waiting().depth == store.waiting().dead_letters == 0
    assert number > 1


def seen_in(scan: int) -> list[Evaluation]:
    """Of six assets, some of which change from scan to scan: each is a chunk by itself below."""
    weaknesses = (
        [weakness(), weakness("/b")],
        [weakness(severity=Severity.HIGH), weakness("/c")],
    )[scan]
    return [evaluation(*weaknesses[number % 3 :], minutes=scan, asset=f"a{number % 5}") for number in range(6)]


@pytest.mark.parametrize(("first", "share"), [(1, 0.5), (2, 1.0)])
def test_a_crash_while_chunks_follow_each_other_is_made_good(
    first: int, share: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One flies, the events of another wait, a third is merged: struck at every second request, until there is none."""
    monkeypatch.setattr(elasticsearch_drain, "_MOST_ENTRIES", 1)
    clock = Clock()
    with ledger(tmp_path, clock) as right:
        for scan in range(2):
            right.record(f"s{scan}", seen_in(scan))
        expected = told(right)
    number, struck = first - 2, True
    while struck:
        number += 2
        folder = tmp_path / str(number)
        folder.mkdir()
        with fresh_indices(shared_elasticsearch()) as indices:
            url, prefix = indices.server.name, indices.prefix
            with open_store(url, folder, prefix, clock) as store:
                store.record("s0", seen_in(0))
            killer = Killer(number, share)
            with monkeypatch.context() as context:
                store = open_store(url, folder, prefix, clock)
                killer.strike(context)
                with suppress(Crash):
                    store.record("s1", seen_in(1))
            struck = killer.struck
            with suppress(Crash):
                store.close()
            with open_store(url, folder, prefix, clock) as store:
                assert told(store) == expected, f"struck at request {number}"
                assert store.waiting().depth == store.waiting().dead_letters == 0
    assert number > 6


@pytest.mark.parametrize(("every", "before"), [(2, 0), (2, 1), (3, 0)])
def test_the_answers_to_all_requests_are_lost_once(every: int, before: int, tmp_path: Path) -> None:
    """Each is sent again, and conflicts with itself: also the leader of several findings that change together."""
    clock = Clock()
    with (
        fresh_indices(shared_elasticsearch()) as indices,
        interposed(indices.server.name) as way,
        ledger(tmp_path, clock) as right,
        open_store(way.url, tmp_path, indices.prefix, clock) as store,
    ):
        way.bulks, way.lost_every = before, every
        for number, step in enumerate(STEPS):
            clock.minutes = number + 0.5
            assert step(store) == step(right)
        way.lost_every = 0
        assert told(store) == told(right)
        assert store.waiting().depth == store.waiting().dead_letters == 0
        assert way.told["answers"] > 10
