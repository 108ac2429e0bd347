"""Every plan of the leader, what is published by it, and why not in the cases beside it."""

from dataclasses import replace
from typing import Any

import pytest

from backup.failover.decide import decide
from backup.failover.situation import (
    MemberState,
    Order,
    OrderKind,
    Plan,
    Policy,
    Published,
    Seen,
    Sight,
    Standby,
    Version,
    Wish,
    WishKind,
)
from tests.backup.failover.scenes import (
    GONE,
    NOW,
    PRIMARY,
    PROTECTED,
    STANDBY,
    V,
    report,
    sights,
    situation,
)

SILENT = sights(Seen.SILENT, 1.0)
REFUSED = sights(Seen.REFUSED, 0.3)
HANGING = sights(Seen.NOT_COMMITTING, 3.0)
LOST = {"c2": report("c2", sights=SILENT), "c3": report("c3", sights=SILENT), "unheard": ("c1",)}
CRASHED = {
    "c1": report("c1", member=GONE, sights=REFUSED),
    "c2": report("c2", sights=REFUSED),
    "c3": report("c3", sights=REFUSED),
}
ALONE = replace(PROTECTED, names=(), promotable=(), changed=NOW - 60)
PENDING = replace(PROTECTED, promotable=())
FREE = replace(PRIMARY, names=(), names_kept=())
TAKING_OVER = Published(
    Version(5, 21), "m2", order=Order(OrderKind.FAILOVER, "m1", proven=True, at_least=100), since=NOW, changed=NOW
)
HOLD = Wish("w1", WishKind.HOLD, by=("li",))
TO_M2 = Wish("w2", WishKind.SWITCHOVER, "m2", ("li",))
TO_M3 = Wish("w3", WishKind.SWITCHOVER, "m3", ("li",))
DISASTER = Wish("w4", WishKind.DISASTER, "m3", ("li", "wang"), "clinic-db", "flood")
CITY_LOST = {"c3": report("c3", sights=SILENT), "unheard": ("c1", "c2")}

CASES: list[tuple[str, Plan, dict[str, Any]]] = [
    ("all is well", Plan.STEADY, {}),
    ("no leader", Plan.NOT_LEADING, {"leading_seconds": 0.0}),
    ("nobody adopted it", Plan.UNPROTECTED, {"published": None}),
    ("adopted", Plan.ADOPT, {"published": None, "wishes": (Wish("a", WishKind.ADOPT, "m1", ("li",)),)}),
    ("no primary to adopt", Plan.MISTRUSTED, {"published": None, "wishes": (Wish("a", WishKind.ADOPT, "m2"),)}),
    ("node lost", Plan.FAIL_OVER, LOST),
    ("process lost", Plan.FAIL_OVER, CRASHED),
    ("too early", Plan.STEADY, {**LOST, "c2": report("c2", sights=sights(Seen.SILENT, 0.5)), "c3": report("c3")}),
    (
        "frozen",
        Plan.FAIL_OVER,
        {
            "c1": report("c1", member=replace(PRIMARY, state=MemberState.HUNG), sights=HANGING),
            "c2": report("c2", sights=HANGING),
            "c3": report("c3", sights=HANGING),
        },
    ),
    (
        "its disk is full",
        Plan.FAIL_OVER,
        {
            "c1": report("c1", member=replace(PRIMARY, room=False, unprotected_seconds=9), sights=HANGING),
            "c2": report("c2", sights=HANGING),
        },
    ),
    ("one centre alone suspects", Plan.WAIT, {"c2": report("c2", sights=SILENT), "unheard": ("c1",)}),
    ("the candidate sees it", Plan.WAIT, {"c1": report("c1", sights=HANGING), "c3": report("c3", sights=SILENT)}),
    (
        "it commits where it stands",
        Plan.WAIT,
        {"c2": report("c2", sights=SILENT), "c3": report("c3", sights=SILENT)},
    ),
    (
        "it commits there but hears nobody",
        Plan.FAIL_OVER,
        {"c2": report("c2", sights=SILENT), "c3": report("c3", sights=SILENT), "deaf": ("c1",)},
    ),
    ("nobody is promotable", Plan.STUCK, {"published": ALONE, **LOST}),
    ("the candidate is gone too", Plan.WAIT, {**LOST, "unheard": ("c1", "c2")}),
    (
        "the candidate lost data",
        Plan.WAIT,
        {**LOST, "c2": report("c2", sights=SILENT, member=replace(STANDBY, flushed=79))},
    ),
    ("another timeline", Plan.WAIT, {**LOST, "c2": report("c2", sights=SILENT, member=replace(STANDBY, timeline=6))}),
    (
        "the candidate is full",
        Plan.WAIT,
        {**LOST, "c2": report("c2", sights=SILENT, member=replace(STANDBY, room=False))},
    ),
    ("held by a person", Plan.HELD, {**LOST, "wishes": (HOLD,)}),
    (
        "changed by a clock that is ahead",
        Plan.FAIL_OVER,
        {**LOST, "published": replace(PROTECTED, since=NOW + 3600, failovers=(NOW + 3600,) * 3)},
    ),
    ("just changed", Plan.WAIT, {**LOST, "published": replace(PROTECTED, since=NOW - 3, failovers=(NOW - 3,))}),
    (
        "flapping",
        Plan.STUCK,
        {**LOST, "published": replace(PROTECTED, failovers=(NOW - 900, NOW - 800, NOW - 700))},
    ),
    (
        "the standby is gone",
        Plan.RUN_ALONE,
        {
            "c1": report("c1", member=replace(PRIMARY, standbys=(), unprotected_seconds=1.1), sights=HANGING),
            "unheard": ("c2",),
        },
    ),
    (
        "the line between the two is cut",
        Plan.RUN_ALONE,
        {
            "c1": report("c1", member=replace(PRIMARY, unprotected_seconds=1.1), sights=HANGING),
            "c2": report("c2", sights=SILENT),
            "c3": report("c3", sights=HANGING),
        },
    ),
    (
        "never alone to one who cannot read it",
        Plan.FAIL_OVER,
        {
            "c1": report("c1", member=replace(PRIMARY, unprotected_seconds=1.1), sights=HANGING),
            "c2": report("c2", sights=SILENT),
            "c3": report("c3", sights=SILENT),
            "deaf": ("c1",),
        },
    ),
    (
        "it was started again and is not seen to wait yet",
        Plan.STEADY,
        {"c1": report("c1", member=replace(PRIMARY, names=(), standbys=(), unprotected_seconds=0.3))},
    ),
    (
        "rather no writes",
        Plan.STUCK,
        {
            "policy": Policy(may_run_alone=False),
            "c1": report("c1", member=replace(PRIMARY, standbys=(), unprotected_seconds=1.1)),
        },
    ),
    (
        "the named one left before it was waited for",
        Plan.RUN_ALONE,
        {"published": PENDING, "c1": report("c1", member=replace(FREE, standbys=()))},
    ),
    ("a standby is near", Plan.PROTECT, {"published": ALONE, "c1": report("c1", member=FREE)}),
    ("not so soon", Plan.STEADY, {"published": replace(ALONE, changed=NOW - 1), "c1": report("c1", member=FREE)}),
    (
        "only the remote one is near",
        Plan.STEADY,
        {"published": ALONE, "c1": report("c1", member=replace(FREE, standbys=(Standby("m3", False, 100),)))},
    ),
    ("confirmed", Plan.TRUST, {"published": PENDING}),
    ("names not in force", Plan.WAIT, {"published": PENDING, "c1": report("c1", member=FREE)}),
    (
        "gone after a restart",
        Plan.WAIT,
        {"published": PENDING, "c1": report("c1", member=replace(PRIMARY, names_kept=()))},
    ),
    ("something older is under way", Plan.WAIT, {"published": PENDING, "c1": report("c1", obeyed=Version(4, 19))}),
    ("also at the standby", Plan.WAIT, {"published": PENDING, "c2": report("c2", obeyed=Version(4, 19))}),
    (
        "not waited for",
        Plan.WAIT,
        {"published": PENDING, "c1": report("c1", member=replace(PRIMARY, standbys=(Standby("m2", False, 100),)))},
    ),
    ("not caught up", Plan.WAIT, {"published": PENDING, "c1": report("c1", member=replace(PRIMARY, names_since=101))}),
    ("taking over", Plan.WAIT, {"published": TAKING_OVER, "c2": report("c2", obeyed=Version(5, 21))}),
    ("renounced", Plan.TURN_BACK, {"published": TAKING_OVER, "c2": report("c2", obeyed=Version(5, 21), renounced=5)}),
    (
        "renounced, and the one before is gone",
        Plan.STUCK,
        {"published": TAKING_OVER, "c2": report("c2", obeyed=Version(5, 21), renounced=5), "unheard": ("c1",)},
    ),
    ("asked to", Plan.SWITCH_OVER, {"wishes": (TO_M2,)}),
    ("asked to, far away", Plan.SWITCH_OVER, {"wishes": (TO_M3,)}),
    ("asked to while held", Plan.SWITCH_OVER, {"wishes": (HOLD, TO_M2)}),
    ("it serves already", Plan.NOTE, {"wishes": (replace(TO_M2, target="m1"),)}),
    ("answered", Plan.STEADY, {"wishes": (TO_M2,), "published": replace(PROTECTED, answered=("w2",))}),
    (
        "it does not follow",
        Plan.MISTRUSTED,
        {"wishes": (TO_M3,), "c3": report("c3", member=replace(STANDBY, receiving=False))},
    ),
    ("primary unknown", Plan.MISTRUSTED, {"wishes": (TO_M2,), "unheard": ("c1",)}),
    ("declared", Plan.DECLARE, {"wishes": (DISASTER,), **CITY_LOST}),
    ("one person", Plan.STUCK, {"wishes": (replace(DISASTER, by=("li", "li")),), "published": ALONE, **CITY_LOST}),
    ("mistyped", Plan.MISTRUSTED, {"wishes": (replace(DISASTER, typed="clinic"),)}),
    ("it still serves", Plan.MISTRUSTED, {"wishes": (DISASTER,)}),
    (
        "let go",
        Plan.NOTE,
        {"wishes": (Wish("r", WishKind.REJOIN, "m1", ("li",)),), "published": replace(PROTECTED, kept_back=("m1",))},
    ),
    (
        "home again",
        Plan.SWITCH_OVER,
        {
            "policy": Policy(fail_back_after_seconds=600),
            "published": replace(PROTECTED, primary="m2", names=("m1",), promotable=("m1",)),
            "c1": report("c1", member=STANDBY),
            "c2": report("c2", member=PRIMARY),
        },
    ),
]


@pytest.mark.parametrize(("plan", "changes"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_plan(plan: Plan, changes: dict[str, Any]) -> None:
    known = situation(**changes)
    decision = decide(known)
    assert decision.action.plan is plan, decision.because
    assert decision.because.zh and decision.because.en
    _holds(known.published, decision.action.publish)


def _holds(before: Published | None, after: Published | None) -> None:
    """What holds of every publication, whatever it is for."""
    if after is None:
        return
    old = before.version if before else Version()
    assert after.version.number == old.number + 1 and after.version.epoch >= old.epoch
    assert set(after.promotable) <= set(after.names)
    assert "m3" not in after.names and after.primary not in after.names
    if before and after.primary != before.primary:
        assert after.version.epoch > old.epoch and not after.names


def published(**changes: Any) -> Published:
    decision = decide(situation(**changes))
    assert decision.action.publish is not None, decision.because
    return decision.action.publish


def test_a_failover_asks_for_all_that_was_confirmed() -> None:
    order = published(**LOST).order
    assert order == Order(OrderKind.FAILOVER, "m1", proven=True, at_least=100, timeline=7)
    assert published(**LOST).failovers == (NOW,)


def test_a_disaster_jumps_over_what_the_lost_may_have_reached() -> None:
    declared = published(wishes=(DISASTER,), **CITY_LOST)
    assert declared.version.epoch == V.epoch + 1_000_000 and declared.kept_back == ("m1", "m2")
    assert declared.answered == ("w4",)


def test_a_far_switchover_is_not_proven() -> None:
    assert not published(wishes=(TO_M3,)).order.proven
    assert published(wishes=(TO_M2,)).order.proven


def test_turning_back_names_who_renounced() -> None:
    back = published(published=TAKING_OVER, c2=report("c2", obeyed=Version(5, 21), renounced=5))
    assert back.primary == "m1" and back.order == Order(OrderKind.RETURN, "m2") and back.version == Version(6, 22)


def test_a_refusal_counts_the_votes() -> None:
    said = decide(situation(c2=report("c2", sights=SILENT), unheard=("c1",))).because
    assert "c2: silent 1.0 s" in said.en and "c1: nothing heard" in said.en and "c3:正常" in said.zh


def test_what_is_not_seen_is_no_suspicion() -> None:
    blind: dict[str, Any] = {
        centre: report(centre, sights={"m9": Sight(Seen.SILENT, 99)}) for centre in ("c1", "c2", "c3")
    }
    assert decide(situation(**blind)).action.plan is Plan.STEADY


def test_a_store_that_was_put_back_decides_nothing() -> None:
    """A centre remembers a newer publication, in which m2 may have been struck off."""
    seen = Version(V.epoch, V.number + 2)
    told = decide(situation(c2=report("c2", highest=seen)))
    assert told.action.plan is Plan.STUCK and told.action.publish is None
    wish = Wish("d", WishKind.DISASTER, "m3", ("li", "wang"), "clinic-db")
    gone = sights(Seen.SILENT, 9.0)
    declared = decide(
        situation(
            c1=report("c1", sights=gone), c2=report("c2", highest=seen), unheard=("c1",), wishes=(wish,), highest=V
        )
    )
    assert declared.action.publish is not None
    assert declared.action.publish.version == Version(V.epoch + 1_000_000, seen.number + 1)


def test_nobody_is_trusted_while_settings_break_the_promise() -> None:
    unsafe = report("c1", member=replace(PRIMARY, unsafe=("fsync=off",)))
    told = decide(situation(c1=unsafe))
    assert told.action.publish is not None and told.action.publish.promotable == ()
    assert "fsync=off" in told.because.en
    pending = replace(PROTECTED, promotable=())
    assert decide(situation(pending, c1=unsafe)).action.plan is Plan.STUCK


def test_failing_in_one_way_after_another_is_suspicious_as_well() -> None:
    turns = {"m1": Sight(Seen.SILENT, 0.1, 3.0)}
    reports = {centre: report(centre, sights=sights() | turns) for centre in ("c2", "c3")}
    assert (
        decide(situation(c1=report("c1", member=GONE, sights=sights() | turns), **reports)).action.plan
        is Plan.FAIL_OVER
    )


def test_who_cannot_go_on_asks_for_a_person() -> None:
    alone = replace(PROTECTED, names=(), promotable=())
    told = decide(situation(alone, c1=report("c1", member=STANDBY, obeyed=Version(), stuck=True)))
    assert told.action.plan is Plan.STUCK
