"""A protected cluster in three centres, and small changes to what is known of it."""

from dataclasses import replace
from typing import Any

from backup.failover.situation import (
    Heard,
    MemberState,
    MemberStatus,
    Memory,
    Order,
    OrderKind,
    Post,
    Published,
    Report,
    Seen,
    Sight,
    Situation,
    Standby,
    Version,
)
from secops.model.cluster import Cluster, ClusterEntry, Member

CENTRES = ("c1", "c2", "c3")
CLUSTER = Cluster(
    id="clinic-db",
    system="clinic",
    members=tuple(Member(f"m{n}", f"c{n}", "local", f"192.0.2.{n}") for n in (1, 2, 3)),
    home="m1",
    synchronous=("m1", "m2"),
    voters=CENTRES,
    entries=tuple(ClusterEntry(f"c{n}", f"192.0.2.1{n}", 5000, socket="/run/e", backend="db") for n in (1, 2, 3)),
)
NOW = 1_000_000.0
V = Version(4, 20)
PROTECTED = Published(
    V,
    "m1",
    names=("m2",),
    promotable=("m2",),
    complete=80,
    timeline=7,
    order=Order(OrderKind.FAILOVER, "m2"),
    since=NOW - 900,
    changed=NOW - 800,
)
PRIMARY = MemberStatus(
    MemberState.PRIMARY,
    timeline=7,
    flushed=100,
    names=("m2",),
    names_kept=("m2",),
    names_since=70,
    standbys=(Standby("m2", True, 100), Standby("m3", False, 90)),
)
STANDBY = MemberStatus(MemberState.STANDBY, timeline=7, flushed=100, follows="m1", receiving=True)
GONE = MemberStatus(MemberState.STOPPED, timeline=7, flushed=100)


def sights(seen: Seen = Seen.GOOD, seconds: float = 60.0, of: str = "m1") -> dict[str, Sight]:
    """All members look well, and one as told."""
    return {name: Sight(Seen.GOOD, 60.0) for name in ("m1", "m2", "m3")} | {of: Sight(seen, seconds)}


def report(centre: str, **changes: Any) -> Report:
    """What the agent of a centre says in peace, changed."""
    status = PRIMARY if centre == "c1" else STANDBY
    return replace(Report(centre, obeyed=V, member=status, sights=sights(), entry_leads_to="m1"), **changes)


def situation(published: Published | None = PROTECTED, **changes: Any) -> Situation:
    """Reports by `c1=`, `c2=`, `c3=` (None: not heard of), everything else by its name."""
    reports = {centre: Heard(changes.pop(centre, report(centre)) or report(centre), 0.1, 0.2) for centre in CENTRES}
    for centre in changes.pop("unheard", ()):
        reports[centre] = replace(reports[centre], age_seconds=5.0)
    for centre in changes.pop("deaf", ()):
        reports[centre] = replace(reports[centre], echo_seconds=5.0)
    base = Situation(CLUSTER, "c3", 3.0, published, reports, unix_seconds=NOW)
    return replace(base, **changes)


def post(own: Report, published: Published | None = PROTECTED, **changes: Any) -> Post:
    """What an agent looks at; it made its primary in the epoch that holds."""
    others = {centre: changes.pop(centre, report(centre)) for centre in CENTRES if centre != own.centre}
    memory = changes.pop("memory", Memory(V, primary_epoch=V.epoch))
    base = Post(CLUSTER, own, published, published_seconds=60.0, others=others, memory=memory)
    return replace(base, **changes)
