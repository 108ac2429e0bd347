"""Hard fences: what makes an old primary harmless whatever it does itself. One file each in `backup/failover/fences/`.

The decision does not rest on them: a stopped receiver already keeps the old primary from acknowledging anything. They are
raised once the entry has moved, for what still goes past it, and each is confirmed by a look of its own: what was asked
for and could not be seen is said as such and never taken for done.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import backup.failover.fences
from secops.model.cluster import Cluster, FenceKind, Member, MemberFence
from secops.model.step import Procedure, ProcedureFailed, under
from secops.model.text import Text
from secops.support.plugins import plugins_in


class Fence(ABC):
    """Of one kind. Procedures are repeatable and raise ProcedureFailed."""

    name: ClassVar[str]
    kind: ClassVar[FenceKind]

    @abstractmethod
    def put_up(self, cluster: Cluster, member: Member, fence: MemberFence) -> Procedure[None]:
        """Make the member harmless; repeating it changes nothing more."""

    @abstractmethod
    def stands(self, cluster: Cluster, member: Member, fence: MemberFence) -> Procedure[bool]:
        """Whether it is seen to hold. Changes nothing. Raises ProcedureFailed when that cannot be known."""

    @abstractmethod
    def lift(self, cluster: Cluster, member: Member, fence: MemberFence) -> Procedure[None]:
        """Take it away, before the member rejoins; nothing where there is none."""


@dataclass(frozen=True, slots=True)
class Fenced:
    """What became of one fence."""

    kind: FenceKind
    confirmed: bool
    because: Text


@cache
def all_fences() -> Mapping[FenceKind, Fence]:
    """Every kind found."""
    return {one.kind: one for one in plugins_in(backup.failover.fences, Fence).values()}


def confirm(cluster: Cluster, member: Member) -> Procedure[tuple[Fenced, ...]]:
    """Put up every fence of the member and look whether it holds. One that fails does not keep the next from being tried.

    Raises ProcedureFailed when none of those there are was confirmed; the sentence names each.
    """
    done: list[Fenced] = []
    for number, fence in enumerate(member.fences, 1):
        done.append((yield from under(f"fence {number} ({fence.kind})", _one(cluster, member, fence))))
    if done and not any(one.confirmed for one in done):
        told = summary(done)
        raise ProcedureFailed(
            f"{member.name} 的隔离未能确认:{told.zh}", f"no fence of {member.name} is confirmed: {told.en}"
        )
    return tuple(done)


def lift_all(cluster: Cluster, member: Member) -> Procedure[None]:
    """Take every fence of the member away, the last one first."""
    for number, fence in reversed(list(enumerate(member.fences, 1))):
        yield from under(f"fence {number} ({fence.kind})", all_fences()[fence.kind].lift(cluster, member, fence))


def summary(fenced: Iterable[Fenced]) -> Text:
    """Each fence and what became of it, in one sentence."""
    told = list(fenced)
    return Text(
        ";".join(f"{one.kind}:{one.because.zh}" for one in told) or "没有配置硬隔离",
        "; ".join(f"{one.kind}: {one.because.en}" for one in told) or "no hard fence is set up",
    )


def _one(cluster: Cluster, member: Member, fence: MemberFence) -> Procedure[Fenced]:
    hands = all_fences()[fence.kind]
    try:
        yield from hands.put_up(cluster, member, fence)
        holds = yield from hands.stands(cluster, member, fence)
    except ProcedureFailed as error:
        return Fenced(fence.kind, False, Text(error.zh, error.en))
    if holds:
        return Fenced(fence.kind, True, Text("已确认", "confirmed"))
    return Fenced(fence.kind, False, Text("已执行但未能确认", "was put up and is not seen to hold"))
