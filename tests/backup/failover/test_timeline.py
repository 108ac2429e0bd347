"""The timeline of an outage, from glances alone."""

from dataclasses import replace

from backup.failover.situation import MemberState, MemberStatus, Published, Report, Seen, Sight, Version
from backup.failover.timeline import Glance, Timeline
from secops.model.text import Text
from tests.backup.failover.scenes import CLUSTER

CENTRES = CLUSTER.voters
BEFORE = Published(Version(4, 20), "m1", names=("m2",), promotable=("m2",))
AFTER = replace(BEFORE, version=Version(5, 21), primary="m2", names=(), promotable=())


def glance(at: float, published: Published, *, m1: Sight, serving: str, led_to: str, unheard: str = "") -> Glance:
    """Every centre sees m1 so; `serving` is primary by its own word, the entries lead to `led_to`."""
    reports = {}
    for member in CLUSTER.members:
        state = MemberState.PRIMARY if member.name == serving else MemberState.STANDBY
        status = MemberStatus(state, follows="" if state is MemberState.PRIMARY else "m1", receiving=not m1.seconds)
        sights = {"m1": m1, "m2": Sight(Seen.GOOD, 9.0), "m3": Sight(Seen.GOOD, 9.0)}
        reports[member.centre] = Report(
            member.centre, member=status, sights=sights, entry_leads_to=led_to, obeyed=published.version
        )
    reports.pop(unheard, None)
    return Glance(at, "c3", published, reports, Text("因", "because"))


FINE, LOST = Sight(Seen.GOOD, 9.0), Sight(Seen.REFUSED, 0.3)


def kinds(timeline: Timeline, seen: Glance) -> list[str]:
    return [moment.kind for moment in timeline.look(seen) if moment.kind.startswith("T")]


def test_a_failover_has_its_steps_in_order_and_with_their_times() -> None:
    timeline = Timeline(CLUSTER)
    assert kinds(timeline, glance(100.0, BEFORE, m1=FINE, serving="m1", led_to="m1")) == []
    gone = glance(110.3, BEFORE, m1=LOST, serving="m1", led_to="m1", unheard="c1")
    assert kinds(timeline, gone) == ["T0", "T1"]
    assert timeline.outage_began == 110.0
    decided = glance(110.5, AFTER, m1=LOST, serving="", led_to="m1", unheard="c1")
    assert kinds(timeline, decided) == ["T2"]
    # The entry leads there before it serves: a standby looks fine, but nobody can write.
    assert kinds(timeline, glance(110.6, AFTER, m1=LOST, serving="", led_to="m2", unheard="c1")) == []
    served = glance(111.0, AFTER, m1=LOST, serving="m2", led_to="m2", unheard="c1")
    assert kinds(timeline, served) == ["T3", "T4", "T5"]
    assert timeline.outage_began is None
    protected = replace(AFTER, version=Version(5, 23), promotable=("m1",))
    assert kinds(timeline, glance(115.0, protected, m1=FINE, serving="m2", led_to="m2")) == ["T6"]
    assert timeline.steps["T5"] - timeline.steps["T0"] == 1.0


def test_what_has_not_changed_is_not_told_again() -> None:
    timeline = Timeline(CLUSTER)
    first = timeline.look(glance(1.0, BEFORE, m1=FINE, serving="m1", led_to="m1"))
    assert {moment.kind for moment in first} >= {"leader", "published", "member", "entry", "sight", "decision"}
    assert timeline.look(glance(2.0, BEFORE, m1=FINE, serving="m1", led_to="m1")) == ()


def test_a_second_outage_before_protection_is_back_begins_anew() -> None:
    timeline = Timeline(CLUSTER)
    timeline.look(glance(1.0, BEFORE, m1=FINE, serving="m1", led_to="m1"))
    timeline.look(glance(2.0, AFTER, m1=LOST, serving="m2", led_to="m2"))
    assert "T5" in timeline.steps and "T6" not in timeline.steps
    again = glance(9.0, AFTER, m1=LOST, serving="", led_to="")
    assert kinds(timeline, again)[0] == "T0"
    assert timeline.outage_began is not None and timeline.outage_began > 8


def test_nothing_is_concluded_when_nobody_reports() -> None:
    timeline = Timeline(CLUSTER)
    timeline.look(glance(1.0, BEFORE, m1=FINE, serving="m1", led_to="m1"))
    assert kinds(timeline, Glance(2.0, "", BEFORE, {}, Text("", ""))) == []
