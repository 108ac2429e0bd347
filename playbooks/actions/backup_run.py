"""Copy an asset into the vaults that its tier asks for."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from backup.copying import take_copy
from backup.engine import engine_for
from backup.vaults import closed, refusal
from playbooks.action import Action, Context, Milestone, Options, Touches
from playbooks.copies import unit_of, vaults_by_tier
from playbooks.ledgers import enter_point, points_of, present_moment, use_of
from secops.model.city import Asset, Vault
from secops.model.restore_point import RestorePoint
from secops.model.step import Procedure, ProcedureFailed, under
from secops.model.text import Text


class BackupOptions(Options):
    """Options of `backup.run`."""

    asset: str
    """The asset to copy."""
    vaults: tuple[str, ...] = ()
    """Ids of vaults; when left out, those that the tier of the system asks for."""


class BackupRun(Action[BackupOptions]):
    """See `describes`."""

    name = "backup.run"
    title = Text("按等级备份", "Back up by tier")
    describes = Text(
        "把资产复制到其系统灾备等级要求的各个备份库,并登记恢复点与文件清单。不在备份库时段内则等待下次;一个库失败不影响"
        "其余的库,最后一并报告。",
        "Copies an asset into every vault that its system's tier asks for, and enters the restore points with their "
        "manifests. Outside its hours a vault waits for the next time; one that fails does not keep the others from "
        "being filled, and all failures are told at the end.",
    )
    touches = Touches.ADDS
    options = BackupOptions
    gives = frozenset({"points", "waiting", "fetched_later", "added_bytes", "seconds"})
    alone = True

    def plan(self, options: BackupOptions, context: Context) -> Procedure[Mapping[str, Any]]:
        """One copy after the other, so that a source is read by one engine at a time."""
        inventory = context.inventory
        source = inventory.asset(options.asset)
        named = tuple(map(inventory.vault, options.vaults))
        vaults = named or vaults_by_tier(inventory, source, context.policies)
        direct = [vault for vault in vaults if not vault.pulls_from]
        _refuse_several(source, direct)
        taken = yield from present_moment()
        points: list[RestorePoint] = []
        failures: list[tuple[str, ProcedureFailed]] = []
        waiting: dict[str, dict[str, str]] = {}
        for vault in direct:
            if why := closed(vault, taken):
                waiting[vault.id] = {"zh": why.zh, "en": why.en}
                continue
            try:
                points.append((yield from under(vault.id, _copy_into(vault, source, context, taken))))
            except ProcedureFailed as failed:
                failures.append((vault.id, failed))
        if failures:
            raise ProcedureFailed(
                ";".join(f"{vault}:{failed.zh}" for vault, failed in failures),
                "; ".join(f"{vault}: {failed.en}" for vault, failed in failures),
            )
        return {
            "points": [point.id for point in points],
            "waiting": waiting,
            "fetched_later": [vault.id for vault in vaults if vault.pulls_from],
            "added_bytes": sum(point.added_bytes for point in points),
            "seconds": sum(point.seconds for point in points),
        }


def _refuse_several(source: Asset, direct: Sequence[Vault]) -> None:
    """Raises ProcedureFailed when the log of an engine that brings it to one vault would have gaps in each of several."""
    engine = engine_for(source)
    if engine.one_vault and len(direct) > 1:
        first, named = direct[0], ", ".join(vault.id for vault in direct[1:])
        raise ProcedureFailed(
            f"{engine.name} 只能把 {source.id} 的日志送入一个备份库;请让 {named} 从 {first.id} 拉取(pulls_from)",
            f"{engine.name} brings the log of {source.id} into one vault only; let {named} fetch from {first.id} (pulls_from)",
        )


def _copy_into(vault: Vault, source: Asset, context: Context, taken: datetime) -> Procedure[RestorePoint]:
    """Refused before anything is copied when the unit has no room there."""
    unit = unit_of(context.inventory, source)
    if vault.tenants:
        used = yield from use_of(vault.id)
        earlier = yield from points_of(source.id)
        more = next((point.added_bytes for point in earlier if point.vault == vault.id), 0)
        if refused := refusal(vault, unit, used.get(unit, 0), more):
            raise ProcedureFailed(refused.zh, refused.en)
    copy = yield from take_copy(engine_for(source), source, vault, context.keys, taken, unit)
    yield from enter_point(copy.point, copy.manifest.text)
    return copy.point


class Protect(BackupRun):
    """`backup.run` at the end of a recovery: protection is back when it ends well."""

    name = "backup.protect"
    title = Text("恢复保护", "Restore protection")
    describes = Text(
        "与 backup.run 相同,用在恢复流程的最后:完成即表示保护已恢复(T6)。",
        "Like backup.run, at the end of a recovery: when it ends well, protection is back (T6).",
    )
    milestone = Milestone.T6
    alone = False


run = BackupRun()
protect = Protect()
