"""How a second copy comes into the commit path: waited for first, trusted after. Pure."""

from backup.failover import safety
from backup.failover.publishing import Ruling, changed, publish, stay
from backup.failover.situation import MemberState, MemberStatus, Plan, Published, Report, Situation
from backup.failover.suspicion import is_serving, report_of
from secops.model.text import Text


def protecting(situation: Situation, published: Published) -> Ruling | None:
    """None when somebody is promotable, or nobody can be."""
    heard = report_of(situation, published.primary)
    if published.promotable:
        return _distrust(situation, published)
    if heard is None or heard.report.member is None:
        return None
    if not is_serving(published, heard.report):
        return None
    if published.names:
        return _trust(situation, published, heard.report, heard.report.member)
    return _protect(situation, published, heard.report.member)


def _broken(situation: Situation, published: Published) -> Text | None:
    """Why what is acknowledged need not be in two places, by the word of the primary or of whom it waits for."""
    for name in (published.primary, *published.names):
        heard = report_of(situation, name)
        status = heard.report.member if heard else None
        if status and not safety.keeps_its_promise(status):
            why = ", ".join(status.unsafe)
            return Text(f"{name} 不能保证已确认的写入:{why}", f"{name} cannot keep what it acknowledges: {why}")
    return None


def _distrust(situation: Situation, published: Published) -> Ruling | None:
    """Nobody stays promotable when the settings were changed underneath."""
    broken = _broken(situation, published)
    if broken is None:
        return None
    return publish(
        Plan.PROTECT,
        changed(situation, published, promotable=()),
        f"{broken.zh};无人可无损接管",
        f"{broken.en}; nobody can take over without loss",
    )


def _protect(situation: Situation, published: Published, status: MemberStatus) -> Ruling | None:
    """Ask the primary to wait for a standby that has come close."""
    if published.primary not in situation.cluster.synchronous:
        return None
    if 0 <= situation.unix_seconds - published.changed < situation.policy.protect_after_seconds:
        return None
    near = {one.name for one in status.standbys if one.flushed >= status.flushed - situation.policy.protect_within}
    for name in situation.cluster.synchronous:
        if name in near and _receives(situation, published, name):
            return publish(
                Plan.PROTECT,
                changed(situation, published, names=(name,)),
                f"{name} 已跟上,{published.primary} 的提交今后等待它确认",
                f"{name} has come close: commits of {published.primary} wait for it from now on",
            )
    return None


def _receives(situation: Situation, published: Published, name: str) -> bool:
    heard = report_of(situation, name)
    status = heard.report.member if heard else None
    if status is None or status.state is not MemberState.STANDBY or not status.room:
        return False
    return status.receiving and status.follows == published.primary


def _trust(situation: Situation, published: Published, report: Report, status: MemberStatus) -> Ruling:
    """Publish as promotable whom commits wait for, once both sides are known to have nothing older under way."""
    name = published.names[0]
    standby = next((one for one in status.standbys if one.name == name), None)
    heard = report_of(situation, name)
    settled = heard is not None and safety.has_obeyed(published, heard.report) and safety.has_obeyed(published, report)
    if standby is None or not settled or not safety.names_in_force(published, status):
        return stay(
            Plan.WAIT,
            f"{published.primary} 正在改为等待 {name} 确认",
            f"{published.primary} is being made to wait for {name}",
        )
    if broken := _broken(situation, published):
        return stay(
            Plan.STUCK, f"{broken.zh};改正前无人可接管", f"{broken.en}: nobody can take over before it is mended"
        )
    if not safety.has_caught_up(status, standby):
        return stay(Plan.WAIT, f"{name} 正在追平", f"{name} is catching up")
    return publish(
        Plan.TRUST,
        changed(situation, published, promotable=(name,), complete=standby.flushed, timeline=status.timeline),
        f"{name} 已有全部确认过的写入,可无损接管",
        f"{name} has every acknowledged write and can take over without loss",
    )
