"""How well the city's assets are protected, read from a home: shortfalls and anomalies as findings, plans, forecasts."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from backup.anomalies import anomalies
from backup.catalogue import Look
from backup.measured import canary_weaknesses
from backup.policies import Policy
from backup.protection import Protected, Rhythm, Shelf, ThreeTwoOne, three_two_one, worst
from backup.shortfall import CHECK as COPIES_CHECK
from backup.shortfall import shortfalls
from backup.vaults import visible
from playbooks.copies import copied_assets, replicas_of, unit_of
from secops.model.city import Asset, Vault
from secops.model.finding import Weakness
from secops.model.outcome import Evaluation, Outcome
from secops.model.restore_point import RestorePoint
from secops.model.text import Text
from secops.service.home import Home
from secops.support.durations import parse_duration
from secops.support.errors import BadInput

__all__ = ["COPIES_CHECK", "Protection", "SystemPlan", "assess_copies", "system_plans"]


class Protection:
    """One look at what protects the assets; what is read once serves every question."""

    def __init__(self, home: Home, moment: datetime) -> None:
        self._home = home
        self.moment = moment

    def assets(self) -> Iterator[Asset]:
        """Everything that is to be copied."""
        return copied_assets(self._home.inventory, self._home.policies)

    def of(self, asset: Asset) -> Protected:
        """What its tier asks for, and what there is. Raises BadInput for an asset whose system has no tier."""
        inventory = self._home.inventory
        system = inventory.system_of(asset.id)
        tier = inventory.tier(system)
        if tier is None:
            raise BadInput(Text(f"系统 {system.id} 没有灾备等级要求", f"no DR tier is asked for system {system.id}"))
        unit = unit_of(inventory, asset)
        points = self._home.catalogue.points(asset.id)
        by_vault = {vault.id: tuple(point for point in points if point.vault == vault.id) for vault in self._vaults}
        usable = visible(self._vaults, unit)
        kept = tuple(self._shelf(asset, vault, by_vault[vault.id], unit) for vault in usable)
        site = inventory.centre(asset.centre).site
        return Protected(asset, system.id, unit, site, self._home.policies[tier], kept, self._rhythm(asset))

    def _rhythm(self, asset: Asset) -> Rhythm | None:
        if asset.canary is None:
            return None
        ledger, inventory = self._home.canaries, self._home.inventory
        holdings = tuple(ledger.holdings(asset.id))
        lost = {one.subject: ledger.acknowledged_after(asset.id, one.newest) for one in holdings}
        followers = [(one.id, inventory.centre(one.centre).role) for one in replicas_of(inventory, asset)]
        every = parse_duration(asset.canary.every)
        return Rhythm(every, ledger.newest(asset.id), holdings, lost, tuple(followers))

    def evaluation(self, asset: Asset) -> Evaluation:
        """What the copies of one asset are found to lack, or to tell."""
        protected = self.of(asset)
        moment = self.moment
        found = (
            *shortfalls(protected, moment),
            *anomalies(protected, moment),
            *canary_weaknesses(protected, moment),
        )
        outcome = Outcome.FOUND if found else Outcome.TESTED_CLEAN
        figures = three_two_one(protected)
        good = Text(
            f"备份达到 {protected.policy.tier} 级要求(3-2-1-1-0:{figures.text})",
            f"the copies are what tier {protected.policy.tier} asks for (3-2-1-1-0: {figures.text})",
        )
        reason = found[0].reason if found else good
        return Evaluation(asset.id, protected.system, COPIES_CHECK, outcome, self.moment, 0.0, reason, found)

    def _shelf(self, asset: Asset, vault: Vault, points: tuple[RestorePoint, ...], unit: str) -> Shelf:
        centre = self._home.inventory.centre(vault.centre)
        key = (asset.id, vault.id)
        used = self._use.get(vault.id, {}).get(unit, 0)
        return Shelf(vault, centre.role, centre.site, points, self._looks.get(key), self._logs.get(key), used)

    @cached_property
    def _vaults(self) -> tuple[Vault, ...]:
        return self._home.inventory.city.vaults

    @cached_property
    def _looks(self) -> dict[tuple[str, str], Look]:
        return {(look.asset, look.vault): look for look in self._home.catalogue.looks()}

    @cached_property
    def _logs(self) -> dict[tuple[str, str], datetime]:
        return self._home.catalogue.logs()

    @cached_property
    def _use(self) -> dict[str, dict[str, int]]:
        return {vault.id: self._home.catalogue.use(vault.id) for vault in self._vaults}


@dataclass(frozen=True, slots=True)
class SystemPlan:
    """What one system gets by its tier, and how its copies stand."""

    system: str
    name: Text
    unit: str
    policy: Policy
    figures: ThreeTwoOne | None
    """3-2-1-1-0 of the worst of its assets; None: it has nothing that is to be copied."""
    assets: tuple[Protected, ...]
    shortfalls: tuple[tuple[str, Weakness], ...]
    """With the asset that each is of, the gravest first."""


def system_plans(home: Home, moment: datetime, unit: str = "", system: str = "") -> Iterator[SystemPlan]:
    """Of every system with a tier, or of the one; with a unit, of those that it leads."""
    protection = Protection(home, moment)
    to_be_copied = list(protection.assets())
    for one in (home.inventory.system(system),) if system else home.inventory.systems:
        tier = home.inventory.tier(one)
        if tier is None or (unit and one.lead_units[0] != unit):
            continue
        mine = [asset for asset in to_be_copied if home.inventory.system_of(asset.id).id == one.id]
        assets = tuple(map(protection.of, mine))
        found = [(asset.id, weakness) for asset in mine for weakness in protection.evaluation(asset).weaknesses]
        found.sort(key=lambda pair: -pair[1].severity.rank)
        figures = worst(map(three_two_one, assets))
        yield SystemPlan(one.id, one.name, one.lead_units[0], home.policies[tier], figures, assets, tuple(found))


def assess_copies(home: Home, moment: datetime, chosen: Iterable[Asset] | None = None) -> Iterator[Evaluation]:
    """One evaluation of `copies` per asset that is to be copied; of those chosen, when some are."""
    protection = Protection(home, moment)
    wanted = {asset.id for asset in chosen} if chosen is not None else None
    for asset in protection.assets():
        if wanted is None or asset.id in wanted:
            yield protection.evaluation(asset)
