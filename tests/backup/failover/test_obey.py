"""Every act of an agent, and what keeps it from acting."""

from dataclasses import replace
from typing import Any

import pytest

from backup.failover.lead import lead
from backup.failover.obey import accept, obey
from backup.failover.situation import (
    ActKind,
    MemberState,
    MemberStatus,
    Memory,
    Order,
    OrderKind,
    Published,
    Seen,
    Version,
)
from tests.backup.failover.scenes import GONE, PRIMARY, PROTECTED, STANDBY, V, post, report, sights

NEXT = Version(5, 21)
FAILOVER = Published(NEXT, "m2", order=Order(OrderKind.FAILOVER, "m1", proven=True, at_least=100, timeline=7))
SWITCHOVER = replace(FAILOVER, order=replace(FAILOVER.order, kind=OrderKind.SWITCHOVER))
FAR = Published(NEXT, "m3", order=Order(OrderKind.SWITCHOVER, "m1"))
BACK = Published(Version(6, 22), "m1", order=Order(OrderKind.RETURN, "m2"))
DISASTER = Published(Version(10**6, 30), "m3", order=Order(OrderKind.DISASTER, "m1"), kept_back=("m1", "m2"))
ALONE = replace(PROTECTED, names=(), promotable=())
CUT = replace(STANDBY, follows="", receiving=False)
NEW_PRIMARY = report("c2", member=replace(PRIMARY, timeline=8), obeyed=NEXT)
HANDED = report("c1", member=replace(GONE, clean=True), obeyed=NEXT)
FOLLOWER = MemberStatus(MemberState.STANDBY, 7, 100, follows="m1", receiving=False)

CASES: list[tuple[str, str, MemberStatus, Published, ActKind, dict[str, Any]]] = [
    ("serving", "c1", PRIMARY, PROTECTED, ActKind.NOTHING, {}),
    ("permitted", "c1", PRIMARY, ALONE, ActKind.SET_NAMES, {}),
    ("alone after a restart only", "c1", replace(PRIMARY, names=()), ALONE, ActKind.SET_NAMES, {}),
    ("protected", "c1", replace(PRIMARY, names=()), PROTECTED, ActKind.SET_NAMES, {}),
    ("protected until a restart", "c1", replace(PRIMARY, names_kept=()), PROTECTED, ActKind.SET_NAMES, {}),
    ("never relaxed unasked", "c1", replace(PRIMARY, unprotected_seconds=99), PROTECTED, ActKind.NOTHING, {}),
    ("deaf", "c1", PRIMARY, ALONE, ActKind.NOTHING, {"heard_seconds": 4.0}),
    ("crashed", "c1", GONE, PROTECTED, ActKind.NOTHING, {"down_seconds": 1.0}),
    ("crashed, nobody took over", "c1", GONE, PROTECTED, ActKind.START, {"down_seconds": 4.0}),
    ("crashed alone", "c1", GONE, ALONE, ActKind.START, {}),
    ("crashed too often", "c1", GONE, ALONE, ActKind.NOTHING, {"memory": Memory(V, 4, restarts=3)}),
    ("hung", "c1", replace(PRIMARY, state=MemberState.HUNG), PROTECTED, ActKind.NOTHING, {}),
    ("taking over", "c2", STANDBY, FAILOVER, ActKind.STOP_RECEIVER, {}),
    ("cut off", "c2", CUT, FAILOVER, ActKind.PROMOTE, {}),
    ("not complete", "c2", replace(CUT, flushed=99), FAILOVER, ActKind.RENOUNCE, {}),
    ("another timeline", "c2", replace(CUT, timeline=6), FAILOVER, ActKind.RENOUNCE, {}),
    ("renounced", "c2", CUT, FAILOVER, ActKind.NOTHING, {"memory": Memory(NEXT, renounced=5)}),
    ("down while taking over", "c2", GONE, FAILOVER, ActKind.START, {"memory": Memory(NEXT)}),
    ("an old primary is never let in", "c2", PRIMARY, FAILOVER, ActKind.NOTHING, {"memory": Memory(NEXT, 3)}),
    ("promoted", "c2", replace(PRIMARY, names=("m1",)), FAILOVER, ActKind.SET_NAMES, {"memory": Memory(NEXT, 5)}),
    ("waits for the handover", "c2", STANDBY, SWITCHOVER, ActKind.NOTHING, {"published_seconds": 1.0}),
    ("handed over", "c2", STANDBY, SWITCHOVER, ActKind.STOP_RECEIVER, {"published_seconds": 1.0, "c1": HANDED}),
    ("not handed over in time", "c2", STANDBY, SWITCHOVER, ActKind.STOP_RECEIVER, {}),
    ("far and handed over", "c3", CUT, FAR, ActKind.PROMOTE, {"published_seconds": 1.0, "c1": HANDED}),
    ("far and behind", "c3", replace(CUT, flushed=99), FAR, ActKind.RENOUNCE, {"c1": HANDED}),
    ("far and not handed over", "c3", STANDBY, FAR, ActKind.RENOUNCE, {}),
    ("hands over", "c1", PRIMARY, SWITCHOVER, ActKind.STOP, {}),
    ("demoted", "c1", PRIMARY, FAILOVER, ActKind.STOP, {}),
    ("demoted, nobody serves yet", "c1", GONE, FAILOVER, ActKind.NOTHING, {}),
    ("demoted, somebody serves", "c1", GONE, FAILOVER, ActKind.REJOIN, {"c2": NEW_PRIMARY}),
    (
        "hung and replaced",
        "c1",
        replace(PRIMARY, state=MemberState.HUNG),
        FAILOVER,
        ActKind.REJOIN,
        {"c2": NEW_PRIMARY},
    ),
    ("turned back to", "c1", GONE, BACK, ActKind.RESUME, {}),
    ("turned back to, still running", "c1", PRIMARY, BACK, ActKind.RESUME, {}),
    ("turned back to, overwritten", "c1", STANDBY, BACK, ActKind.NOTHING, {}),
    ("turned back from", "c2", CUT, BACK, ActKind.FOLLOW, {"c1": report("c1", obeyed=BACK.version)}),
    ("follows another", "c3", STANDBY, FAILOVER, ActKind.FOLLOW, {"c2": NEW_PRIMARY}),
    (
        "cannot follow",
        "c3",
        replace(FOLLOWER, follows="m2"),
        FAILOVER,
        ActKind.REJOIN,
        {"c2": NEW_PRIMARY, "down_seconds": 4.0},
    ),
    ("not yet", "c3", replace(FOLLOWER, follows="m2"), FAILOVER, ActKind.NOTHING, {"c2": NEW_PRIMARY}),
    ("counted on", "c2", FOLLOWER, PROTECTED, ActKind.NOTHING, {"down_seconds": 99.0}),
    ("counted on and down", "c2", GONE, PROTECTED, ActKind.START, {"down_seconds": 99.0}),
    ("declared", "c3", STANDBY, DISASTER, ActKind.STOP_RECEIVER, {}),
    ("declared and behind", "c3", replace(CUT, flushed=1), DISASTER, ActKind.PROMOTE, {}),
    ("declared, an old primary", "c3", GONE, DISASTER, ActKind.RESUME, {}),
    ("kept back", "c1", GONE, DISASTER, ActKind.NOTHING, {"c3": report("c3", member=PRIMARY, obeyed=DISASTER.version)}),
]


@pytest.mark.parametrize(
    ("centre", "status", "published", "kind", "changes"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_act(centre: str, status: MemberStatus, published: Published, kind: ActKind, changes: dict[str, Any]) -> None:
    deed = obey(post(report(centre, member=status), published, **changes))
    assert deed.action.kind is kind, deed.because
    assert deed.action.stuck or deed.action.version == published.version
    assert deed.action.stuck == ("a person must decide" in deed.because.en) and deed.because.zh


def test_a_handover_is_orderly_and_a_failover_is_not() -> None:
    assert obey(post(report("c1"), SWITCHOVER)).action.clean
    assert not obey(post(report("c1"), FAILOVER)).action.clean


def test_nothing_is_done_before_anything_is_known() -> None:
    assert obey(post(report("c1"), None)).action.kind is ActKind.NOTHING
    assert obey(post(report("c1", member=None))).action.kind is ActKind.NOTHING


def test_lower_versions_are_refused() -> None:
    assert accept(Memory(V), PROTECTED)
    assert not accept(Memory(NEXT), PROTECTED) and not accept(Memory(), None)


@pytest.mark.parametrize(
    ("published", "leads_to", "heard", "seen", "kind"),
    [
        (PROTECTED, "m1", 0.0, Seen.GOOD, ActKind.NOTHING),
        (FAILOVER, "m1", 0.0, Seen.SILENT, ActKind.LEAD_ENTRY),
        (PROTECTED, "", 0.0, Seen.GOOD, ActKind.LEAD_ENTRY),
        (PROTECTED, "m1", 4.0, Seen.GOOD, ActKind.NOTHING),
        (PROTECTED, "m1", 4.0, Seen.NOT_COMMITTING, ActKind.CLOSE_ENTRY),
        (ALONE, "m1", 4.0, Seen.GOOD, ActKind.CLOSE_ENTRY),
        (replace(PROTECTED, promotable=()), "m1", 4.0, Seen.GOOD, ActKind.CLOSE_ENTRY),
        (None, "m1", 99.0, Seen.GOOD, ActKind.CLOSE_ENTRY),
        (None, "", 99.0, Seen.GOOD, ActKind.NOTHING),
    ],
)
def test_entry(published: Published | None, leads_to: str, heard: float, seen: Seen, kind: ActKind) -> None:
    own = report("c1", entry_leads_to=leads_to, sights=sights(seen))
    assert lead(post(own, published, heard_seconds=heard)).action.kind is kind


def test_a_line_that_came_back_is_given_time() -> None:
    """It was cut for long, and the primary has been in reach for a moment only."""
    back = report("c3", member=replace(FOLLOWER, follows="m2"), sights=sights(Seen.GOOD, 1.0, of="m2"))
    deed = obey(
        post(
            back,
            FAILOVER,
            others={"c2": NEW_PRIMARY["c2"]} if isinstance(NEW_PRIMARY, dict) else {"c2": NEW_PRIMARY},
            down_seconds=99.0,
        )
    )
    assert deed.action.kind is ActKind.NOTHING
