"""The rules that no acknowledged write may be lost by, one function each.

The mutation table of the tests switches each of them off in turn, and the simulation must then lose writes, serve
twice or fail over for nothing. Nothing here looks at clocks beyond the ages that it is given.
"""

from collections.abc import Collection

from backup.failover.situation import (
    MemberState,
    MemberStatus,
    Memory,
    Order,
    Policy,
    Post,
    Published,
    Report,
    Standby,
    Version,
    Wish,
)
from secops.model.cluster import Cluster


def may_lead(leading_seconds: float) -> bool:
    """A leader stops before its lease ends, by its own clock."""
    return leading_seconds > 0


def majority_suspects(cluster: Cluster, suspects: Collection[str], candidate_centre: str) -> bool:
    """A majority of the voters suspects the primary, and the centre that would take over is one of them."""
    return len(suspects) >= cluster.quorum and candidate_centre in suspects


def is_promotable(published: Published, name: str) -> bool:
    """It was published as having every acknowledged write."""
    return name in published.promotable


def is_complete(status: MemberStatus, at_least: int, timeline: int) -> bool:
    """It still has what it had when it was published, on the same timeline."""
    return status.flushed >= at_least and timeline in (0, status.timeline)


def receives_nothing(status: MemberStatus) -> bool:
    """Cut off from whom it followed: that one can have nothing confirmed any more."""
    return not status.receiving and not status.follows


def names_in_force(published: Published, status: MemberStatus) -> bool:
    """The primary waits for whom it should, and would after a restart."""
    return status.names == published.names == status.names_kept


def has_obeyed(published: Published, report: Report) -> bool:
    """Nothing is under way there that an older publication asked for."""
    return report.obeyed >= published.version


def has_caught_up(status: MemberStatus, standby: Standby) -> bool:
    """Commits wait for it, and it has what was acknowledged before they did."""
    return standby.synchronous and standby.flushed >= status.names_since


def may_relax(post: Post) -> bool:
    """A primary stops waiting for others only by the permit that the newest publication is."""
    return post.published is not None and not post.published.names


def is_no_lower(memory: Memory, version: Version) -> bool:
    """An agent refuses what is older than anything it has read."""
    return version >= memory.highest


def is_current(published: Published | None, highest: Version) -> bool:
    """The store is not older than what anybody has read of it: what it lists may have been withdrawn."""
    return (published.version if published else Version()) >= highest


def may_stay_primary(published: Published, name: str) -> bool:
    """A primary of an older epoch stops, whoever started it."""
    return name == published.primary


def has_handed_over(post: Post, order: Order, status: MemberStatus) -> bool:
    """The one before has stopped in order and will not start again in its epoch, and all of its log is here."""
    assert post.published is not None
    before = post.cluster.member(order.before)
    report = post.others.get(before.centre) if before else None
    if report is None or report.member is None or report.obeyed.epoch < post.published.version.epoch:
        return False
    stopped = report.member.state is MemberState.STOPPED and report.member.clean
    return stopped and status.flushed >= report.member.flushed


def has_renounced(published: Published, report: Report) -> bool:
    """Who was to take over has not and never will in this epoch."""
    return report.renounced >= published.version.epoch


def may_be_overwritten(published: Published, name: str) -> bool:
    """Nobody counts on what it holds: it is neither waited for nor kept for people to look at."""
    return name not in published.names and name not in published.promotable and name not in published.kept_back


def declared_by_two(cluster: Cluster, wish: Wish) -> bool:
    """Two people stand for it, and what was typed is the cluster's id."""
    return len(set(wish.by)) >= 2 and wish.typed == cluster.id


def declared_epoch(highest: Version, policy: Policy) -> int:
    """Above whatever the lost centres may have reached without us."""
    return highest.epoch + policy.token_jump


def keeps_its_promise(status: MemberStatus) -> bool:
    """Its settings let no commit be acknowledged that is not on two disks, and nobody else confirms under a member's name."""
    return not status.unsafe


def may_keep_serving(post: Post) -> bool:
    """Without the quorum only a primary is led to whose commits go through and wait for a second member.

    That they wait is known once somebody was published as promotable; names alone may not be in force yet.
    """
    published = post.published
    if published is None:
        return False
    sight = post.report.sights.get(published.primary)
    confirmed = bool(published.promotable) or not post.policy.alone_needs_quorum
    return confirmed and sight is not None and sight.seen == "good"
