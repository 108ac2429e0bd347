"""The life of findings in every store: noisy checks, groups, new identities, acceptances, deadlines, the audit."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from secops.model.acceptance import Acceptance
from secops.model.finding import Deadline, Finding, Severity, State, WeaknessClass
from secops.model.outcome import Outcome
from secops.model.text import Text
from secops.store.edits import Accept, Edit, EndAcceptance, Merge, Move, Rekey, SetDeadline, Split
from secops.store.event import Recorded
from secops.store.finding_store import FindingStore
from secops.store.query import Equals, Query, without_parts
from secops.store.refusals import Conflict, ForbiddenTransition, NotFound
from secops.support.errors import BadInput
from tests.contracts.conftest import Clock
from tests.contracts.evaluations import RULE, at, evaluation, id_of, weakness

BECAUSE = Text("因为", "because")
A, B, C = id_of("/a"), id_of("/b"), id_of("/c")


def see(store: FindingStore, *paths: str, minutes: float, **more: object) -> Recorded:
    """A scan of the asset that sees exactly these."""
    one = evaluation(*map(weakness, paths), minutes=minutes, **more)  # type: ignore[arg-type]
    return store.record(f"scan-{minutes}", [one])


def changes(store: FindingStore, finding: str) -> list[str]:
    return [event.change for event in store.history(finding)]


def state(store: FindingStore, finding: str) -> State:
    return store.get(finding).state


def merged(store: FindingStore, clock: Clock, *paths: str) -> None:
    """Findings, seen at minute 1 and merged into the first at minute 2."""
    see(store, *paths, minutes=1)
    clock.minutes = 2
    first, *parts = map(id_of, paths)
    for part in parts:
        store.edit(Merge(first, BECAUSE, part=part), actor="li")


def rekey(path: str, asset: str = "renamed") -> Rekey:
    """Of the finding at the path to the same place on another asset."""
    return Rekey(id_of(path), BECAUSE, weakness_class=WeaknessClass.WEB, asset=asset, rule=RULE, locator=("GET", path))


# --- noisy checks


def test_what_a_noisy_check_overlooks_once_stays_open(store: FindingStore) -> None:
    see(store, "/a", minutes=1, noisy=True)
    assert see(store, minutes=2, noisy=True) == Recorded()
    assert (state(store, A), store.get(A).misses, store.get(A).gone) == (State.NEW, 1, False)
    assert see(store, minutes=3, noisy=True) == Recorded(resolved=(A,))
    assert store.get(A).gone
    assert see(store, "/a", minutes=4, noisy=True) == Recorded(reopened=(A,))
    assert (store.get(A).misses, store.get(A).gone) == (0, False)


def test_two_misses_of_a_noisy_check_must_follow_one_another(store: FindingStore) -> None:
    see(store, "/a", minutes=1, noisy=True)
    for minutes in (2, 4, 6):
        see(store, minutes=minutes, noisy=True)
        assert see(store, "/a", minutes=minutes + 1, noisy=True) == Recorded(seen_again=(A,))
    assert state(store, A) is State.NEW


@pytest.mark.parametrize("outcome", [one for one in Outcome if not one.successful])
def test_a_scan_that_failed_between_two_misses_neither_counts_nor_breaks_the_row(
    store: FindingStore, outcome: Outcome
) -> None:
    see(store, "/a", minutes=1, noisy=True)
    see(store, minutes=2, noisy=True)
    assert see(store, minutes=3, noisy=True, outcome=outcome) == Recorded()
    assert (state(store, A), store.get(A).misses) == (State.NEW, 1)
    assert see(store, minutes=4, noisy=True) == Recorded(resolved=(A,))


def test_a_mend_is_proven_to_a_noisy_check_by_two_scans_too(store: FindingStore, clock: Clock) -> None:
    see(store, "/a", minutes=1, noisy=True)
    clock.minutes = 2
    store.edit(Move(A, BECAUSE, to=State.PENDING_VERIFICATION), actor="li")
    see(store, minutes=3, noisy=True)
    assert state(store, A) is State.PENDING_VERIFICATION
    see(store, minutes=4, noisy=True)
    assert state(store, A) is State.RESOLVED


def test_misses_that_are_recorded_out_of_order_are_misses(store: FindingStore) -> None:
    see(store, "/a", minutes=1, noisy=True)
    see(store, minutes=9, noisy=True)
    assert see(store, minutes=5, noisy=True) == Recorded(resolved=(A,))


def test_a_late_sighting_from_before_a_miss_takes_nothing_from_it(store: FindingStore) -> None:
    see(store, "/a", minutes=1, noisy=True)
    see(store, minutes=9, noisy=True)
    see(store, "/a", minutes=5, noisy=True)
    assert (store.get(A).misses, store.get(A).times_seen) == (1, 2)
    assert see(store, minutes=10, noisy=True) == Recorded(resolved=(A,))


def test_a_late_miss_from_before_a_sighting_is_none(store: FindingStore) -> None:
    see(store, "/a", minutes=1, noisy=True)
    see(store, "/a", minutes=9, noisy=True)
    see(store, minutes=5, noisy=True)
    see(store, minutes=6, noisy=True)
    assert (state(store, A), store.get(A).misses) == (State.NEW, 0)


# --- groups


def test_parts_are_counted_with_the_finding_that_stands_for_them(store: FindingStore, clock: Clock) -> None:
    merged(store, clock, "/a", "/b", "/c")
    assert (store.get(A).parts, store.get(B).part_of, store.get(C).part_of) == ((B, C), A, A)
    assert [one.id for one in store.find(without_parts(Query())).findings] == [A]
    assert {one.id for one in store.find(Query(Equals("part_of", A))).findings} == {B, C}
    assert store.count(without_parts(Query())) == {(): 1}
    assert changes(store, A) == ["seen", f"merged: {B}", f"merged: {C}"]
    assert changes(store, B) == ["seen", f"merged into: {A}"]


def test_a_group_is_resolved_when_its_last_member_is_gone(store: FindingStore, clock: Clock) -> None:
    merged(store, clock, "/a", "/b", "/c")
    assert see(store, "/b", "/c", minutes=3) == Recorded(seen_again=tuple(sorted((B, C))))
    assert see(store, "/c", minutes=4) == Recorded(seen_again=(C,))
    assert state(store, A) is State.NEW
    assert see(store, minutes=5) == Recorded(resolved=(A,))
    assert changes(store, A)[-1] == "resolved"


@pytest.mark.parametrize("seen", [("/a",), ("/b",), ("/b", "/a"), ("/a", "/b")])
def test_a_group_comes_back_once_whichever_member_is_seen(
    store: FindingStore, clock: Clock, seen: tuple[str, ...]
) -> None:
    merged(store, clock, "/a", "/b")
    see(store, minutes=3)
    recorded = see(store, *seen, minutes=4)
    assert A in recorded.reopened and B not in recorded.reopened
    assert (state(store, A), store.get(A).regressions) == (State.REOPENED, 1)
    assert changes(store, A).count("reopened") == 1
    assert see(store, minutes=5) == Recorded(resolved=(A,)), "and goes again when all of it is gone"


def test_a_part_that_comes_back_alone_goes_alone_though_nobody_looks_at_the_first(
    store: FindingStore, clock: Clock
) -> None:
    store.record("s", [evaluation(weakness("/a"), minutes=1), evaluation(weakness("/b"), minutes=1, asset="other")])
    clock.minutes = 2
    store.edit(Merge(A, BECAUSE, part=id_of("/b", "other")), actor="li")
    see(store, minutes=3)
    see(store, minutes=3.5, asset="other")
    assert state(store, A) is State.RESOLVED
    see(store, "/b", minutes=4, asset="other")
    assert state(store, A) is State.REOPENED
    assert see(store, minutes=5, asset="other") == Recorded(resolved=(A,))


def test_a_late_sighting_from_before_the_proof_leaves_a_member_gone(store: FindingStore, clock: Clock) -> None:
    merged(store, clock, "/a", "/b")
    see(store, "/a", minutes=9)
    see(store, "/b", minutes=5)
    assert store.get(B).gone
    assert see(store, minutes=10) == Recorded(resolved=(A,))


def test_a_person_speaks_of_the_first_and_not_of_its_parts(store: FindingStore, clock: Clock) -> None:
    merged(store, clock, "/a", "/b")
    before = store.get(B)
    for edit in (
        Move(B, BECAUSE, to=State.TRIAGED),
        Accept(B, BECAUSE, acceptance="x"),
        Merge(B, BECAUSE, part=A),
        Merge(A, BECAUSE, part=A),
        Split(A, BECAUSE),
    ):
        with pytest.raises(BadInput):
            store.edit(edit, actor="li")
    assert store.get(B) == before
    store.edit(Move(A, BECAUSE, to=State.FALSE_POSITIVE), actor="li")
    see(store, "/b", minutes=9)
    assert state(store, A) is State.FALSE_POSITIVE, "what the first was judged to be holds for its parts"


def test_merging_twice_is_merging_once(store: FindingStore, clock: Clock) -> None:
    merged(store, clock, "/a", "/b")
    before = (store.get(A), store.get(B), store.history(A))
    store.edit(Merge(A, BECAUSE, part=B), actor="wang")
    assert (store.get(A), store.get(B), store.history(A)) == before


def test_a_chain_of_merges_is_one_flat_group(store: FindingStore, clock: Clock) -> None:
    merged(store, clock, "/b", "/c")
    see(store, "/a", "/b", "/c", minutes=1)
    see(store, "/a", "/b", "/c", minutes=2.5)
    store.edit(Merge(A, BECAUSE, part=B), actor="li")
    assert (store.get(A).parts, store.get(B).parts) == ((B, C), ())
    assert store.get(B).part_of == store.get(C).part_of == A
    for part in (B, C):
        store.edit(Split(part, BECAUSE), actor="li")
    assert [(one.part_of, one.parts) for one in map(store.get, (A, B, C))] == [("", ())] * 3


def test_findings_of_two_systems_stay_apart(store: FindingStore) -> None:
    store.record("s", [evaluation(weakness("/a")), evaluation(weakness("/b"), asset="o", system="tax")])
    with pytest.raises(BadInput, match="different systems, portal and tax"):
        store.edit(Merge(A, BECAUSE, part=id_of("/b", "o")), actor="li")
    assert store.get(A).parts == ()


def test_of_two_merges_that_cross_one_is_refused(store: FindingStore) -> None:
    see(store, "/a", "/b", minutes=1)
    crossing = [Merge(A, BECAUSE, part=B, revision=1), Merge(B, BECAUSE, part=A, revision=1)]
    assert store.edit_each(crossing, actor="li") == (A,)
    assert (store.get(A).parts, store.get(B).parts) == ((B,), ())


def test_a_present_part_reopens_what_was_resolved(store: FindingStore, clock: Clock) -> None:
    see(store, "/a", minutes=1)
    see(store, "/b", minutes=2)
    assert state(store, A) is State.RESOLVED
    clock.minutes = 3
    store.edit(Merge(A, BECAUSE, part=B), actor="li")
    assert (state(store, A), store.get(A).regressions) == (State.REOPENED, 1)
    assert changes(store, A)[-2:] == [f"merged: {B}", "reopened"]
    assert see(store, minutes=4) == Recorded(resolved=(A,))


def test_a_part_that_is_gone_leaves_what_was_resolved(store: FindingStore, clock: Clock) -> None:
    see(store, "/a", "/b", minutes=1)
    see(store, minutes=2)
    clock.minutes = 3
    store.edit(Merge(A, BECAUSE, part=B), actor="li")
    assert state(store, A) is State.RESOLVED


def test_a_split_gives_each_back_what_it_was(store: FindingStore, clock: Clock) -> None:
    see(store, "/a", "/b", minutes=1)
    clock.minutes = 2
    store.edit(Move(B, BECAUSE, to=State.IN_PROGRESS), actor="li")
    store.edit(Merge(A, BECAUSE, part=B), actor="li")
    store.edit(Move(A, BECAUSE, to=State.FALSE_POSITIVE), actor="li")
    clock.minutes = 3
    given = store.edit(Split(B, BECAUSE), actor="wang")
    assert (given.state, given.part_of, given.state_since) == (State.IN_PROGRESS, "", at(3))
    assert (state(store, A), store.get(A).parts) == (State.FALSE_POSITIVE, ())
    assert changes(store, B)[-1] == f"split from: {A}"
    assert changes(store, A)[-1] == f"split off: {B}"
    assert see(store, minutes=4) == Recorded(resolved=(B,))


def test_what_a_split_leaves_is_looked_for_anew(store: FindingStore, clock: Clock) -> None:
    merged(store, clock, "/a", "/b")
    see(store, "/b", minutes=3)
    assert store.get(A).gone, "it is B that is left of the group"
    clock.minutes = 4
    store.edit(Split(B, BECAUSE), actor="li")
    assert see(store, "/b", minutes=5) == Recorded(seen_again=(B,), resolved=(A,))


def test_a_part_that_was_resolved_and_seen_since_is_split_off_reopened(store: FindingStore, clock: Clock) -> None:
    see(store, "/a", "/b", minutes=1)
    see(store, "/a", minutes=2)
    clock.minutes = 3
    store.edit(Merge(A, BECAUSE, part=B), actor="li")
    see(store, "/a", "/b", minutes=4)
    clock.minutes = 5
    assert store.edit(Split(B, BECAUSE), actor="li").state is State.REOPENED
    assert changes(store, B)[-1] == "reopened"


def test_what_becomes_worse_in_a_part_is_a_new_revision_of_the_first(store: FindingStore, clock: Clock) -> None:
    merged(store, clock, "/a", "/b")
    seen = store.get(A).revision
    worse = evaluation(weakness("/a"), weakness("/b", Severity.CRITICAL), minutes=3)
    store.record("worse", [worse])
    assert changes(store, A)[-1] == f"part changed: {B}"
    with pytest.raises(Conflict):
        store.edit(Accept(A, BECAUSE, seen, "risk-1"), actor="li")


# --- new identities


def test_a_new_identity_takes_over_the_life_of_the_old_one(store: FindingStore, clock: Clock) -> None:
    see(store, "/a", minutes=1)
    clock.minutes = 2
    store.edit(Move(A, BECAUSE, to=State.IN_PROGRESS), actor="li")
    store.edit(rekey("/a"), actor="li")
    new = store.get(id_of("/a", "renamed"))
    assert (new.state, new.first_seen, new.asset, new.parts, new.times_seen) == (
        State.IN_PROGRESS,
        at(1),
        "renamed",
        (A,),
        0,
    )
    assert (store.get(A).part_of, store.get(A).gone) == (new.id, True)
    assert see(store, "/a", minutes=3, asset="renamed") == Recorded(seen_again=(new.id,))
    assert see(store, minutes=4, asset="renamed") == Recorded(resolved=(new.id,)), "nobody looks at the old one"


def test_what_a_person_made_of_the_old_identity_holds_for_what_a_scan_saw_of_the_new_one(
    store: FindingStore, clock: Clock
) -> None:
    see(store, "/a", minutes=1)
    clock.minutes = 2
    store.edit(Move(A, BECAUSE, to=State.FALSE_POSITIVE), actor="li")
    see(store, "/a", minutes=3, asset="renamed")
    store.edit(rekey("/a"), actor="li")
    new = store.get(id_of("/a", "renamed"))
    assert (new.state, new.first_seen, new.last_seen, new.times_seen) == (State.FALSE_POSITIVE, at(1), at(3), 1)


def test_a_resolved_life_is_not_given_to_what_is_there(store: FindingStore, clock: Clock) -> None:
    see(store, "/a", minutes=1)
    see(store, minutes=2)
    see(store, "/a", minutes=3, asset="renamed")
    clock.minutes = 4
    store.edit(rekey("/a"), actor="li")
    new = store.get(id_of("/a", "renamed"))
    assert (new.state, new.regressions) == (State.REOPENED, 1)


def test_what_a_person_made_of_the_new_identity_stays(store: FindingStore, clock: Clock) -> None:
    see(store, "/a", minutes=1)
    see(store, "/a", minutes=1.5, asset="renamed")
    clock.minutes = 2
    store.edit(Move(id_of("/a", "renamed"), BECAUSE, to=State.TRIAGED), actor="li")
    store.edit(Move(A, BECAUSE, to=State.FALSE_POSITIVE), actor="li")
    store.edit(rekey("/a"), actor="li")
    assert state(store, id_of("/a", "renamed")) is State.TRIAGED


def test_taking_a_new_identity_back_leaves_the_old_finding_as_it_was(store: FindingStore, clock: Clock) -> None:
    merged(store, clock, "/a", "/b")
    store.edit(Move(A, BECAUSE, to=State.TRIAGED), actor="li")
    before = store.get(A)
    store.edit(rekey("/a"), actor="li")
    new = id_of("/a", "renamed")
    assert store.get(B).part_of == new
    clock.minutes = 3
    store.edit(Split(A, BECAUSE), actor="li")
    after = store.get(A)
    assert (after.state, after.first_seen, after.gone) == (before.state, before.first_seen, False)
    assert set(after.parts) == {B, new}
    assert (store.get(B).part_of, store.get(new).part_of) == (A, A)
    with pytest.raises(BadInput, match="never seen itself"):
        store.edit(Split(new, BECAUSE), actor="li")
    assert see(store, minutes=4) == Recorded(resolved=(A,)), "what was never there is not waited for"
    store.edit(rekey("/a"), actor="li")
    assert (store.get(new).part_of, set(store.get(new).parts)) == ("", {A, B})


def test_a_part_takes_its_new_identity_within_its_group(store: FindingStore, clock: Clock) -> None:
    merged(store, clock, "/a", "/b")
    store.edit(rekey("/b"), actor="li")
    new = id_of("/b", "renamed")
    assert (store.get(new).part_of, store.get(A).parts, store.get(B).gone) == (A, (B, new), True)
    see(store, minutes=3)
    assert state(store, A) is State.NEW, "the new one was not looked for yet"
    assert see(store, minutes=4, asset="renamed") == Recorded(resolved=(A,))


def test_an_identity_that_another_group_has_is_refused(store: FindingStore, clock: Clock) -> None:
    merged(store, clock, "/a", "/b")
    with pytest.raises(BadInput, match="was merged into"):
        see(store, "/c", minutes=3)
        store.edit(replace(rekey("/c"), asset="site", locator=("GET", "/b")), actor="li")
    store.edit(replace(rekey("/a"), asset="site"), actor="li")
    assert store.get(A).parts == (B,), "its own identity is no new one"


# --- acceptances


def accept(store: FindingStore, finding: str = A, acceptance: str = "risk-1") -> Finding:
    return store.edit(Accept(finding, BECAUSE, store.get(finding).revision, acceptance), actor="policy:acceptance")


def test_an_accepted_risk_stays_so_until_its_acceptance_ends(store: FindingStore, clock: Clock) -> None:
    see(store, "/a", minutes=1)
    clock.minutes = 2
    assert accept(store).acceptance == "risk-1"
    see(store, "/a", minutes=3)
    see(store, minutes=4)
    assert (state(store, A), store.get(A).times_seen) == (State.RISK_ACCEPTED, 2)
    store.edit(EndAcceptance(A, BECAUSE, acceptance="risk-2"), actor="li")
    assert state(store, A) is State.RISK_ACCEPTED, "that was another one"
    ended = store.edit(EndAcceptance(A, BECAUSE, acceptance="risk-1"), actor="policy:acceptance")
    assert (ended.state, ended.acceptance, ended.regressions) == (State.REOPENED, "", 0)
    assert changes(store, A) == ["seen", "accepted: risk-1", "acceptance ended"]


@pytest.mark.parametrize("more", [{"severity": Severity.HIGH}, {"exploited": True}])
def test_a_risk_that_grew_is_open_again(store: FindingStore, clock: Clock, more: dict[str, object]) -> None:
    see(store, "/a", minutes=1)
    clock.minutes = 2
    accept(store)
    store.record("worse", [evaluation(weakness("/a", **more), minutes=3)])  # type: ignore[arg-type]
    assert (state(store, A), store.get(A).acceptance) == (State.REOPENED, "")
    assert changes(store, A)[-1] == "acceptance ended"


@pytest.mark.parametrize("more", [{"severity": Severity.LOW}, {"wording": "other"}])
def test_a_risk_that_did_not_grow_stays_accepted(store: FindingStore, clock: Clock, more: dict[str, object]) -> None:
    see(store, "/a", minutes=1)
    clock.minutes = 2
    accept(store)
    store.record("same", [evaluation(weakness("/a", **more), minutes=3)])  # type: ignore[arg-type]
    assert state(store, A) is State.RISK_ACCEPTED


def test_a_part_that_grows_opens_an_accepted_group(store: FindingStore, clock: Clock) -> None:
    merged(store, clock, "/a", "/b")
    accept(store)
    worse = evaluation(weakness("/a"), weakness("/b", exploited=True), minutes=3)
    store.record("worse", [worse])
    assert state(store, A) is State.REOPENED


def test_what_is_merged_into_an_accepted_risk_was_accepted_by_nobody(store: FindingStore, clock: Clock) -> None:
    see(store, "/a", "/b", "/c", minutes=1)
    clock.minutes = 2
    accept(store)
    accept(store, B)
    store.edit(Merge(A, BECAUSE, part=B), actor="li")
    assert state(store, A) is State.RISK_ACCEPTED, "the same acceptance covers both"
    store.edit(Merge(A, BECAUSE, part=C), actor="li")
    assert state(store, A) is State.REOPENED


@pytest.mark.parametrize("first", [State.FALSE_POSITIVE, State.OUT_OF_SCOPE])
def test_the_risk_of_what_is_not_open_is_not_accepted(store: FindingStore, first: State) -> None:
    see(store, "/a", minutes=1)
    store.edit(Move(A, BECAUSE, to=first), actor="li")
    with pytest.raises(ForbiddenTransition):
        accept(store)


ASKED = Acceptance("risk-1", "asset:site", Severity.HIGH, "旧系统", "隔离", "li", at(1), at(1) + timedelta(days=30))


def test_an_acceptance_is_kept_revision_by_revision(store: FindingStore) -> None:
    store.keep_acceptance(ASKED, actor="li", action="requested")
    agreed = replace(ASKED, revision=2, approver="wang", approved=at(2))
    store.keep_acceptance(agreed, actor="wang", action="approved")
    assert list(store.acceptances()) == [agreed]
    for stale in (ASKED, agreed, replace(agreed, revision=4)):
        with pytest.raises(Conflict, match="at revision 2"):
            store.keep_acceptance(stale, actor="zhao", action="approved")
    assert list(store.acceptances()) == [agreed]


def test_acceptances_are_listed_by_when_they_were_asked_for(store: FindingStore) -> None:
    later = replace(ASKED, id="a-later-one", requested=at(9))
    for one in (later, ASKED):
        store.keep_acceptance(one, actor="li", action="requested")
    assert [one.id for one in store.acceptances()] == ["risk-1", "a-later-one"]


# --- deadlines

DEADLINE = Deadline(at(1), at(60), next_mark=at(30), business_days=5)


def test_a_deadline_stands_still_while_nobody_has_to_do_anything(store: FindingStore, clock: Clock) -> None:
    see(store, "/a", minutes=1)
    store.edit(SetDeadline(A, BECAUSE, 1, DEADLINE), actor="policy:deadline")
    assert (store.get(A).deadline, store.get(A).revision, len(store.history(A))) == (DEADLINE, 1, 1)
    clock.minutes = 5
    store.edit(Move(A, BECAUSE, to=State.FALSE_POSITIVE), actor="li")
    assert store.get(A).deadline == replace(DEADLINE, paused=at(5))
    clock.minutes = 7
    store.edit(Move(A, BECAUSE, to=State.REOPENED), actor="li")
    assert store.get(A).deadline == replace(DEADLINE, paused=at(5), resumed=at(7))
    assert [store.count(Query(Equals("deadline", one)))[()] for one in ("resumed", "paused")] == [1, 0]


def test_a_deadline_is_stale_when_the_severity_changes(store: FindingStore) -> None:
    see(store, "/a", minutes=1)
    store.edit(SetDeadline(A, BECAUSE, deadline=DEADLINE), actor="policy:deadline")
    assert store.count(Query(Equals("deadline", "running")))[()] == 1
    store.edit(SetDeadline(A, BECAUSE, deadline=replace(DEADLINE, told=50)), actor="policy:deadline")
    assert store.get(A).deadline == DEADLINE, "whoever did not see it does not overwrite it"
    store.record("worse", [evaluation(weakness("/a", Severity.CRITICAL), minutes=3)])
    assert store.get(A).deadline == replace(DEADLINE, stale=True)
    assert store.count(Query(Equals("deadline", "stale")))[()] == 1


def test_a_mark_is_told_once_and_several_in_one_batch_follow_one_another(store: FindingStore) -> None:
    see(store, "/a", minutes=1)
    chain = [None, *(replace(DEADLINE, told=mark, next_mark=None) for mark in (50, 80, 100))]
    marks: list[Edit] = [
        SetDeadline(A, BECAUSE, 1, to, to.told, seen) for seen, to in pairwise(chain) if to is not None
    ]
    assert store.edit_each(marks, actor="policy:deadline") == (A, A, A)
    store.edit_each(marks, actor="policy:deadline")
    assert changes(store, A) == ["seen", "deadline: 50 %", "deadline: 80 %", "deadline: 100 %"]
    assert (store.get(A).revision, store.count(Query(Equals("deadline", "overdue")))[()]) == (1, 1)


# --- edits


def test_of_several_edits_those_that_are_refused_change_nothing(store: FindingStore, clock: Clock) -> None:
    see(store, "/a", "/b", "/c", minutes=1)
    clock.minutes = 2
    before = store.get(B), store.history(B)
    edits: list[Edit] = [
        Move(A, BECAUSE, 1, State.TRIAGED),
        Move(B, BECAUSE, 7, State.TRIAGED),
        Move(B, BECAUSE, 1, State.RESOLVED),
        Move("1-nobody", BECAUSE, 1, State.TRIAGED),
        Move(A, BECAUSE, 1, State.IN_PROGRESS),
        Move(A, BECAUSE, 2, State.IN_PROGRESS),
        Merge(C, BECAUSE, 1, "1-nobody"),
        Merge(C, BECAUSE, 1, B),
        Merge(B, BECAUSE, 1, C),
    ]
    assert store.edit_each(edits, actor="li") == (A, A, C)
    assert state(store, A) is State.IN_PROGRESS
    assert (store.get(B).state, store.get(B).part_of) == (before[0].state, C)
    assert len(store.history(B)) == len(before[1]) + 1


def test_an_edit_of_what_is_not_there_is_not_found(store: FindingStore) -> None:
    see(store, "/a", minutes=1)
    for edit in (Move("1-x", BECAUSE), Merge(A, BECAUSE, part="1-x"), Merge("1-x", BECAUSE, part=A)):
        with pytest.raises(NotFound):
            store.edit(edit, actor="li")
    assert len(store.history(A)) == 1


@pytest.mark.parametrize(("actor", "reason"), [("", BECAUSE), (" ", BECAUSE), ("li", Text("", "x"))])
def test_an_edit_names_who_and_why(store: FindingStore, actor: str, reason: Text) -> None:
    see(store, "/a", "/b", minutes=1)
    for edit in (Move(A, reason), Merge(A, reason, part=B), Accept(A, reason, acceptance="r"), Split(A, reason)):
        with pytest.raises(BadInput, match="say w"):
            store.edit(edit, actor=actor)


# --- the audit


def test_the_audit_tells_what_people_and_policies_did_and_not_what_scans_saw(store: FindingStore, clock: Clock) -> None:
    see(store, "/a", "/b", minutes=1)
    clock.minutes = 2
    store.edit(Move(A, Text("甲", "a"), to=State.TRIAGED), actor="li")
    clock.minutes = 3
    store.edit(Merge(A, BECAUSE, part=B), actor="wang")
    clock.minutes = 4
    store.keep_acceptance(ASKED, actor="zhao", action="requested")
    store.approve_baseline("site", "page-tamper", b"x", "li")
    with pytest.raises(ForbiddenTransition):
        store.edit(Move(A, BECAUSE, to=State.RESOLVED), actor="li")
    see(store, minutes=5)
    told = [(entry.at, entry.actor, entry.action, entry.subject, entry.detail) for entry in store.audit()]
    assert told[:3] == [
        (at(2), "li", "edit", A, "state: new → triaged"),
        (at(3), "wang", "edit", B, f"merged into: {A}"),
        (at(3), "wang", "edit", A, f"merged: {B}"),
    ]
    assert told[3] == (at(4), "zhao", "acceptance", "risk-1", "requested")
    assert told[4][:4] == (at(4), "li", "baseline", "site page-tamper")
    assert len(told) == 5
    assert store.audit()[0].reason == Text("甲", "a")
    assert [entry.actor for entry in store.audit(since=at(3))] == ["wang", "wang", "zhao", "li"]
