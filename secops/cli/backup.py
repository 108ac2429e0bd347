"""`secops backup`: what copies there are to be, make them, see what is proven of them, bring them back."""

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import typer

from backup.forecast import ALARM_SHARE, Forecast, forecasts, recovery_age_seconds
from backup.measured import Measured, canary_weaknesses, measured, measured_in
from backup.protection import Protected, Shelf
from backup.shortfall import CHECK, shortfalls
from secops.cli.backup_keys import keys
from secops.cli.backup_proving import RESCORE_HELP, SCHEDULE_HELP, moment_in, rescore, schedule
from secops.cli.backup_restoring import RESTORE_HELP, perform, point_of, restore
from secops.cli.backup_views import (
    ages_table,
    forecasts_table,
    measured_table,
    plans_table,
    verdicts_table,
)
from secops.cli.options import AsJson
from secops.cli.point_views import points_table
from secops.cli.run_views import exit_code
from secops.cli.tables import console, plain, print_json
from secops.service.copying import (
    PLAYBOOK,
    VERIFYING,
    copy_and_verify,
    refuse_moment_for,
    verify_copies,
)
from secops.service.home import Home, open_home
from secops.service.protecting import Protection, SystemPlan, system_plans
from secops.service.running import Ended
from secops.support.clock import now, to_text
from secops.support.language import say

verb = typer.Typer(
    name="backup",
    help=say(
        zh="按灾备等级备份资产并通过恢复来验证;查看策略、恢复点、结论、RPO 与恢复时间预测。",
        en="Copy assets by tier and prove the copies by restoring them; see policies, restore points, verdicts, RPO and "
        "how long a restore would take.",
    ),
    no_args_is_help=True,
)

AssetId = Annotated[str, typer.Argument(metavar="ASSET", help=say(zh="资产 id。", en="Id of the asset."))]
AnyAsset = Annotated[str, typer.Argument(metavar="[ASSET]", help=say(zh="只看该资产。", en="Only this asset."))]
PointId = Annotated[str, typer.Argument(metavar="POINT", help=say(zh="恢复点 id。", en="Id of the restore point."))]
SystemId = Annotated[str, typer.Option("--system", help=say(zh="只看该系统。", en="Only this system."))]
UnitId = Annotated[
    str, typer.Option("--unit", help=say(zh="只看该单位的数据。", en="Only what is this unit's; others stay unseen."))
]
VaultId = Annotated[str, typer.Option("--vault", help=say(zh="只看该备份库。", en="Only this vault."))]
PlaceId = Annotated[
    str,
    typer.Option(
        "--place", help=say(zh="隔离区;缺省为资产主机上的。", en="Isolated place; by default that on the asset's host.")
    ),
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=10_000, help=say(zh="每页条数。", en="How many on a page."))]
After = Annotated[
    str, typer.Option("--after", help=say(zh="上一页最后一个恢复点。", en="The last restore point of the page before."))
]
UpTo = Annotated[
    int, typer.Option("--upto", min=1, max=5, help=say(zh="验证到第几级。", en="Up to which rung of the ladder."))
]

Until = Annotated[
    str,
    typer.Option(
        "--until",
        help=say(
            zh="用日志前进到该时刻(ISO 8601,带时区),并核对探针记录。",
            en="Go on to this moment by the log (ISO 8601 with its zone), and hold the canaries against it.",
        ),
    ),
]


@verb.command(
    help=say(
        zh="各系统按等级应有的备份与实际情况(3-2-1-1-0)。退出码 1:有不足。",
        en="What each system gets by its tier and how its copies stand (3-2-1-1-0). Exit code 1: something is missing.",
    )
)
def plan(system: SystemId = "", unit: UnitId = "", as_json: AsJson = False) -> None:
    """A row per system that has a tier."""
    with open_home() as home:
        if unit:
            home.inventory.unit(unit)
        plans = list(system_plans(home, now(), unit, system))
    if as_json:
        print_json([_plan_facts(one) for one in plans])
    else:
        console().print(plans_table(plans))
        local_policy = say(
            zh="时间数字均为本地策略,标准未规定。", en="Every figure of time is local policy; no standard gives it."
        )
        console().print(local_policy, style="dim")
    sys.exit(1 if any(one.shortfalls for one in plans) else 0)


@verb.command(help=say(zh="备份一个资产并验证每份副本。", en="Copy an asset and prove each copy."))
def run(asset: AssetId, as_json: AsJson = False) -> None:
    """Exit codes as for `secops playbook run`; 1 also when a copy is not clean."""
    with open_home() as home:
        ended = perform(home, PLAYBOOK, as_json, lambda watchers: copy_and_verify(home, asset, watchers))
        if not as_json:
            console().print(points_table(home.catalogue.page(asset=asset)))
        sys.exit(exit_code(ended) or _unclean(ended))


@verb.command("list", help=say(zh="列出恢复点及其结论,新的在前。", en="List the restore points, newest first."))
def list_points(
    asset: AnyAsset = "",
    vault: VaultId = "",
    unit: UnitId = "",
    after: After = "",
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """A page; `next` of the JSON goes to `--after` for the page that follows, and is empty on the last."""
    with open_home() as home:
        _refuse_unknown(home, asset, vault, unit)
        last = point_of(home, after, unit) if after else None
        found = home.catalogue.page(asset=asset, vault=vault, unit=unit, after=last, limit=limit + 1)
    page, following = found[:limit], found[limit - 1].id if len(found) > limit else ""
    if as_json:
        print_json({"points": page, "next": following})
        return
    console().print(points_table(page))
    if following:
        console().print(plain(say(zh=f"下一页:--after {following}", en=f"next page: --after {following}"), "dim"))


verb.command("points", hidden=True)(list_points)
verb.add_typer(keys)
verb.command("restore", help=RESTORE_HELP)(restore)
verb.command("rescore", help=RESCORE_HELP)(rescore)
verb.command("schedule", help=SCHEDULE_HELP)(schedule)


@verb.command(help=say(zh="逐级验证一个资产的备份。", en="Prove the copies of an asset, rung by rung."))
def verify(asset: AssetId, place: PlaceId = "", upto: UpTo = 4, until: Until = "", as_json: AsJson = False) -> None:
    """Exit codes as for `secops playbook run`; 1 also when a copy is not clean."""
    moment = moment_in(until) if until else None
    until = to_text(moment) if moment else ""
    with open_home() as home:
        home.inventory.asset(asset)
        if moment:
            refuse_moment_for(home, asset, moment)
        ended = perform(
            home, VERIFYING, as_json, lambda watchers: verify_copies(home, asset, place, str(upto), watchers, until)
        )
        if not as_json:
            console().print(points_table(home.catalogue.page(asset=asset)))
        sys.exit(exit_code(ended) or _unclean(ended))


@verb.command(help=say(zh="一个恢复点的所有结论,旧的在前。", en="Every verdict on a restore point, oldest first."))
def verdicts(point: PointId, unit: UnitId = "", as_json: AsJson = False) -> None:
    """Also of one that was cleared since."""
    with open_home() as home:
        found = point_of(home, point, unit)
        every = home.catalogue.verdicts(point)
    if as_json:
        print_json(every)
    else:
        console().print(verdicts_table(found, every))


@verb.command(
    help=say(
        zh="现在从各备份库能恢复到什么时候。退出码 1:超过 RPO。",
        en="As of when each asset can be recovered from each vault now. Exit code 1: an RPO is missed.",
    )
)
def rpo(system: SystemId = "", unit: UnitId = "", as_json: AsJson = False) -> None:
    """By copies and logs; with canaries also as measured. An RPO is missed when no vault of a centre that the tier names
    is young enough, by either.
    """
    with open_home() as home:
        moment = now()
        every = _protected(home, system, unit)
        rows = [(one, shelf) for one in every for shelf in one.shelves if _asked(one, shelf)]
        live = [(one, found) for one in every for found in measured(one) if found.live]
    if as_json:
        print_json(
            [
                *(_age_facts(one, shelf, recovery_age_seconds(shelf, moment)) for one, shelf in rows),
                *(_measured_facts(one, found, moment) for one, found in live),
            ]
        )
    else:
        console().print(ages_table(rows, moment))
        if any(one.rhythm for one, _ in rows):
            console().print(measured_table([(one, found) for one in every for found in measured(one)], moment))
    sys.exit(1 if any(_late(one, moment) for one, _ in rows) else 0)


@verb.command(
    help=say(
        zh="按最近实测的恢复速率,恢复各资产预计用时。退出码 1:已过 RTO 的 80 %。",
        en="How long bringing each asset back would take, by the last restore that was measured. Exit code 1: over 80 % "
        "of an RTO.",
    )
)
def forecast(system: SystemId = "", unit: UnitId = "", as_json: AsJson = False) -> None:
    """Nothing for assets of which no restore was measured yet."""
    with open_home() as home:
        rows = [(one.system, each) for one in _protected(home, system, unit) for each in forecasts(one)]
    if as_json:
        print_json([_forecast_facts(name, one) for name, one in rows])
    else:
        console().print(forecasts_table(rows))
    sys.exit(1 if any(one.share > ALARM_SHARE for _, one in rows) else 0)


def _unclean(ended: Ended) -> int:
    """1 when a copy that was looked at now is not clean: the run itself went well."""
    return int(any(record.outputs.get("not_clean") for record in ended.records))


def _protected(home: Home, system: str, unit: str) -> Sequence[Protected]:
    """What is to be copied, of one system or unit when it is named."""
    if system:
        home.inventory.system(system)
    if unit:
        home.inventory.unit(unit)
    protection = Protection(home, now())
    every = (protection.of(asset) for asset in protection.assets())
    return [one for one in every if system in ("", one.system) and unit in ("", one.unit)]


_LATE = {f"{CHECK}.{rule}" for rule in ("missing", "too-old", "rpo-measured", "replica-behind", "canaries-missing")}


def _asked(protected: Protected, shelf: Shelf) -> bool:
    """Whether it holds copies, or is the first vault of a centre that the tier names."""
    first = protected.in_role(shelf.role)[0].vault.id == shelf.vault.id
    return bool(shelf.points) or (shelf.role in protected.policy.vaults and first)


def _late(protected: Protected, moment: datetime) -> bool:
    """Whether a centre that the tier names has no vault that is young enough."""
    found = (*shortfalls(protected, moment), *canary_weaknesses(protected, moment))
    return any(weakness.rule in _LATE for weakness in found)


def _refuse_unknown(home: Home, asset: str, vault: str, unit: str) -> None:
    if asset:
        home.inventory.asset(asset)
    if vault:
        home.inventory.vault(vault)
    if unit:
        home.inventory.unit(unit)


def _plan_facts(one: SystemPlan) -> dict[str, object]:
    figures = one.figures
    return {
        "system": one.system,
        "unit": one.unit,
        "policy": one.policy,
        "figures_are": "local policy",
        "three_two_one": {"text": figures.text, "met": figures.met} if figures else None,
        "assets": [asset.asset.id for asset in one.assets],
        "shortfalls": [
            {"asset": asset, "rule": weakness.rule, "severity": weakness.severity, "reason": weakness.reason}
            for asset, weakness in one.shortfalls
        ],
    }


def _measured_facts(protected: Protected, found: Measured, moment: datetime) -> dict[str, object]:
    """Of a replica; those of a vault stand in its row."""
    allowed = protected.policy.from_replica
    return {
        "system": protected.system,
        "asset": protected.asset.id,
        "role": found.role,
        "replica": found.place,
        "allowed_seconds": allowed.rpo if allowed else None,
        "measured": _holding_facts(found, moment),
    }


def _holding_facts(found: Measured, moment: datetime) -> dict[str, object]:
    holding = found.holding
    return {
        "from": holding.subject,
        "canary": holding.newest,
        "written": holding.moment,
        "looked": holding.looked,
        "rpo_seconds": found.age_seconds(moment),
        "would_be_lost": found.lost,
        "missing": found.missing_count,
        "forged": holding.forged,
    }


def _age_facts(protected: Protected, shelf: Shelf, age: float | None) -> dict[str, object]:
    found = measured_in(shelf, protected.rhythm) if protected.rhythm else None
    return {
        "system": protected.system,
        "asset": protected.asset.id,
        "role": shelf.role,
        "measured": _holding_facts(found, now()) if found else None,
        "vault": shelf.vault.id,
        "recoverable": shelf.newest,
        "rpo_seconds": age,
        "allowed_seconds": protected.policy.from_copy.rpo,
    }


def _forecast_facts(system: str, one: Forecast) -> dict[str, object]:
    return {
        "system": system,
        "asset": one.asset,
        "vault": one.vault,
        "size_bytes": one.size_bytes,
        "bytes_per_second": one.rate.bytes_per_second,
        "measured": one.rate.measured,
        "seconds": one.seconds,
        "rto_seconds": one.rto_seconds,
        "because": one.because,
    }
