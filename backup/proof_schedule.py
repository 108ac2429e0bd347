"""Which copies are proven next, and how far, when only so many bytes may be read: a pure decision.

First what the tier's policy asks for: the newest copy of each asset in each vault, when none of its copies was proven
that far for so long. Then, with what is left, copies that were never proven and those whose proof has aged.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter

from backup.ladder import bytes_for
from backup.policies import Policy
from backup.verdicts import proof_lasts
from secops.model.city import Tier
from secops.model.restore_point import Proof, RestorePoint, Rung
from secops.model.text import Text
from secops.support.durations import format_duration


@dataclass(frozen=True, slots=True)
class Job:
    """One copy to be proven up to one rung."""

    point: RestorePoint
    upto: Rung
    read_bytes: int
    """What that reads, as the ladder's data says."""
    urgency: float
    """How many times over the policy's interval has passed; 0 for what the policy does not ask for by name."""
    because: Text


@dataclass(frozen=True, slots=True)
class Schedule:
    """What is proven now, in this order, and how much had to wait."""

    jobs: tuple[Job, ...]
    read_bytes: int
    waiting: int
    waiting_bytes: int


@dataclass(slots=True)
class _Chain:
    """The copies of one asset in one vault."""

    newest: RestorePoint
    points: list[RestorePoint] = field(default_factory=list)


def schedule(
    points: Iterable[RestorePoint],
    tiers: Mapping[str, Tier],
    policies: Mapping[Tier, Policy],
    moment: datetime,
    budget_bytes: int,
    highest: Mapping[str, Rung] | None = None,
) -> Schedule:
    """The jobs that fit into the budget, the most urgent first.

    `tiers` says the tier of each asset, the least for one that is not in it; `highest` the rung that an asset's copies
    can be proven to here, all for one that is not in it. The first job is taken even when it alone
    passes the budget: it would never be proven otherwise.
    """
    wanted: list[Job] = []
    spare: list[tuple[int, datetime, str, RestorePoint]] = []
    for chain in _chains(points).values():
        tier = tiers.get(chain.newest.asset, Tier.DATA)
        policy = policies[tier]
        job = _due(chain, policy, moment, (highest or {}).get(chain.newest.asset, Rung.BUSINESS))
        if job:
            wanted.append(job)
        lasts = proof_lasts(policy)
        for point in chain.points:
            if not (job and point is chain.newest) and _lapsed(point, lasts, moment):
                spare.append((tier.rank, point.taken, point.id, point))
    rank = {job.point.id: tiers.get(job.point.asset, Tier.DATA).rank for job in wanted}
    wanted.sort(key=lambda job: (-job.urgency * rank[job.point.id], job.point.id))
    spare.sort(key=itemgetter(0, 1, 2), reverse=True)
    return _within(wanted, (point for *_, point in spare), budget_bytes)


def _chains(points: Iterable[RestorePoint]) -> dict[tuple[str, str], _Chain]:
    chains: dict[tuple[str, str], _Chain] = {}
    for point in points:
        chain = chains.setdefault((point.asset, point.vault), _Chain(point))
        chain.points.append(point)
        if point.taken > chain.newest.taken:
            chain.newest = point
    return chains


def _due(chain: _Chain, policy: Policy, moment: datetime, highest: Rung) -> Job | None:
    """The highest rung that the policy asks for by now, of the newest copy."""
    reached: dict[Rung, datetime] = {}
    for point in chain.points:
        verdict = point.verdict
        since = verdict.proven or verdict.judged
        height = max(verdict.rung, verdict.failed)
        if since and (height not in reached or since > reached[height]):
            reached[height] = since
    oldest = min(point.taken for point in chain.points)
    best: Job | None = None
    for depth in sorted((each for each in policy.verify if each.rung <= highest), key=lambda each: each.rung):
        last = max((since for rung, since in reached.items() if rung >= depth.rung), default=None)
        # Nothing was ever proven that far: it is due since the first copy, and at once.
        urgency = (moment - (last or oldest)).total_seconds() / depth.every + (0 if last else 1)
        if urgency >= 1:
            cost = bytes_for(depth.rung, chain.newest.size_bytes)
            best = Job(chain.newest, depth.rung, cost, urgency, _why_due(last, depth.rung, depth.every, moment))
    return best


def _lapsed(point: RestorePoint, lasts: float, moment: datetime) -> bool:
    """Whether it was never proven, or so long ago that it counts no more; not for what is known to be broken."""
    verdict = point.verdict
    since = verdict.proven or verdict.judged
    if since is None:
        return True
    if verdict.readable is Proof.NO or verdict.restorable is Proof.NO:
        return False
    return max(verdict.rung, verdict.failed) < Rung.SCAN or (moment - since).total_seconds() > lasts


def _within(wanted: list[Job], spare: Iterable[RestorePoint], budget_bytes: int) -> Schedule:
    taken: list[Job] = []
    spent = waiting = waiting_bytes = 0
    for job in wanted:
        if not taken or spent + job.read_bytes <= budget_bytes:
            taken.append(job)
            spent += job.read_bytes
        else:
            waiting += 1
            waiting_bytes += job.read_bytes
    for point in spare:
        cost = bytes_for(Rung.SCAN, point.size_bytes)
        if not taken or spent + cost <= budget_bytes:
            taken.append(Job(point, Rung.SCAN, cost, 0.0, _AGED if point.verdict.judged else _NEVER))
            spent += cost
        else:
            waiting += 1
            waiting_bytes += cost
    return Schedule(tuple(taken), spent, waiting, waiting_bytes)


_AGED = Text("结论已过期", "its proof has aged")
_NEVER = Text("从未验证", "it was never proven")


def _why_due(last: datetime | None, rung: Rung, every: float, moment: datetime) -> Text:
    step = f"L{rung:d}"
    if last is None:
        return Text(f"该资产在此备份库中从未验证到 {step}", f"none of its copies was ever proven up to {step}")
    since = format_duration((moment - last).total_seconds())
    asked = format_duration(every)
    return Text(
        f"上次验证到 {step} 是 {since} 前,策略要求每 {asked} 一次",
        f"proven up to {step} {since} ago, the policy asks for it every {asked}",
    )
