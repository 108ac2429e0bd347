"""RPO as canaries measure it: what each centre would lose by a recovery now, and where that falls short. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from backup.canary_ledger import Holding
from backup.protection import Protected, Rhythm, Shelf
from backup.shortfall import weakness
from secops.model.city import CentreRole
from secops.model.finding import Severity, Weakness
from secops.model.restore_point import Proof
from secops.model.text import Text
from secops.support.clock import local
from secops.support.durations import format_duration

_SILENT = 5.0
"""Times its rhythm after which nothing being written is told."""
_LEAST_SILENT_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Measured:
    """What one place was found to hold: the newest restorable copy that was looked at in a vault, or a replica."""

    role: CentreRole
    place: str
    """Id of the vault or of the replica."""
    holding: Holding
    lost: int
    """Canaries acknowledged since the newest that it has: a recovery from there would lose them."""
    live: bool
    """Whether it is a replica."""

    @property
    def missing_count(self) -> int:
        """Acknowledged ones that must be there and are not; what a replica has not got yet is no loss."""
        return self.holding.missing + (0 if self.live else self.holding.stale)

    def age_seconds(self, moment: datetime) -> float | None:
        """RPO: how old the newest canary in it is; None when it has none."""
        newest = self.holding.moment
        return max(0.0, (moment - newest).total_seconds()) if newest else None


def measured_in(shelf: Shelf, rhythm: Rhythm) -> Measured | None:
    """By the newest copy of a vault that is not known to be bad and whose canaries were read."""
    known = {one.subject: one for one in rhythm.holdings}
    good = (point for point in shelf.points if point.verdict.restorable is not Proof.NO)
    newest = next((known[point.id] for point in good if point.id in known), None)
    return Measured(shelf.role, shelf.vault.id, newest, rhythm.lost_after(newest), False) if newest else None


def measured(protected: Protected) -> tuple[Measured, ...]:
    """One for each vault and each replica that was looked at; none without canaries."""
    rhythm = protected.rhythm
    if rhythm is None:
        return ()
    copies = [found for shelf in protected.shelves if (found := measured_in(shelf, rhythm))]
    known = {one.subject: one for one in rhythm.holdings}
    replicas = [
        Measured(role, replica, known[replica], rhythm.lost_after(known[replica]), True)
        for replica, role in rhythm.replicas
        if replica in known
    ]
    return (*copies, *replicas)


def canary_weaknesses(protected: Protected, moment: datetime) -> Iterator[Weakness]:
    """What the canaries of one asset tell that somebody must look at."""
    if protected.rhythm is None:
        return
    yield from _silent(protected.asset.id, protected.rhythm, moment)
    found = measured(protected)
    for role in protected.policy.vaults:
        copies = [one for one in found if one.role is role and not one.live]
        if any(shelf.points for shelf in protected.in_role(role)):
            yield from _old(protected, role, copies, moment)
    if allowed := protected.policy.from_replica:
        yield from _lagging([one for one in found if one.live], allowed.rpo)
    yield from _wrong(found)


def _silent(asset: str, rhythm: Rhythm, moment: datetime) -> Iterator[Weakness]:
    newest = rhythm.newest
    quiet = (moment - newest.acknowledged).total_seconds() if newest else None
    if quiet is not None and quiet <= max(_SILENT * rhythm.every_seconds, _LEAST_SILENT_SECONDS):
        return
    never = Text("从未写成过", "none was ever acknowledged")
    since = (
        Text(f"最近一条在 {format_duration(quiet)} 前", f"the last was {format_duration(quiet)} ago")
        if quiet
        else never
    )
    every = format_duration(rhythm.every_seconds)
    yield weakness(
        "canary-silent",
        ("canary",),
        Severity.MEDIUM,
        Text("探针记录中断", "Canaries are no longer written"),
        Text(
            f"{asset} 应每 {every} 写入一条探针记录,{since.zh};其 RPO 无法实测",
            f"a canary is to be written into {asset} every {every}; {since.en}, so its RPO is not measured",
        ),
        Text(
            "保持 secops canary run 运行;用 secops canary once 看原因",
            "keep `secops canary run` running",
        ),
    )


def _old(protected: Protected, role: CentreRole, found: Sequence[Measured], moment: datetime) -> Iterator[Weakness]:
    allowed = protected.policy.from_copy.rpo
    verify = Text(
        f"执行 secops backup run {protected.asset.id};其验证会读出探针记录",
        f"run `secops backup run {protected.asset.id}`, whose proof reads the canaries",
    )
    ages = [(age, one) for one in found if (age := one.age_seconds(moment)) is not None]
    if not ages:
        title = Text("RPO 未经实测", "The RPO is not measured")
        reason = Text(
            f"{role} 中心的备份尚未读出过探针记录", f"no canaries were read from a copy in the {role} centre yet"
        )
        yield weakness("rpo-unmeasured", (role,), Severity.LOW, title, reason, verify)
        return
    age, best = min(ages, key=lambda pair: pair[0])
    if age <= allowed:
        return
    old, rpo, seen = format_duration(age), format_duration(allowed), best.holding.moment
    assert seen is not None
    yield weakness(
        "rpo-measured",
        (role,),
        Severity.HIGH,
        Text("实测 RPO 超标", "The measured RPO is missed"),
        Text(
            f"{role} 中心最新可恢复备份 {best.holding.subject} 的最新探针记录在 {local(seen)}({old} 前,允许 {rpo}),"
            f"此后已确认的 {best.lost} 条会丢失",
            f"the newest canary in {best.holding.subject}, the newest restorable copy in the {role} centre, is of "
            f"{local(seen)}: {old} ago, {rpo} allowed; {best.lost} acknowledged since would be lost",
        ),
        verify,
    )


def _lagging(replicas: Iterable[Measured], allowed_seconds: float) -> Iterator[Weakness]:
    """What a replica has is judged as of when it was read: it goes on by itself."""
    for one in replicas:
        behind = one.age_seconds(one.holding.looked)
        if behind is not None and behind <= allowed_seconds:
            continue
        shown = Text("没有探针记录", "has no canary")
        if behind is not None:
            shown = Text(f"落后 {format_duration(behind)}", f"is {format_duration(behind)} behind")
        yield weakness(
            "replica-behind",
            (one.place,),
            Severity.HIGH,
            Text("副本落后,超过 RPO", "A replica is behind by more than the RPO"),
            Text(
                f"{local(one.holding.looked)} 查看时副本 {one.place} {shown.zh},允许 {format_duration(allowed_seconds)}",
                f"when it was read at {local(one.holding.looked)}, the replica {one.place} {shown.en}; "
                f"{format_duration(allowed_seconds)} allowed",
            ),
            Text("检查复制链路", "look after the replication"),
        )


def _wrong(found: Iterable[Measured]) -> Iterator[Weakness]:
    for one in found:
        holding = one.holding
        if lacks := one.missing_count:
            yield weakness(
                "canaries-missing",
                (one.place,),
                Severity.HIGH,
                Text("已确认的探针记录缺失", "Acknowledged canaries are missing"),
                Text(
                    f"{holding.subject} 缺少应有的 {lacks} 条已确认探针记录:数据已丢失或被删除",
                    f"{lacks} acknowledged canaries that must be in {holding.subject} are not: data were lost or removed",
                ),
                Text("查明数据何时丢失", "find out when data were lost"),
            )
        if holding.forged:
            yield weakness(
                "canaries-forged",
                (one.place,),
                Severity.HIGH,
                Text("探针记录被伪造", "Canaries are forged"),
                Text(
                    f"{holding.subject} 中有 {holding.forged} 条探针记录不是本服务写入的",
                    f"{holding.forged} canaries in {holding.subject} were not written by this service",
                ),
                Text("按入侵处置该资产", "treat the asset as intruded upon"),
            )
