"""Where the agent of a centre leads its own entry. Pure; it never waits for what is done with the member."""

from backup.failover import safety
from backup.failover.situation import Act, ActKind, Post, Version
from secops.model.decision import Decision
from secops.model.text import Text


def lead(post: Post) -> Decision[Act]:
    """The next act on the own entry: led to the published primary, closed when that cannot be known."""
    published, now_to = post.published, post.report.entry_leads_to
    version = published.version if published else Version()
    if post.cluster.entry_in(post.report.centre) is None:
        return Decision(Act(ActKind.NOTHING, version), Text("本中心没有入口", "this centre has no entry"))
    lost = published is None or post.heard_seconds > post.policy.self_stop_seconds
    if published is None or (lost and not safety.may_keep_serving(post)):
        why = Text("没有多数,无从得知谁是主库,入口关闭", "no quorum, so the primary is not known: the entry is closed")
        return Decision(Act(ActKind.CLOSE_ENTRY if now_to else ActKind.NOTHING, version), why)
    if lost:
        why = Text(
            "没有多数,但提交仍由第二成员确认,入口不变",
            "no quorum, but commits are confirmed by a second member: left open",
        )
        return Decision(Act(ActKind.NOTHING, version), why)
    if now_to == published.primary:
        return Decision(Act(ActKind.NOTHING, version), Text(f"入口通向 {now_to}", f"the entry leads to {now_to}"))
    why = Text(
        f"入口改为通向 {published.primary},切断旧会话", f"the entry is led to {published.primary}, old sessions are cut"
    )
    return Decision(Act(ActKind.LEAD_ENTRY, version, published.primary), why)
