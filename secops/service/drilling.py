"""Drills: run in isolation, due by tier, each asset with a badge; one that failed or is overdue is a finding."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from backup.drills import CHECK, Badge, Drilled, drill_weaknesses
from playbooks.actions.drill_restore import definition
from playbooks.copies import copied_assets
from playbooks.records import step_records
from secops.execution.journal import Mode, Run, RunState
from secops.model.city import Asset
from secops.model.outcome import Evaluation, Outcome
from secops.model.text import Text
from secops.service.copying import place_of
from secops.service.home import Home
from secops.service.running import UNATTENDED, Ended, Watchers, start
from secops.support.errors import BadInput

PLAYBOOK = "drill-restore"


def run_drill(home: Home, asset: str, place: str = "", watchers: Watchers = UNATTENDED) -> Ended:
    """Drill the recovery of one asset, in that place or the one on its host. Raises BadInput for an unknown one."""
    source = home.inventory.asset(asset)
    where = home.inventory.place(place) if place else place_of(home.inventory, source)
    inputs = {"asset": source.id, "system": home.inventory.system_of(source.id).id, "place": where.id}
    playbook = home.library.get(PLAYBOOK)
    return start(home, playbook, inputs, mode=Mode.DRILL, trigger=f"drill:{source.id}", watchers=watchers)


def assets_named(home: Home, name: str) -> tuple[Asset, ...]:
    """The asset of that id, or those of a system that are to be copied. Raises BadInput when it is neither."""
    copied = list(copied_assets(home.inventory, home.policies))
    if any(system.id == name for system in home.inventory.systems):
        mine = tuple(asset for asset in copied if home.inventory.system_of(asset.id).id == name)
        if not mine:
            raise BadInput(
                Text(
                    f"系统 {name} 没有要备份的资产,无可演练", f"nothing of system {name} is copied, so nothing to drill"
                )
            )
        return mine
    return (home.inventory.asset(name),)


def badges(home: Home) -> Iterator[Badge]:
    """One for each asset that its tier wants copied."""
    last = _by_asset(home.journal.newest_drills(succeeded=False))
    proven = _by_asset(home.journal.newest_drills(succeeded=True))
    for asset in copied_assets(home.inventory, home.policies):
        system = home.inventory.system_of(asset.id)
        tier = home.inventory.tier(system)
        assert tier is not None, "only what has a tier is copied"
        policy, good = home.policies[tier], proven.get(asset.id)
        changed = _changed(home, asset, good) if good else ()
        newest = last.get(asset.id)
        yield Badge(asset.id, system.id, policy, _drilled(newest), _drilled(good), changed)


def due_drills(home: Home, moment: datetime) -> list[Badge]:
    """What is to be drilled now, what was never proven first, then the longest ago."""
    due = [badge for badge in badges(home) if badge.overdue(moment)]
    return sorted(due, key=lambda badge: (badge.proven is not None, badge.due or moment, badge.asset))


def assess_drills(home: Home, moment: datetime, chosen: Iterable[Asset] | None = None) -> Iterator[Evaluation]:
    """One evaluation of `drills` per asset that is to be copied; of those chosen, when some are."""
    wanted = {asset.id for asset in chosen} if chosen is not None else None
    for badge in badges(home):
        if wanted is None or badge.asset in wanted:
            yield _evaluation(badge, moment)


def _drilled(run: Run | None) -> Drilled | None:
    return Drilled(run.id, run.started, run.state is RunState.SUCCEEDED, run.because) if run else None


def _by_asset(runs: Iterable[Run]) -> Mapping[str, Run]:
    return {str(run.inputs["values"]["asset"]): run for run in runs if run.playbook == PLAYBOOK}


def _changed(home: Home, asset: Asset, proven: Run) -> tuple[Text, ...]:
    changed = []
    before = hashlib.sha256(proven.text.encode()).hexdigest()[:12]
    present = hashlib.sha256(home.library.get(PLAYBOOK).text.encode()).hexdigest()[:12]
    if before != present:
        changed.append(Text(f"剧本已变({before} → {present})", f"the playbook ({before} → {present})"))
    records = step_records(home.journal.entries(proven.id))
    if records["restore"].outputs["definition"] != definition(home.inventory, asset):
        changed.append(Text("清单中的系统已变", "what the inventory says of the system"))
    newest = next(iter(home.catalogue.page(asset=asset.id, limit=1)), None)
    if newest and newest.engine != home.catalogue.get(records["restore"].outputs["point"]).engine:
        changed.append(Text(f"备份引擎已变为 {newest.engine}", f"the engine, which is {newest.engine} now"))
    return tuple(changed)


def _evaluation(badge: Badge, moment: datetime) -> Evaluation:
    weaknesses = tuple(drill_weaknesses(badge, moment))
    outcome = Outcome.FOUND if weaknesses else Outcome.TESTED_CLEAN
    days = badge.days(moment)
    reason = weaknesses[0].reason if weaknesses else Text(f"{days} 天前演练成功", f"drilled well {days} days ago")
    return Evaluation(badge.asset, badge.system, CHECK, outcome, moment, 0.0, reason, weaknesses)
