"""`secops inventory`: list, filter and explain what exists."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from secops.cli.options import AsJson
from secops.cli.tables import console, facts, fill, print_json, table
from secops.inventory.grading import Grading
from secops.inventory.inventory import Inventory
from secops.inventory.load import load_inventory, sample_inventory
from secops.inventory.tiers import TierRuling, tier_weakness
from secops.inventory.words import DEGREES, IMPORTANCES, KINDS, LEVELS, OBJECTS, TIERS
from secops.model.city import Asset, AssetKind, Impact, Importance, Level, System, Tier
from secops.service.home import FILE, open_home
from secops.support.language import say, tell
from secops.support.strict_yaml import BadFile, Problem

verb = typer.Typer(
    name="inventory",
    help=say(
        zh="清单:单位、系统、资产,以及由等级和影响推导的灾备等级。",
        en="What exists: units, systems and assets, with the levels and DR tiers that follow.",
    ),
    no_args_is_help=True,
)

InventoryFile = Annotated[
    Path | None,
    typer.Option(
        "--file",
        metavar="FILE",
        help=say(
            zh="清单文件;缺省取工作目录的清单,没有则用示例城市。",
            en="Inventory file; default: that of the home, else the sample city.",
        ),
        show_default=False,
    ),
]
SystemId = Annotated[str, typer.Argument(metavar="SYSTEM", help=say(zh="系统 id。", en="Id of the system."))]
Levels = Annotated[
    list[int] | None, typer.Option("--level", min=1, max=5, help=say(zh="等保级别。", en="Level 1 to 5."))
]
Tiers = Annotated[list[Tier] | None, typer.Option("--tier", help=say(zh="灾备等级。", en="DR tier."))]
Importances = Annotated[
    list[Importance] | None,
    typer.Option("--importance", help=say(zh="重要程度。", en="How much the city depends on it.")),
]
Kinds = Annotated[list[AssetKind] | None, typer.Option("--kind", help=say(zh="资产类型。", en="Kind of asset."))]
UnitId = Annotated[
    str | None,
    typer.Option("--unit", help=say(zh="牵头、配合或监管单位。", en="Lead, cooperating or supervising unit.")),
]
CentreId = Annotated[str | None, typer.Option("--centre", help=say(zh="所在中心。", en="Centre it stands in."))]


@verb.command(name="list", help=say(zh="列出系统,可筛选。", en="List systems, all or filtered."))
def list_systems(
    level: Levels = None,
    tier: Tiers = None,
    unit: UnitId = None,
    centre: CentreId = None,
    importance: Importances = None,
    kind: Kinds = None,
    file: InventoryFile = None,
    as_json: AsJson = False,
) -> None:
    inventory = _open(file)
    found = inventory.select(
        levels=[Level(number) for number in level or ()],
        tiers=tier or (),
        importances=importance or (),
        kinds=kind or (),
        unit=unit,
        centre=centre,
    )
    if as_json:
        print_json([_system_as_json(inventory, system) for system in found])
        return
    made = table(
        say(
            zh=f"{tell(inventory.city.name)}:{len(found)} 个系统",
            en=f"{tell(inventory.city.name)}: {len(found)} systems",
        ),
        "id",
        say(zh="名称", en="name"),
        say(zh="等级", en="grade"),
        say(zh="灾备", en="DR tier"),
        say(zh="重要程度", en="importance"),
        say(zh="关基", en="CII"),
        say(zh="牵头单位", en="lead units"),
        say(zh="资产", en="assets"),
    )
    rows = (
        (
            system.id,
            tell(system.name),
            inventory.grading(system).text,
            tell(TIERS[inventory.tier(system)]),
            tell(IMPORTANCES[system.importance]),
            _yes(system.cii),
            _units(inventory, system.lead_units),
            len(system.assets),
        )
        for system in found
    )
    console().print(fill(made, rows))


@verb.command(help=say(zh="显示一个系统及其资产。", en="Show one system and its assets."))
def show(system: SystemId, file: InventoryFile = None, as_json: AsJson = False) -> None:
    inventory = _open(file)
    found = inventory.system(system)
    if as_json:
        print_json({**_system_as_json(inventory, found), "assets": found.assets, "entry": inventory.entry_of(found.id)})
        return
    grading, ruling = inventory.grading(found), inventory.tier_ruling(found)
    entry = inventory.entry_of(found.id)
    pairs = [
        (say(zh="所属行动", en="programme"), tell(found.programme)),
        (say(zh="牵头单位", en="lead units"), _units(inventory, found.lead_units)),
        (say(zh="配合单位", en="cooperating units"), _units(inventory, found.cooperating_units)),
        (say(zh="监管单位", en="supervising units"), _units(inventory, found.supervising_units)),
        (say(zh="定级", en="grade"), f"{grading.text}, {tell(LEVELS[grading.system.action])}"),
        (say(zh="业务信息", en="business information"), _impact(found.grade.information)),
        (say(zh="系统服务", en="system service"), _impact(found.grade.service)),
        (say(zh="重要程度", en="importance"), tell(IMPORTANCES[found.importance])),
        (say(zh="关键信息基础设施", en="critical infrastructure"), _yes(found.cii)),
        (say(zh="灾备等级", en="DR tier"), f"{tell(TIERS[ruling.effective.action])}: {tell(ruling.effective.because)}"),
        (say(zh="入口", en="entry"), entry.url if entry else "-"),
    ]
    printer = console()
    printer.print(facts(f"{found.id}  {tell(found.name)}", pairs))
    printer.print(_asset_table(inventory, found.assets))


@verb.command(
    help=say(
        zh="说明一个系统为何定此级、取此灾备等级:逐条列出规则。",
        en="Say why a system has its level and DR tier: every rule, cited apart.",
    )
)
def explain(system: SystemId, file: InventoryFile = None, as_json: AsJson = False) -> None:
    inventory = _open(file)
    found = inventory.system(system)
    grading, ruling = inventory.grading(found), inventory.tier_ruling(found)
    weakness = tier_weakness(found, ruling)
    if as_json:
        print_json(
            {
                "system": found.id,
                "grade": grading.text,
                "grading": grading,
                "tier": ruling,
                "weakness": weakness,
            }
        )
        return
    printer = console()
    printer.print(_level_table(found, grading))
    printer.print(_tier_table(ruling))
    for sentence in _conclusions(ruling):
        printer.print(sentence, markup=False)
    if weakness:
        printer.print(tell(weakness.title), style="bold red", markup=False)
        printer.print(f"  {tell(weakness.mend)}", markup=False)
    printer.print(_demand_table(ruling))


@verb.command(help=say(zh="列出资产,可筛选。", en="List assets, all or filtered."))
def assets(
    kind: Kinds = None,
    centre: CentreId = None,
    system: Annotated[
        str | None, typer.Option("--system", help=say(zh="所属系统。", en="System it belongs to."))
    ] = None,
    file: InventoryFile = None,
    as_json: AsJson = False,
) -> None:
    inventory = _open(file)
    found = [each for each in inventory.assets(centre=centre, system=system) if not kind or each.kind in kind]
    if as_json:
        print_json([{"system": inventory.system_of(each.id).id, **_fields(each)} for each in found])
        return
    console().print(_asset_table(inventory, found))


@verb.command(help=say(zh="检查清单文件,一次报告全部错误。", en="Check an inventory file; every problem at once."))
def validate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=say(zh="清单文件。", en="Inventory file."))],
    as_json: AsJson = False,
) -> None:
    try:
        inventory = load_inventory(file)
    except BadFile as bad:
        if not as_json:
            raise
        print_json({"ok": False, "problems": [_problem_as_json(problem) for problem in bad.problems]})
        raise typer.Exit(bad.exit_code) from None
    weaknesses = [
        weakness
        for system in inventory.systems
        if (weakness := tier_weakness(system, inventory.tier_ruling(system))) is not None
    ]
    if as_json:
        print_json(
            {"ok": True, "systems": len(inventory.systems), "assets": len(inventory.assets()), "weaknesses": weaknesses}
        )
        return
    counts = (len(inventory.systems), len(inventory.assets()))
    printer = console()
    printer.print(
        say(zh="清单无误:{} 个系统,{} 项资产", en="The inventory is sound: {} systems, {} assets").format(*counts)
    )
    for weakness in weaknesses:
        printer.print(f"! {tell(weakness.title)}: {tell(weakness.reason)}", style="yellow", markup=False)


def _open(file: Path | None) -> Inventory:
    """The named file, else the home's inventory, else the sample city, saying so."""
    if file is not None:
        return load_inventory(file)
    if os.environ.get("JINDUN_HOME") or Path(FILE).is_file():
        with open_home() as home:
            return home.inventory
    Console(stderr=True).print(
        say(zh="这里没有工作目录,显示示例城市。", en="There is no home here; this is the sample city."), style="dim"
    )
    return sample_inventory()


def _system_as_json(inventory: Inventory, system: System) -> dict[str, Any]:
    ruling = inventory.tier_ruling(system)
    return {
        "id": system.id,
        "name": system.name,
        "programme": system.programme,
        "level": inventory.level(system),
        "grade": inventory.grading(system).text,
        "tier": ruling.effective.action,
        "derived_tier": ruling.derived.action,
        "importance": system.importance,
        "cii": system.cii,
        "lead_units": system.lead_units,
        "cooperating_units": system.cooperating_units,
        "supervising_units": system.supervising_units,
        "assets": [asset.id for asset in system.assets],
    }


def _problem_as_json(problem: Problem) -> dict[str, Any]:
    return {"file": problem.file, "line": problem.line, "column": problem.column, "text": problem.text}


def _fields(asset: Asset) -> dict[str, Any]:
    return {name: getattr(asset, name) for name in Asset.__dataclass_fields__}


def _asset_table(inventory: Inventory, listed: Sequence[Asset]) -> Table:
    made = table(
        say(zh=f"{len(listed)} 项资产", en=f"{len(listed)} assets"),
        "id",
        say(zh="类型", en="kind"),
        say(zh="名称", en="name"),
        say(zh="中心", en="centre"),
        say(zh="位置", en="where"),
        say(zh="端口", en="ports"),
    )
    rows = (
        (
            asset.id,
            tell(KINDS[asset.kind]),
            tell(asset.name),
            tell(inventory.centre(asset.centre).name),
            asset.url or asset.address or f"{asset.host}:{asset.path}",
            " ".join(map(str, asset.ports)),
        )
        for asset in listed
    )
    return fill(made, rows)


def _level_table(system: System, grading: Grading) -> Table:
    made = table(f"{tell(system.name)}: {grading.text}", "", say(zh="级别", en="level"), say(zh="依据", en="because"))
    decisions = (("S", grading.information), ("A", grading.service), ("G", grading.system))
    return fill(made, ((letter, each.action, tell(each.because)) for letter, each in decisions))


def _tier_table(ruling: TierRuling) -> Table:
    made = table(
        say(zh="灾备等级:", en="DR tier: ") + tell(TIERS[ruling.effective.action]),
        say(zh="规则", en="rule"),
        say(zh="出处", en="source"),
        say(zh="要求", en="asks for"),
        say(zh="依据", en="because"),
    )
    rows = (
        (each.rule, tell(each.source), tell(TIERS[each.decision.action]), tell(each.decision.because))
        for each in ruling.rulings
    )
    return fill(made, rows)


def _demand_table(ruling: TierRuling) -> Table:
    made = table(
        say(zh="该级别对备份恢复的要求", en="What the level asks of backup and recovery"),
        say(zh="条款 (GB/T 22239-2019)", en="clause (GB/T 22239-2019)"),
        say(zh="要求", en="demand"),
    )
    return fill(made, ((demand.clause, tell(demand.text)) for demand in ruling.demands))


def _conclusions(ruling: TierRuling) -> list[str]:
    sentences = [tell(ruling.derived.because)]
    if ruling.effective != ruling.derived:
        sentences.append(tell(ruling.effective.because))
    return sentences


def _impact(impact: Impact) -> str:
    return f"{tell(OBJECTS[impact.object])}: {tell(DEGREES[impact.degree])}"


def _units(inventory: Inventory, ids: tuple[str, ...]) -> str:
    return say(zh="、", en="; ").join(tell(inventory.unit(id).name) for id in ids) or "-"


def _yes(answer: bool) -> str:
    return say(zh="是", en="yes") if answer else "-"
