"""A cluster's members in a table."""

from rich.table import Table

from backup.failover.situation import MemberState, MemberStatus
from backup.failover.suspicion import SEEN
from secops.cli.tables import fill, table
from secops.model.cluster import Member
from secops.model.text import Text
from secops.service.failover.watching import View
from secops.support.language import say, tell

STATES = {
    MemberState.PRIMARY: Text("主库", "primary"),
    MemberState.STANDBY: Text("备库", "standby"),
    MemberState.STARTING: Text("启动中", "starting"),
    MemberState.STOPPED: Text("已停止", "stopped"),
    MemberState.HUNG: Text("无响应", "hung"),
}


def members_table(view: View) -> Table:
    """Of each member: its role, how far it is, how it looks from each centre, and where the entry beside it leads."""
    columns = (say(zh="成员", en="member"), say(zh="中心", en="centre"), say(zh="角色", en="role"))
    seen = (say(zh=f"从 {centre} 看", en=f"from {centre}") for centre in view.cluster.voters)
    more = (say(zh="落后", en="behind"), *seen, say(zh="入口通向", en="entry leads to"))
    return fill(table("", *columns, *more), (_row(view, member) for member in view.cluster.members))


def lag_bytes(view: View, name: str) -> int | None:
    """How much of the primary's log a member has not confirmed, as the primary sees it; None when that is not known."""
    primary = view.fresh_of(view.published.primary) if view.published else None
    if primary is None or primary.member is None:
        return None
    if view.published and view.published.primary == name:
        return 0
    for standby in primary.member.standbys:
        if standby.name == name:
            return max(0, primary.member.flushed - standby.flushed)
    return None


def _row(view: View, member: Member) -> tuple[str, ...]:
    report = view.fresh(member.centre)
    behind = lag_bytes(view, member.name)
    sights = (_sight(view, centre, member.name) for centre in view.cluster.voters)
    role = _role(view, member.name, report.member if report else None)
    entry = "–"
    if report and view.cluster.entry_in(member.centre):
        entry = report.entry_leads_to or say(zh="关闭", en="closed")
    return member.name, member.centre, role, "–" if behind is None else _size(behind), *sights, entry


def _role(view: View, name: str, status: MemberStatus | None) -> str:
    if status is None:
        return say(zh="没有消息", en="nothing heard")
    word = tell(STATES[status.state])
    if view.published and name in view.published.promotable:
        return say(zh=f"{word},可接管", en=f"{word}, can take over")
    if status.state is MemberState.STANDBY and not status.receiving:
        return say(zh=f"{word},未在接收", en=f"{word}, receives nothing")
    return word


def _sight(view: View, centre: str, name: str) -> str:
    report = view.fresh(centre)
    sight = report.sights.get(name) if report else None
    return tell(SEEN[sight.seen]) if sight else "–"


def _size(count: int) -> str:
    return f"{count} B" if count < 10_000 else f"{count / 1_000_000:.2f} MB"
