"""What every store of findings must do. A new store is one file in `stores/`; this suite finds it."""

import hashlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secops.model.finding import Severity, State
from secops.model.outcome import Outcome
from secops.model.text import Text
from secops.store.edits import Accept
from secops.store.event import Recorded
from secops.store.finding_store import LARGEST_PAGE, FindingStore
from secops.store.query import Equals, Query
from secops.store.refusals import Conflict, ForbiddenTransition, NotFound
from secops.support.errors import BadInput
from tests.contracts.conftest import Clock
from tests.contracts.evaluations import at, evaluation, id_of, weakness
from tests.contracts.store_maker import StoreMaker
from tests.contracts.store_writer import PER_ASSET

HERE = Path(__file__).parents[2]


BECAUSE = Text("因为", "because")


def move(store: FindingStore, to: State) -> None:
    """Move the finding at / as somebody who has just looked at it."""
    seen = store.get(id_of())
    store.transition(seen.id, to, revision=seen.revision, actor="li", reason="because")


# --- identity and merging


def test_a_weakness_becomes_a_finding(store: FindingStore) -> None:
    recorded = store.record("s1", [evaluation(weakness(), minutes=5)])
    assert recorded == Recorded(new=(id_of(),))
    finding = store.get(id_of())
    assert (finding.state, finding.times_seen, finding.revision, finding.regressions) == (State.NEW, 1, 1, 0)
    assert finding.first_seen == finding.last_seen == finding.last_evaluated == finding.state_since == at(5)
    assert (finding.weakness, finding.asset, finding.system, finding.check) == (
        weakness(),
        "site",
        "portal",
        "http-headers",
    )


@given(severity=st.sampled_from(Severity), wording=st.text(st.characters(codec="utf-8"), max_size=20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
def test_identity_stays_under_changed_severity_and_wording(
    maker: StoreMaker, tmp_path_factory: pytest.TempPathFactory, severity: Severity, wording: str
) -> None:
    with maker.open(tmp_path_factory.mktemp("store"), Clock()) as store:
        store.record("s1", [evaluation(weakness(), minutes=1)])
        recorded = store.record("s2", [evaluation(weakness(severity=severity, wording=wording), minutes=2)])
        assert recorded == Recorded(seen_again=(id_of(),))
        assert len(store.find(Query()).findings) == 1
        assert store.get(id_of()).weakness == weakness(severity=severity, wording=wording)


def test_being_seen_again_is_counted_but_is_no_new_revision(store: FindingStore) -> None:
    store.record("s1", [evaluation(weakness(), minutes=1)])
    store.record("s2", [evaluation(weakness(wording="other"), minutes=9)])
    finding = store.get(id_of())
    assert (finding.times_seen, finding.revision) == (2, 1)
    assert (finding.first_seen, finding.last_seen, finding.last_evaluated) == (at(1), at(9), at(9))


def test_a_changed_severity_is_a_new_revision_with_an_event(store: FindingStore) -> None:
    store.record("s1", [evaluation(weakness(severity=Severity.LOW), minutes=1)])
    store.record("s2", [evaluation(weakness(severity=Severity.CRITICAL), minutes=2)])
    assert store.get(id_of()).revision == 2
    assert [event.change for event in store.history(id_of())] == ["seen", "severity: low → critical"]


def test_two_weaknesses_at_one_place_are_one_finding_with_the_worst_severity(store: FindingStore) -> None:
    both = evaluation(weakness(severity=Severity.HIGH, wording="a"), weakness(severity=Severity.LOW, wording="b"))
    assert store.record("s1", [both]) == Recorded(new=(id_of(),))
    assert (store.get(id_of()).weakness.severity, store.get(id_of()).times_seen) == (Severity.HIGH, 1)


def test_the_same_weakness_on_another_asset_is_another_finding(store: FindingStore) -> None:
    store.record("s1", [evaluation(weakness()), evaluation(weakness(), asset="other")])
    assert {finding.id for finding in store.find(Query()).findings} == {id_of(), id_of(asset="other")}


def test_recording_an_evaluation_twice_changes_nothing(store: FindingStore) -> None:
    batch = [evaluation(weakness(), weakness("/b"), observation=b"{}"), evaluation(asset="other")]
    store.record("s1", batch)
    before = (store.find(Query()), store.coverage(), store.history(id_of()), store.observations("s1"))
    assert store.record("s1", batch) == Recorded()
    assert store.record("s1", [evaluation(minutes=30)]) == Recorded()
    assert (store.find(Query()), store.coverage(), store.history(id_of()), store.observations("s1")) == before


def test_recording_the_rest_of_a_scan_after_a_crash_adds_only_the_rest(store: FindingStore) -> None:
    first, second = evaluation(weakness()), evaluation(weakness(), asset="other")
    store.record("s1", [first])
    assert store.record("s1", [first, second]) == Recorded(new=(id_of(asset="other"),))


def test_what_is_in_a_hostile_answer_is_stored(store: FindingStore) -> None:
    nasty = weakness(path="/\ud800'\x00;--", wording="\udcff half a pair \x00 '); DROP TABLE findings; --")
    store.record("s1", [evaluation(nasty, minutes=1)])
    assert store.record("s2", [evaluation(nasty, minutes=2)]) == Recorded(seen_again=(id_of("/\ud800'\x00;--"),))
    (finding,) = store.find(Query()).findings
    assert finding.weakness.evidence == {"header": "? half a pair \x00 '); DROP TABLE findings; --"}


def test_evaluations_that_cannot_be_drawn_leave_nothing_behind(store: FindingStore) -> None:
    def scan() -> Iterator[object]:
        yield evaluation(weakness())
        raise RuntimeError("the scan broke")

    with pytest.raises(RuntimeError):
        store.record("s1", scan())  # type: ignore[arg-type]
    assert (store.find(Query()).findings, list(store.coverage())) == ((), [])


# --- closing and reopening


def test_a_successful_evaluation_that_does_not_find_it_resolves(store: FindingStore) -> None:
    store.record("s1", [evaluation(weakness(), weakness("/b"), minutes=1)])
    assert store.record("s2", [evaluation(weakness("/b"), minutes=2)]) == Recorded(
        seen_again=(id_of("/b"),), resolved=(id_of(),)
    )
    finding = store.get(id_of())
    assert (finding.state, finding.state_since, finding.last_seen) == (State.RESOLVED, at(2), at(1))
    assert store.get(id_of("/b")).state is State.NEW


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if not outcome.successful])
def test_an_evaluation_that_failed_closes_nothing(store: FindingStore, outcome: Outcome) -> None:
    store.record("s1", [evaluation(weakness(), minutes=1)])
    assert store.record("s2", [evaluation(minutes=2, outcome=outcome)]) == Recorded()
    assert (store.get(id_of()).state, store.get(id_of()).last_evaluated) == (State.NEW, at(1))


def test_a_partial_evaluation_reports_what_it_saw_and_closes_nothing(store: FindingStore) -> None:
    store.record("s1", [evaluation(weakness(), minutes=1)])
    partial = evaluation(weakness("/b"), minutes=2, outcome=Outcome.BLOCKED)
    assert store.record("s2", [partial]) == Recorded(new=(id_of("/b"),))
    assert store.get(id_of()).state is State.NEW


def test_a_report_of_another_tool_counts_what_it_saw_and_proves_nothing_absent(store: FindingStore) -> None:
    store.record("s1", [evaluation(weakness(), weakness("/b"), minutes=1)])
    store.record("s2", [evaluation(weakness("/b"), minutes=2)])
    imported = evaluation(weakness(), weakness("/c"), minutes=3, outcome=Outcome.PARTIAL)
    assert store.record("s3", [imported]) == Recorded(new=(id_of("/c"),), reopened=(id_of(),))
    assert store.get(id_of("/b")).state is State.NEW
    assert {row.last_successful for row in store.coverage()} == {at(2)}, "no proof is fresher for it"
    assert store.record("s4", [evaluation(minutes=4, outcome=Outcome.PARTIAL)]) == Recorded()
    assert store.record("s3", [imported]) == Recorded()


@pytest.mark.parametrize("others", [{"asset": "other"}, {"check": "tls-certificate"}])
def test_another_asset_or_check_closes_nothing(store: FindingStore, others: dict[str, str]) -> None:
    store.record("s1", [evaluation(weakness(), minutes=1)])
    assert store.record("s2", [evaluation(minutes=2, **others)]) == Recorded()  # type: ignore[arg-type]
    assert store.get(id_of()).state is State.NEW


def test_what_comes_back_is_reopened_and_counted(store: FindingStore) -> None:
    for cycle in range(3):
        store.record(f"found-{cycle}", [evaluation(weakness(), minutes=10 * cycle)])
        assert store.get(id_of()).regressions == cycle
        store.record(f"clean-{cycle}", [evaluation(minutes=10 * cycle + 5)])
        assert store.get(id_of()).state is State.RESOLVED
    assert store.record("again", [evaluation(weakness(), minutes=99)]) == Recorded(reopened=(id_of(),))
    finding = store.get(id_of())
    assert (finding.state, finding.regressions, finding.times_seen) == (State.REOPENED, 3, 4)
    assert [event.change for event in store.history(id_of())] == ["seen", *["resolved", "reopened"] * 3]


@pytest.mark.parametrize("state", [State.FALSE_POSITIVE, State.OUT_OF_SCOPE])
def test_what_a_person_judged_away_stays_so_seen_or_not(store: FindingStore, clock: Clock, state: State) -> None:
    store.record("s1", [evaluation(weakness(), minutes=1)])
    clock.minutes = 2
    move(store, state)
    store.record("s2", [evaluation(weakness(), minutes=3)])
    store.record("s3", [evaluation(minutes=4)])
    finding = store.get(id_of())
    assert (finding.state, finding.times_seen, finding.last_evaluated) == (state, 2, at(4))


@pytest.mark.parametrize("state", [State.TRIAGED, State.IN_PROGRESS])
def test_being_seen_again_keeps_a_persons_state(store: FindingStore, clock: Clock, state: State) -> None:
    store.record("s1", [evaluation(weakness(), minutes=1)])
    clock.minutes = 2
    move(store, state)
    store.record("s2", [evaluation(weakness(), minutes=3)])
    assert store.get(id_of()).state is state


def test_a_mend_is_proven_or_refuted_by_the_next_scan(store: FindingStore, clock: Clock) -> None:
    store.record("s1", [evaluation(weakness(), weakness("/b"), minutes=1)])
    clock.minutes = 2
    for path in ("/", "/b"):
        store.transition(id_of(path), State.PENDING_VERIFICATION, revision=1, actor="li", reason="mended")
    recorded = store.record("s2", [evaluation(weakness("/b"), minutes=3)])
    assert recorded == Recorded(reopened=(id_of("/b"),), resolved=(id_of(),))
    assert store.get(id_of("/b")).regressions == 0, "it had never been resolved"


def test_a_late_record_of_an_earlier_evaluation_closes_nothing(store: FindingStore) -> None:
    store.record("first", [evaluation(weakness(), minutes=1)])
    store.record("fast", [evaluation(weakness(), minutes=10)])
    assert store.record("slow", [evaluation(minutes=5)]) == Recorded()
    assert (store.get(id_of()).state, store.get(id_of()).last_evaluated) == (State.NEW, at(10))


def test_a_late_record_of_an_earlier_sighting_makes_it_older(store: FindingStore) -> None:
    store.record("s1", [evaluation(weakness("/new"), minutes=6)])
    store.record("fast", [evaluation(weakness(wording="now"), minutes=10, asset="b")])
    store.record("slow", [evaluation(weakness(wording="then"), minutes=5, asset="b")])
    finding = store.get(id_of(asset="b"))
    assert (finding.first_seen, finding.last_seen, finding.times_seen) == (at(5), at(10), 2)
    assert finding.weakness.evidence == {"header": "now"}
    assert [found.id for found in store.find(Query()).findings] == [id_of("/new"), finding.id]


def test_a_late_record_of_an_earlier_sighting_reopens_nothing(store: FindingStore) -> None:
    store.record("s1", [evaluation(weakness(), minutes=1)])
    store.record("fast", [evaluation(minutes=10)])
    store.record("slow", [evaluation(weakness(wording="old"), minutes=5)])
    assert (store.get(id_of()).state, store.get(id_of()).regressions) == (State.RESOLVED, 0)


def test_a_sighting_from_before_the_mend_does_not_refute_it(store: FindingStore, clock: Clock) -> None:
    store.record("s1", [evaluation(weakness(), minutes=1)])
    clock.minutes = 10
    move(store, State.PENDING_VERIFICATION)
    store.record("slow", [evaluation(weakness(), minutes=5)])
    assert store.get(id_of()).state is State.PENDING_VERIFICATION


# --- by hand


def test_a_transition_is_remembered_with_who_and_why(store: FindingStore, clock: Clock) -> None:
    store.record("s1", [evaluation(weakness(), minutes=1)])
    clock.minutes = 7
    moved = store.transition(id_of(), State.TRIAGED, revision=1, actor="李", reason="看过了")
    assert moved == store.get(id_of())
    assert (moved.state, moved.revision, moved.state_since) == (State.TRIAGED, 2, at(7))
    event = store.history(id_of())[-1]
    assert (event.actor, event.change, event.reason) == ("李", "state: new → triaged", Text("看过了", "看过了"))
    assert (event.revision, event.at, event.finding) == (2, at(7), id_of())


def test_a_stale_edit_is_a_conflict_and_changes_nothing(store: FindingStore) -> None:
    store.record("s1", [evaluation(weakness())])
    move(store, State.TRIAGED)
    before = (store.get(id_of()), store.history(id_of()))
    with pytest.raises(Conflict, match="revision 2 in state triaged"):
        store.transition(id_of(), State.FALSE_POSITIVE, revision=1, actor="wang", reason="no")
    assert (store.get(id_of()), store.history(id_of())) == before


def test_a_scan_between_reading_and_editing_does_not_stand_in_the_way(store: FindingStore) -> None:
    store.record("s1", [evaluation(weakness(), minutes=1)])
    seen = store.get(id_of())
    store.record("s2", [evaluation(weakness(wording="new"), minutes=2)])
    moved = store.transition(seen.id, State.OUT_OF_SCOPE, revision=seen.revision, actor="li", reason="ok")
    assert (moved.times_seen, moved.last_seen) == (2, at(2)), "what the scan wrote is kept"


def test_a_risk_that_grew_meanwhile_is_not_accepted_unseen(store: FindingStore) -> None:
    store.record("s1", [evaluation(weakness(severity=Severity.LOW), minutes=1)])
    seen = store.get(id_of())
    store.record("s2", [evaluation(weakness(severity=Severity.CRITICAL), minutes=2)])
    with pytest.raises(Conflict):
        store.edit(Accept(seen.id, BECAUSE, seen.revision, "risk-1"), actor="li")


def test_a_forbidden_transition_lists_what_is_allowed(store: FindingStore) -> None:
    store.record("s1", [evaluation(weakness())])
    with pytest.raises(ForbiddenTransition, match="allowed: triaged, in_progress"):
        store.transition(id_of(), State.RESOLVED, revision=1, actor="li", reason="done")
    assert (store.get(id_of()).state, len(store.history(id_of()))) == (State.NEW, 1)


@pytest.mark.parametrize("words", [{"actor": " ", "reason": "x"}, {"actor": "x", "reason": ""}])
def test_a_transition_without_a_name_or_reason_is_refused(store: FindingStore, words: dict[str, str]) -> None:
    store.record("s1", [evaluation(weakness())])
    with pytest.raises(BadInput):
        store.transition(id_of(), State.TRIAGED, revision=1, **words)
    assert store.get(id_of()).state is State.NEW


# --- reading


def test_a_unique_beginning_of_an_id_is_enough(store: FindingStore) -> None:
    store.record("s1", [evaluation(weakness(), weakness("/b"))])
    assert store.get(id_of()[:12]).id == id_of()
    assert len(store.history(id_of()[:12])) == 1
    with pytest.raises(NotFound, match="several findings begin"):
        store.get("1-")


@pytest.mark.parametrize("id", ["", "nothing", "1-%", "'", "\ud800", id_of() + "x"])
def test_an_unknown_id_is_not_found(store: FindingStore, id: str) -> None:
    store.record("s1", [evaluation(weakness())])
    for ask in (store.get, store.history):
        with pytest.raises(NotFound):
            ask(id)
    with pytest.raises(NotFound):
        store.transition(id, State.TRIAGED, revision=1, actor="li", reason="x")


sightings = st.lists(st.tuples(st.sampled_from(Severity), st.integers(0, 3), st.sampled_from(["a", "b"])), max_size=25)


@given(sightings=sightings, limit=st.integers(1, 8), only_a=st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None)
def test_paging_is_complete_sorted_and_without_duplicates(
    maker: StoreMaker,
    tmp_path_factory: pytest.TempPathFactory,
    sightings: list[tuple[Severity, int, str]],
    limit: int,
    only_a: bool,
) -> None:
    with maker.open(tmp_path_factory.mktemp("store"), Clock()) as store:
        for number, (severity, minutes, asset) in enumerate(sightings):
            seen = evaluation(weakness(f"/{number}", severity), minutes=minutes, asset=asset, outcome=Outcome.BLOCKED)
            store.record(f"s{number}", [seen])
        which = Query(Equals("asset", "a") if only_a else None)
        pages = [store.find(which, limit)]
        while pages[-1].next_cursor:
            for finding in pages[-1].findings:  # a scan goes on meanwhile
                seen = evaluation(finding.weakness, minutes=9, asset=finding.asset, outcome=Outcome.BLOCKED)
                store.record(f"meanwhile-{finding.id}", [seen])
            pages.append(store.find(which, limit, pages[-1].next_cursor))
        found = [finding for page in pages for finding in page.findings]
        expected = {
            id_of(f"/{number}", asset) for number, (_, _, asset) in enumerate(sightings) if asset == "a" or not only_a
        }
        assert len(found) == len({f.id for f in found})
        assert {f.id for f in found} == expected
        order = [(f.weakness.severity.rank, f.first_seen) for f in found]
        assert order == sorted(order, reverse=True)
        assert all(len(page.findings) == limit for page in pages[:-1])


def test_a_cursor_that_was_altered_or_belongs_to_another_filter_is_refused(store: FindingStore) -> None:
    store.record("s1", [evaluation(weakness(), weakness("/b"), weakness("/c"))])
    cursor = store.find(Query(), 1).next_cursor
    assert cursor
    flipped = [
        cursor[:position] + ("A" if cursor[position] != "A" else "B") + cursor[position + 1 :]
        for position in range(len(cursor))
    ]
    for wrong in (*flipped, cursor[:-1], cursor + "=", cursor + "\n", "", "x", "四", "\ud800"):
        with pytest.raises(BadInput, match="cursor"):
            store.find(Query(), 1, wrong)
    with pytest.raises(BadInput, match="cursor"):
        store.find(Query(Equals("asset", "site")), 1, cursor)


@pytest.mark.parametrize("limit", [0, -1, LARGEST_PAGE + 1])
def test_a_page_has_a_size(store: FindingStore, limit: int) -> None:
    with pytest.raises(BadInput):
        store.find(Query(), limit)


def test_history_tells_the_life_in_order(store: FindingStore, clock: Clock) -> None:
    store.record("s1", [evaluation(weakness(), minutes=1)])
    clock.minutes = 2
    move(store, State.TRIAGED)
    store.record("s2", [evaluation(weakness(), minutes=3)])
    store.record("s3", [evaluation(minutes=4)])
    store.record("s4", [evaluation(weakness(), minutes=5)])
    told = [(event.revision, event.at, event.actor, event.change) for event in store.history(id_of())]
    assert told == [
        (1, at(1), "scan:s1", "seen"),
        (2, at(2), "li", "state: new → triaged"),
        (3, at(4), "scan:s3", "resolved"),
        (4, at(5), "scan:s4", "reopened"),
    ]
    assert store.history(id_of())[2].reason == Text("结果 tested_clean", "ended tested_clean")


# --- coverage, observations, baselines


def test_coverage_has_a_row_for_every_evaluation_of_a_scan(store: FindingStore) -> None:
    outcomes = list(Outcome)
    batch = [evaluation(asset=f"a{n}", outcome=outcome, minutes=n) for n, outcome in enumerate(outcomes)]
    store.record("s1", batch)
    rows = store.coverage("s1")
    assert [(row.asset, row.outcome, row.at, row.scan) for row in rows] == [
        (f"a{n}", outcome, at(n), "s1") for n, outcome in enumerate(outcomes)
    ]
    assert [row.last_successful for row in rows] == [
        at(n) if outcome.successful else None for n, outcome in enumerate(outcomes)
    ]
    assert rows[0].reason == Text("结果 tested_clean", "ended tested_clean")
    assert list(store.coverage("another")) == []


def test_coverage_of_now_is_the_newest_evaluation_and_the_newest_success(store: FindingStore) -> None:
    store.record("s1", [evaluation(minutes=1)])
    store.record("s3", [evaluation(minutes=3, outcome=Outcome.UNREACHABLE)])
    store.record("s2-late", [evaluation(minutes=2)])
    (row,) = store.coverage()
    assert (row.scan, row.outcome, row.at, row.last_successful) == ("s3", Outcome.UNREACHABLE, at(3), at(2))


def test_the_newest_observation_that_is_not_empty_is_given_back(store: FindingStore) -> None:
    assert store.latest_observation("site", "http-headers") is None
    store.record("s1", [evaluation(minutes=1, observation=b"\x00old")])
    store.record("s3", [evaluation(minutes=3, observation=b"new")])
    store.record("s4", [evaluation(minutes=4, outcome=Outcome.UNREACHABLE)])
    store.record("s2-late", [evaluation(minutes=2, observation=b"late")])
    assert store.latest_observation("site", "http-headers") == b"new"
    assert store.latest_observation("site", "another") is None


def test_observations_carry_their_digest(store: FindingStore) -> None:
    body = b"same body"
    store.record("s1", [evaluation(observation=body), evaluation(asset="b", observation=body), evaluation(asset="c")])
    rows = store.observations("s1")
    assert [(row.asset, row.check, row.at, row.size_bytes) for row in rows] == [
        ("b", "http-headers", at(0), 9),
        ("site", "http-headers", at(0), 9),
    ]
    assert {row.sha256 for row in rows} == {hashlib.sha256(body).hexdigest()}


def test_a_baseline_is_the_last_approval_and_the_earlier_ones_are_kept(store: FindingStore, clock: Clock) -> None:
    assert store.baseline("page", "page-tamper") is None
    for minutes, body, name in ((1, b"one", "li"), (2, b"two", "wang"), (3, b"one", "li")):
        clock.minutes = minutes
        store.approve_baseline("page", "page-tamper", body, name)
    store.approve_baseline("other", "page-tamper", b"else", "li")
    assert store.baseline("page", "page-tamper") == (b"one", "li")
    history = store.baseline_history("page", "page-tamper")
    assert [(approval.approved_by, approval.at) for approval in history] == [
        ("li", at(1)),
        ("wang", at(2)),
        ("li", at(3)),
    ]
    assert history[0].sha256 == history[2].sha256 == hashlib.sha256(b"one").hexdigest()
    with pytest.raises(BadInput):
        store.approve_baseline("page", "page-tamper", b"three", " ")


# --- staying power


def test_everything_is_there_after_closing_and_opening(maker: StoreMaker, tmp_path: Path, clock: Clock) -> None:
    with maker.open(tmp_path, clock) as store:
        store.record("s1", [evaluation(weakness(), observation=b"body")])
        store.approve_baseline("site", "http-headers", b"body", "li")
        before = (store.find(Query()), store.coverage(), store.history(id_of()))
        store.close()
    with maker.open(tmp_path, clock) as store:
        assert (store.find(Query()), store.coverage(), store.history(id_of())) == before
        assert store.baseline("site", "http-headers") == (b"body", "li")


def test_threads_lose_nothing(store: FindingStore) -> None:
    failures: list[BaseException] = []

    def write(writer: int) -> None:
        try:
            for scan in range(15):
                mine = evaluation(*(weakness(f"/{n}") for n in range(10)), asset=f"{writer}-{scan}")
                shared = evaluation(weakness(), asset="shared", minutes=scan)
                store.record(f"{writer}-{scan}", [mine, shared])
                store.find(Query(), 50)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert store.get(id_of(asset="shared")).times_seen == 60
    assert len(store.find(Query(), LARGEST_PAGE).findings) == 601
    assert len(store.coverage()) == 61


def test_of_two_people_who_edit_at_once_one_wins(maker: StoreMaker, tmp_path: Path, clock: Clock) -> None:
    """Each through a store of their own, as two processes would."""
    with maker.open(tmp_path, clock) as one, maker.open(tmp_path, clock) as two:
        paths = [f"/{number}" for number in range(20)]
        one.record("s1", [evaluation(*map(weakness, paths))])
        won: list[str] = []
        start = threading.Barrier(2)

        def edit(store: FindingStore, name: str, to: State) -> None:
            start.wait()
            for path in paths:
                try:
                    store.transition(id_of(path), to, revision=1, actor=name, reason="mine")
                    won.append(path)
                except Conflict:
                    pass

        people = [
            threading.Thread(target=edit, args=(one, "li", State.TRIAGED)),
            threading.Thread(target=edit, args=(two, "wang", State.FALSE_POSITIVE)),
        ]
        for person in people:
            person.start()
        for person in people:
            person.join()
        assert sorted(won) == sorted(paths)
        assert all(len(one.history(id_of(path))) == 2 for path in paths)


def start_writer(maker: StoreMaker, where: Path, writer: str, scans: int, findings: int) -> subprocess.Popen[str]:
    arguments = [maker.name, str(where), writer, str(scans), str(findings)]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.contracts.store_writer", *arguments],
        cwd=HERE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_processes_that_write_at_once_lose_nothing(maker: StoreMaker, tmp_path: Path) -> None:
    writers = [start_writer(maker, tmp_path, f"w{number}", 20, 100) for number in range(3)]
    told = [writer.communicate(timeout=280)[0].split() for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert [len(scans) for scans in told] == [20, 20, 20]
    with maker.open(tmp_path, Clock()) as store:
        assert store.get(id_of("/shared", "shared")).times_seen == 60
        assert len(store.coverage()) == 3 * 20 * (100 // PER_ASSET) + 1
        found, cursor = 0, None
        while True:
            page = store.find(Query(), LARGEST_PAGE, cursor)
            found, cursor = found + len(page.findings), page.next_cursor
            if cursor is None:
                break
        assert found == 3 * 20 * 100 + 1


@pytest.mark.slow
@pytest.mark.parametrize("after_seconds", [0.0, 0.05, 0.11, 0.19, 0.31, 0.47])
def test_a_kill_in_the_middle_leaves_whole_scans(maker: StoreMaker, tmp_path: Path, after_seconds: float) -> None:
    """Killed at another moment of a scan of 4,000 findings each time."""
    assets = 4000 // PER_ASSET
    writer = start_writer(maker, tmp_path, "w", 50, 4000)
    assert writer.stdout
    told = [writer.stdout.readline().strip()]
    time.sleep(after_seconds)
    writer.kill()
    told += writer.communicate(timeout=280)[0].split()
    with maker.open(tmp_path, Clock()) as store:
        scans = {row.scan for row in store.coverage()}
        assert set(told) <= scans, "what was told to be written is there"
        for scan in scans:
            rows = [row for row in store.coverage(scan) if row.asset != "shared"]
            assert len(rows) == assets, "a scan is there as a whole or not at all"
            assert len(store.observations(scan)) == assets
            for row in rows[:: assets // 4]:
                assert len(store.find(Query(Equals("asset", row.asset)), LARGEST_PAGE).findings) == PER_ASSET
        assert store.get(id_of("/shared", "shared")).times_seen == len(scans)
        assert store.record("after", [evaluation(weakness(), asset="new")]) == Recorded(new=(id_of(asset="new"),))
