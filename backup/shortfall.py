"""Where the copies of an asset fall short of what its tier asks for. Pure; each weakness goes when it is mended."""

from collections.abc import Iterator
from datetime import datetime

from backup.forecast import ALARM_SHARE, forecasts, recovery_age_seconds
from backup.policies import Depth
from backup.protection import Protected, Shelf
from backup.vaults import bytes_of, tenancy
from secops.model.city import CentreRole
from secops.model.finding import Severity, Weakness, WeaknessClass
from secops.model.restore_point import Rung
from secops.model.text import Text
from secops.support.durations import format_duration

CHECK = "copies"
_LATE = 2.0
"""Times the wanted gap after which a proof or a copy apart is missing; one run may fail."""
_QUOTA_SHARE = 0.9


def shortfalls(protected: Protected, moment: datetime) -> Iterator[Weakness]:
    """Every way in which the asset is not protected as its tier wants."""
    for role in protected.policy.vaults:
        yield from _centre(protected, role, moment)
    yield from _apart(protected, moment)
    if any(protected.points):
        yield from _proofs(protected, moment)
    yield from _slow(protected)
    for shelf in protected.shelves:
        yield from _room(protected, shelf)


def weakness(
    rule: str,
    locator: tuple[str, ...],
    severity: Severity,
    title: Text,
    reason: Text,
    mend: Text,
    clauses: tuple[str, ...] = ("8.1.4.9 a",),
) -> Weakness:
    """One of this check."""
    return Weakness(WeaknessClass.RESILIENCE, f"{CHECK}.{rule}", locator, severity, title, reason, mend, {}, clauses)


def _centre(protected: Protected, role: CentreRole, moment: datetime) -> Iterator[Weakness]:
    """A centre that the tier names: at least one of its vaults has a copy that is young enough."""
    ages = [age for shelf in protected.in_role(role) if (age := recovery_age_seconds(shelf, moment)) is not None]
    asset, policy = protected.asset.id, protected.policy
    run = Text(f"执行 secops backup run {asset}", f"run `secops backup run {asset}`")
    clause = "8.1.4.9 b" if role is CentreRole.REMOTE_DR else "8.1.4.9 a"
    if not ages:
        reason = Text(
            f"{policy.tier} 级要求在 {role} 中心有 {asset} 的备份,目录中没有",
            f"tier {policy.tier} asks for a copy of {asset} in the {role} centre; the catalogue has none",
        )
        title = Text("要求的中心没有备份", "No copy in a centre that the tier asks for")
        yield weakness("missing", (role,), Severity.HIGH, title, reason, run, (clause,))
    elif min(ages) > policy.from_copy.rpo:
        old, rpo = format_duration(min(ages)), format_duration(policy.from_copy.rpo)
        reason = Text(
            f"{role} 中心只能恢复到 {old} 前,超过 RPO {rpo}(本地策略)",
            f"from the {role} centre only what was {old} ago can be recovered; the RPO is {rpo} (local policy)",
        )
        title = Text("备份过旧,超过 RPO", "The newest copy is older than the RPO")
        yield weakness("too-old", (role,), Severity.HIGH, title, reason, run, (clause,))


def _apart(protected: Protected, moment: datetime) -> Iterator[Weakness]:
    ages = [
        age for shelf in protected.shelves if shelf.apart and (age := recovery_age_seconds(shelf, moment)) is not None
    ]
    allowed = protected.policy.apart_every * _LATE
    if ages and min(ages) <= allowed:
        return
    every = format_duration(protected.policy.apart_every)
    how = (
        Text(f"最近一份已有 {format_duration(min(ages))}", f"the newest is {format_duration(min(ages))} old")
        if ages
        else None
    )
    none = Text("一份也没有", "there is none")
    said = how or none
    yield weakness(
        "not-apart",
        ("apart",),
        Severity.MEDIUM,
        Text("没有离线或不可变的备份", "No copy is offline or immutable"),
        Text(
            f"{protected.policy.tier} 级要求每 {every} 有一份离线或不可变备份,{said.zh};入侵者可以删掉其余所有备份",
            f"tier {protected.policy.tier} asks for an offline or immutable copy every {every}; {said.en}; an intruder "
            "could delete all others",
        ),
        Text(
            "在清单中登记 keeping 为 offline 或 immutable 的备份库,并导出到其中",
            "list a vault with `keeping: offline` or `immutable` in the inventory, and export to it",
        ),
    )


def _proofs(protected: Protected, moment: datetime) -> Iterator[Weakness]:
    for depth in protected.policy.verify:
        age = _proof_age_seconds(protected, depth, moment)
        if age is not None and age <= depth.every * _LATE:
            continue
        said = (
            Text("从未做到", "it never was")
            if age is None
            else Text(f"上次在 {format_duration(age)} 前", f"the last time was {format_duration(age)} ago")
        )
        rung, every = int(depth.rung), format_duration(depth.every)
        yield weakness(
            "unproven",
            (f"rung-{rung}",),
            Severity.HIGH if depth.rung <= Rung.RESTORE else Severity.MEDIUM,
            Text("备份未按要求验证", "Copies are not proven as the tier asks"),
            Text(
                f"{protected.policy.tier} 级要求每 {every} 验证到第 {rung} 级,{said.zh}",
                f"tier {protected.policy.tier} asks for a proof up to rung {rung} every {every}; {said.en}",
            ),
            Text(f"执行 secops backup verify {protected.asset.id}", f"run `secops backup verify {protected.asset.id}`"),
            ("8.1.4.9 a", "8.1.10.11 c"),
        )


def _proof_age_seconds(protected: Protected, depth: Depth, moment: datetime) -> float | None:
    """Since any copy was last proven up to the rung; a higher rung proves the lower ones."""
    verdicts = (point.verdict for point in protected.points if point.verdict.rung >= depth.rung)
    moments = [since for verdict in verdicts if (since := verdict.proven or verdict.judged)]
    return (moment - max(moments)).total_seconds() if moments else None


def _slow(protected: Protected) -> Iterator[Weakness]:
    """The nearest way back decides: the vault from which the restore is fastest."""
    best = min(forecasts(protected), key=lambda one: one.seconds, default=None)
    if best is None or best.share <= ALARM_SHARE:
        return
    missed = best.share > 1
    yield weakness(
        "rto-forecast",
        ("rto",),
        Severity.HIGH if missed else Severity.MEDIUM,
        Text("恢复时间预计超过 RTO", "A restore would pass the RTO")
        if missed
        else Text("恢复时间预计接近 RTO", "A restore would come near the RTO"),
        best.because,
        Text(
            "缩小数据、加快恢复或改用复制,或调整策略",
            "make the data smaller, the restore faster, replicate, or change the policy",
        ),
        ("8.1.10.11 c",),
    )


def _room(protected: Protected, shelf: Shelf) -> Iterator[Weakness]:
    tenant = tenancy(shelf.vault, protected.unit)
    quota = bytes_of(tenant.quota) if tenant else 0
    if not quota or shelf.used_bytes < quota * _QUOTA_SHARE:
        return
    yield weakness(
        "quota",
        (shelf.vault.id,),
        Severity.HIGH if shelf.used_bytes >= quota else Severity.MEDIUM,
        Text("备份库配额将用尽", "The quota of a vault is used up, or nearly"),
        Text(
            f"单位 {protected.unit} 在 {shelf.vault.id} 已用 {shelf.used_bytes} 字节,配额 {quota} 字节;新的备份将被拒绝",
            f"unit {protected.unit} takes {shelf.used_bytes} of {quota} bytes of {shelf.vault.id}; copies will be refused",
        ),
        Text("提高配额,或按保留策略清理", "raise the quota, or prune by the policy"),
    )
