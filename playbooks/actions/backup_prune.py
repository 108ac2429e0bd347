"""Take out of the vaults what the policy no longer keeps."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from backup.engine import engine_for
from backup.retention import decide_retention
from backup.vaults import beside
from playbooks.action import Action, Context, Options, Touches
from playbooks.ledgers import dated_points, give_up, points_of, present_moment
from secops.model.city import Asset, Keeping, Tier, Vault
from secops.model.step import Command, Procedure, ProcedureFailed, Step, require, under
from secops.model.text import Text

_CLOCKS_DIFFER_SECONDS = 300.0


class PruneOptions(Options):
    """Options of `backup.prune`."""

    asset: str
    """The asset whose copies are looked through."""
    vaults: tuple[str, ...] = ()
    """Ids of vaults; when left out, every vault that has copies of it and keeps them on a host of the inventory."""


class BackupPrune(Action[PruneOptions]):
    """See `describes`."""

    name = "backup.prune"
    title = Text("按策略清理备份", "Prune by policy")
    describes = Text(
        "按等级策略的保留规则(只看时间、按备份库的时钟)在备份库一侧清理旧备份。将来时间的备份不占名额,"
        "已证明干净的最新一份永不清理;目录中的备份若在库中不见了,则什么都不清理。",
        "Clears old copies on the side of the vault, by the retention rules of the tier's policy (time alone, by the "
        "clock of the vault). Copies of the future take nobody's place, the newest that is proven clean always stays, "
        "and nothing is cleared from a vault from which copies have vanished.",
    )
    touches = Touches.RETIRES
    options = PruneOptions
    gives = frozenset({"pruned", "left", "because"})
    alone = True

    def plan(self, options: PruneOptions, context: Context) -> Procedure[Mapping[str, Any]]:
        """One vault after the other; one that cannot be cleared is told of with the reason."""
        inventory = context.inventory
        source = inventory.asset(options.asset)
        points = yield from points_of(source.id)
        names = options.vaults or tuple(sorted({point.vault for point in points}))
        pruned: list[str] = []
        left: dict[str, Text] = {}
        because: list[Text] = []
        for vault in map(inventory.vault, names):
            if why := _untouched(vault):
                left[vault.id] = why
                continue
            gone, why = yield from under(vault.id, _prune(source, vault, context))
            pruned += gone
            because.append(Text(f"{vault.id}:{why.zh}", f"{vault.id}: {why.en}"))
        told = {"zh": "".join(one.zh for one in because), "en": " ".join(one.en for one in because)}
        reasons = {name: {"zh": why.zh, "en": why.en} for name, why in left.items()}
        return {"pruned": pruned, "left": reasons, "because": told}


def _untouched(vault: Vault) -> Text | None:
    """Why retention has no say over the vault."""
    if vault.pulls_from:
        return Text("它随来源的备份库更新", "it follows the vault that it fetches from")
    if vault.keeping is not Keeping.ONLINE:
        return Text("其中的备份不能被清理", "what it holds cannot be cleared")
    if not vault.host:
        return Text("清单没有写明存放它的主机", "the inventory names no host that keeps it")
    return None


def _prune(source: Asset, vault: Vault, context: Context) -> Procedure[tuple[list[str], Text]]:
    """Ids of what was taken out, and why."""
    moment = yield from _vault_moment(vault)
    dated = yield from dated_points(source.id, vault.id)
    engine = engine_for(source)
    stock = yield from under("before", engine.stock(*beside(source, vault), context.keys))
    archives = {point.id: point.id.removeprefix(f"{vault.id}/") for point in dated}
    if missing := [name for name in archives.values() if name not in stock.archives]:
        raise ProcedureFailed(
            f"{len(missing)} 份备份已不在库中(如 {missing[0]}),可能被人删除;查明之前什么都不清理",
            f"{len(missing)} copies have vanished ({missing[0]} for one), perhaps by an intruder; nothing is cleared "
            "until that is understood",
        )
    system = context.inventory.system_of(source.id)
    policy = context.policies[context.inventory.tier(system) or Tier.DATA]
    decision = decide_retention(dated, policy.keep, moment)
    doomed = [point.id for point in decision.action.dropped]
    if doomed:
        yield from engine.expire(source, vault, context.keys, vault.host, [archives[name] for name in doomed])
        yield from give_up(vault.id, doomed, moment)
    return doomed, decision.because


def _vault_moment(vault: Vault) -> Procedure[datetime]:
    """By the clock of the vault's host; refused when ours is another, since one of the two is wrong."""
    read = yield Step("read the vault's clock", Command(vault.host, ("date", "-u", "+%s")))
    require(read, f"无法读取 {vault.host} 的时钟", f"the clock of {vault.host} cannot be read")
    ours = yield from present_moment(" for comparison")
    theirs = datetime.fromtimestamp(int(read.output), UTC)
    if abs((theirs - ours).total_seconds()) > _CLOCKS_DIFFER_SECONDS:
        raise ProcedureFailed(
            f"{vault.host} 的时钟与本机相差超过 5 分钟,不清理任何备份",
            f"the clock of {vault.host} differs from ours by more than 5 minutes; nothing is cleared",
        )
    return theirs


action = BackupPrune()
