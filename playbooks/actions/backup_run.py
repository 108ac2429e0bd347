"""Copy an asset into the vaults that its tier asks for."""

from collections.abc import Mapping
from typing import Any

from backup.copying import take_copy
from backup.engine import engine_for
from playbooks.action import Action, Context, Milestone, Options, Touches
from playbooks.copies import vaults_by_tier
from playbooks.ledgers import enter_point, present_moment
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
        "把资产复制到其系统灾备等级要求的各个备份库,并登记恢复点与文件清单。一个库失败不影响其余的库,最后一并报告。",
        "Copies an asset into every vault that its system's tier asks for, and enters the restore points with their "
        "manifests. A vault that fails does not keep the others from being filled; all failures are told at the end.",
    )
    touches = Touches.ADDS
    options = BackupOptions
    gives = frozenset({"points"})

    def plan(self, options: BackupOptions, context: Context) -> Procedure[Mapping[str, Any]]:
        """One copy after the other, so that a source is read by one engine at a time."""
        source = context.inventory.asset(options.asset)
        engine = engine_for(source)
        vaults = tuple(map(context.inventory.vault, options.vaults)) or vaults_by_tier(context.inventory, source)
        taken = yield from present_moment()
        points, failures = [], []
        for vault in vaults:
            try:
                copy = yield from under(vault.id, take_copy(engine, source, vault, context.keys, taken))
            except ProcedureFailed as failed:
                failures.append((vault.id, failed))
                continue
            yield from enter_point(copy.point, copy.manifest.text)
            points.append(copy.point.id)
        if failures:
            raise ProcedureFailed(
                ";".join(f"{vault}:{failed.zh}" for vault, failed in failures),
                "; ".join(f"{vault}: {failed.en}" for vault, failed in failures),
            )
        return {"points": points}


class Protect(BackupRun):
    """`backup.run` at the end of a recovery: protection is back when it ends well."""

    name = "backup.protect"
    title = Text("恢复保护", "Restore protection")
    describes = Text(
        "与 backup.run 相同,用在恢复流程的最后:完成即表示保护已恢复(T6)。",
        "Like backup.run, at the end of a recovery: when it ends well, protection is back (T6).",
    )
    milestone = Milestone.T6


run = BackupRun()
protect = Protect()
