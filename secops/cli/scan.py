"""`secops scan`: look at the city, record what is found and what could not be tested."""

import getpass
import sys
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from backup.drills import CHECK as DRILLS_CHECK
from scanners.scan import Pair
from secops.cli.finding_words import kept_here
from secops.cli.options import AsJson
from secops.cli.run_views import StepLines, print_run
from secops.cli.scan_views import coverage, progress_bar, worst_findings
from secops.cli.tables import console, plain, print_json
from secops.cli.web_scan import HELP, web
from secops.model.city import Asset, AssetKind, System
from secops.model.finding import Finding
from secops.model.outcome import Evaluation
from secops.model.text import Text
from secops.service.assessing import TIER_CHECK, assess_tiers, place_of
from secops.service.drilling import assess_drills
from secops.service.home import Home, open_home
from secops.service.own_soundness import CHECK as OWN_CHECK
from secops.service.own_soundness import assess_ourselves
from secops.service.protecting import COPIES_CHECK, assess_copies
from secops.service.reacting import react, reactions
from secops.service.running import Ended, Watchers
from secops.service.scanning import Scanned
from secops.support.clock import now
from secops.support.errors import BadInput
from secops.support.language import say

verb = typer.Typer(
    name="scan",
    help=say(
        zh="扫描授权范围内的资产,并核对各系统的灾备等级(dr-tier)与备份(copies)。退出码:1 有发现,3 有未能测到的。",
        en="Scan the assets in the authorised scope, and assess the DR tier (dr-tier) and the copies (copies) of each. "
        "Exit code 1: something is found; 3: something went untested.",
    ),
    invoke_without_command=True,
)

Systems = Annotated[list[str] | None, typer.Option("--system", help=say(zh="只扫描该系统。", en="Only this system."))]
Assets = Annotated[list[str] | None, typer.Option("--asset", help=say(zh="只扫描该资产。", en="Only this asset."))]
Kinds = Annotated[list[AssetKind] | None, typer.Option("--kind", help=say(zh="只扫描该类资产。", en="Only this kind."))]
Checks = Annotated[list[str] | None, typer.Option("--check", help=say(zh="只用该检查。", en="Only this check."))]
React = Annotated[
    bool,
    typer.Option(
        "--react", help=say(zh="对新发现执行匹配的剧本。", en="Run the playbooks that new findings call for.")
    ),
]
Learn = Annotated[
    bool,
    typer.Option("--learn", help=say(zh="把现在看到的批准为基线。", en="Approve what is seen now as the baseline.")),
]


@verb.callback()
def scan(
    context: typer.Context,
    system: Systems = None,
    asset: Assets = None,
    kind: Kinds = None,
    check: Checks = None,
    with_reaction: React = False,
    learn: Learn = False,
    as_json: AsJson = False,
) -> None:
    """Scan, print, perhaps react."""
    if context.invoked_subcommand:
        return
    with open_home() as home:
        chosen = _chosen(home, system or [], asset or [], kind or [])
        pairs = home.eyes.pairs(chosen, check or [])
        if pairs:
            _require_authorised(home)
        if learn:
            sys.exit(_learn(home, pairs, as_json))
        if with_reaction:
            list(home.library)  # a playbook with a mistake is told of before anything is scanned
        narrowed = bool(asset or kind)
        systems = _assessed(home, system or [], chosen, narrowed) if not check or TIER_CHECK in check else []
        copied = assess_copies(home, now(), chosen) if not check or COPIES_CHECK in check else ()
        drilled = assess_drills(home, now(), chosen) if not check or DRILLS_CHECK in check else ()
        ourselves = _ourselves(home, check or [], narrowed or bool(system))
        assessed = [*assess_tiers(home.inventory, systems), *copied, *drilled, *ourselves]
        with progress_bar(console(), len(pairs) + len(assessed), quiet=as_json) as watch:
            scanned = home.eyes.scan(pairs, watch, assessed)
        if not as_json:
            _show(home, scanned)
        runs = list(_react(home, scanned, quiet=as_json)) if with_reaction else []
        if as_json:
            _show_json(home, scanned, runs)
        sys.exit(_exit_code(scanned))


verb.command("web", help=HELP)(web)


def _learn(home: Home, pairs: Sequence[Pair], as_json: bool) -> int:
    """The exit code: 3 when something that a check compares with a baseline could not be seen."""
    approved = len(home.eyes.learn(pairs, getpass.getuser()))
    unseen = sum(pair.check.uses_baseline for pair in pairs) - approved
    if as_json:
        print_json({"approved": approved, "unseen": unseen})
        return 3 if unseen else 0
    console().print(say(zh=f"已批准 {approved} 条基线。", en=f"Baselines approved: {approved}."))
    if unseen:
        zh, en = f"另有 {unseen} 条未能看到,原因见", f"Could not be seen: {unseen}; why:"
        console(stderr=True).print(f"{say(zh=zh, en=en)} secops findings coverage", style="yellow")
    return 3 if unseen else 0


def _require_authorised(home: Home) -> None:
    if not home.settings.scope.approved_by:
        raise BadInput(
            Text(
                "没有扫描授权:请在 jindun.yaml 的 scope 中写明批准人和网段",
                "nothing is authorised to be scanned: name the approver and the networks under `scope` in jindun.yaml",
            )
        )


def _chosen(home: Home, systems: list[str], assets: list[str], kinds: list[AssetKind]) -> list[Asset]:
    """The assets that match all that is given. Raises BadInput for unknown ids."""
    for name in systems:
        home.inventory.system(name)
    wanted = [home.inventory.asset(name) for name in assets] or list(home.inventory.assets())
    return [
        one
        for one in wanted
        if (not systems or home.inventory.system_of(one.id).id in systems) and (not kinds or one.kind in kinds)
    ]


def _assessed(home: Home, systems: list[str], chosen: list[Asset], narrowed: bool) -> list[System]:
    """The systems whose tier is assessed: with the asset that bears it; those without assets unless narrowed to some."""
    wanted = [home.inventory.system(name) for name in systems] or home.inventory.systems
    known = {asset.id for asset in chosen}
    return [one for one in wanted if place_of(home.inventory, one) in known or not (one.assets or narrowed)]


def _ourselves(home: Home, checks: list[str], narrowed: bool) -> list[Evaluation]:
    """What is weak in the service itself, when everything is looked at or this is asked for."""
    wanted = OWN_CHECK in checks or not (checks or narrowed)
    return [assess_ourselves(home.settings, now())] if wanted else []


def _show(home: Home, scanned: Scanned) -> None:
    screen = console()
    screen.print(coverage(scanned.evaluations))
    recorded = scanned.recorded
    counted = say(zh="新 {} · 仍在 {} · 复发 {} · 已解决 {}", en="new {} · still there {} · came back {} · resolved {}")
    changes = (recorded.new, recorded.seen_again, recorded.reopened, recorded.resolved)
    screen.print(counted.format(*map(len, changes)))
    if recorded.waiting:
        screen.print(kept_here(recorded.waiting), style="yellow", soft_wrap=True)
    if found := _changed(home, scanned):
        screen.print(worst_findings(found))


def _show_json(home: Home, scanned: Scanned, runs: list[Ended]) -> None:
    evaluations = [
        {"asset": one.asset, "check": one.check, "outcome": one.outcome, "reason": one.reason}
        for one in scanned.evaluations
    ]
    found = _changed(home, scanned)
    ended = [{"run": one.run.id, "playbook": one.run.playbook, "state": one.run.state} for one in runs]
    recorded = scanned.recorded
    print_json({"scan": scanned.id, "evaluations": evaluations, "recorded": recorded, "findings": found, "runs": ended})


def _changed(home: Home, scanned: Scanned) -> list[Finding]:
    return [home.store.get(name) for name in (*scanned.recorded.new, *scanned.recorded.reopened)]


def _react(home: Home, scanned: Scanned, quiet: bool) -> Iterator[Ended]:
    """Run what the findings call for, also those of an earlier scan that was cut off before its playbooks ran.

    A playbook whose inputs are missing is told of and keeps no other from running.
    """
    recorded = scanned.recorded
    for reaction in reactions(home, (*recorded.new, *recorded.reopened, *recorded.seen_again)):
        try:
            if quiet:
                yield react(home, reaction)
                continue
            with StepLines(console(), reaction.playbook.spec.name) as lines:
                ended = react(home, reaction, Watchers(on_progress=lines))
            print_run(home, ended)
            yield ended
        except BadInput as error:
            name = reaction.playbook.spec.id
            said = say(zh=f"剧本 {name} 未执行:{error}", en=f"playbook {name} was not run: {error}")
            console(stderr=True).print(plain(said, "yellow"))


def _exit_code(scanned: Scanned) -> int:
    if any(one.weaknesses for one in scanned.evaluations):
        return 1
    return 0 if all(one.outcome.successful for one in scanned.evaluations) else 3
