"""Who suspects the primary, by time and not by count, and what can be said of reports."""

from backup.failover.situation import Heard, MemberState, Policy, Published, Report, Seen, Sight, Situation, Version
from secops.model.text import Text

SEEN = {
    Seen.GOOD: Text("正常", "fine"),
    Seen.REFUSED: Text("拒绝连接", "refusing"),
    Seen.SILENT: Text("无应答", "silent"),
    Seen.NOT_COMMITTING: Text("不能提交", "not committing"),
}


def is_fresh(situation: Situation, heard: Heard | None) -> bool:
    """Whether a report still says something."""
    return heard is not None and heard.age_seconds <= situation.policy.report_stale_seconds


def reads_us(situation: Situation, heard: Heard) -> bool:
    """Whether that centre has read something of the leader's just now. That proves both directions, and that its report
    is no old one, without comparing clocks."""
    return is_fresh(situation, heard) and heard.echo_seconds <= situation.policy.echo_stale_seconds


def report_of(situation: Situation, name: str) -> Heard | None:
    """The fresh report of the centre in which a member stands."""
    member = situation.cluster.member(name)
    heard = situation.reports.get(member.centre) if member else None
    return heard if is_fresh(situation, heard) else None


def highest_seen(situation: Situation) -> Version:
    """The newest publication that anybody has read, by every report there is: also an old one tells the truth of this."""
    highest = situation.highest
    for heard in situation.reports.values():
        if heard.report.highest > highest:
            highest = heard.report.highest
    return highest


def patience(policy: Policy, seen: Seen) -> float:
    """For how many seconds a member must look so before it is suspected."""
    if seen is Seen.REFUSED:
        return policy.refused_seconds
    return policy.silent_seconds if seen is Seen.SILENT else policy.not_committing_seconds


def suspects(situation: Situation, name: str) -> tuple[str, ...]:
    """The centres that suspect a member, by fresh reports of voters who hear us."""
    found = []
    for centre in situation.cluster.voters:
        heard = situation.reports.get(centre)
        if heard is None or not reads_us(situation, heard):
            continue
        sight = heard.report.sights.get(name)
        if sight and sight.seen is not Seen.GOOD and _is_long(sight, situation.policy):
            found.append(centre)
    return tuple(found)


def _is_long(sight: Sight, policy: Policy) -> bool:
    """In one way for as long as that takes, or in one way after another for as long as the slowest takes."""
    return sight.seconds >= patience(policy, sight.seen) or sight.failing_seconds >= policy.not_committing_seconds


def votes(situation: Situation, name: str) -> Text:
    """What each voter says of a member, as half a sentence."""
    zh, en = [], []
    for centre in situation.cluster.voters:
        heard = situation.reports.get(centre)
        sight = heard.report.sights.get(name) if heard and is_fresh(situation, heard) else None
        word = SEEN[sight.seen] if sight else Text("没有消息", "nothing heard")
        seconds = f" {sight.seconds:.1f} s" if sight and sight.seen is not Seen.GOOD else ""
        zh.append(f"{centre}:{word.zh}{seconds}")
        en.append(f"{centre}: {word.en}{seconds}")
    return Text(";".join(zh), "; ".join(en))


def is_serving(published: Published, report: Report) -> bool:
    """Whether the published primary has taken up its epoch, as its own agent says."""
    took_up = report.obeyed.epoch == published.version.epoch
    return took_up and report.member is not None and report.member.state is MemberState.PRIMARY
