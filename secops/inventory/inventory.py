"""The city with indexes: find by id, filter, and ask for the level and tier of a system."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import NoReturn, TypeVar

from secops.inventory.grading import Grading, grade
from secops.inventory.tiers import TierRuling, tier_ruling
from secops.model.city import (
    Asset,
    AssetKind,
    Centre,
    CentreRole,
    City,
    Entry,
    Importance,
    Level,
    Place,
    Site,
    System,
    Tier,
    Unit,
    Vault,
)
from secops.model.cluster import Cluster
from secops.model.step import LOCAL
from secops.model.text import Text
from secops.support.errors import BadInput
from secops.support.suggestions import did_you_mean

Noun = TypeVar("Noun")


class Inventory:
    """A sound city (see `load`), never changed. Look-ups raise BadInput for an id that nothing has."""

    def __init__(self, city: City) -> None:
        self.city = city

    @property
    def systems(self) -> tuple[System, ...]:
        return self.city.systems

    def system(self, id: str) -> System:
        return _find(self._systems, id, Text("系统", "system"))

    def asset(self, id: str) -> Asset:
        return _find(self._assets, id, Text("资产", "asset"))[1]

    def system_of(self, asset_id: str) -> System:
        """The system that an asset is listed under."""
        return _find(self._assets, asset_id, Text("资产", "asset"))[0]

    def unit(self, id: str) -> Unit:
        return _find(self._units, id, Text("单位", "unit"))

    def site(self, id: str) -> Site:
        return _find({site.id: site for site in self.city.sites}, id, Text("地点", "site"))

    def centre(self, id: str) -> Centre:
        return _find({centre.id: centre for centre in self.city.centres}, id, Text("中心", "centre"))

    def centre_with(self, role: CentreRole) -> Centre | None:
        """The centre with that role, if the city has one."""
        return next((centre for centre in self.city.centres if centre.role is role), None)

    def vault(self, id: str) -> Vault:
        return _find({vault.id: vault for vault in self.city.vaults}, id, Text("备份库", "vault"))

    def place(self, id: str) -> Place:
        return _find({place.id: place for place in self.city.places}, id, Text("隔离区", "place"))

    def entry_of(self, system_id: str) -> Entry | None:
        """What clients of a system connect to, if it has an entry."""
        system = self.system(system_id)
        return next((entry for entry in self.city.entries if entry.system == system.id), None)

    def cluster(self, id: str) -> Cluster:
        return _find({cluster.id: cluster for cluster in self.city.clusters}, id, Text("集群", "cluster"))

    def clusters_of(self, system_id: str) -> tuple[Cluster, ...]:
        """The clusters that a system's data live in."""
        system = self.system(system_id)
        return tuple(cluster for cluster in self.city.clusters if cluster.system == system.id)

    def host_of(self, asset: Asset) -> Asset | None:
        """The host that holds an asset; a host holds itself, and the machine of the service is no asset."""
        if asset.kind is AssetKind.HOST:
            return asset
        return self.asset(asset.host) if asset.host not in ("", LOCAL) else None

    def grading(self, system: System) -> Grading:
        return grade(system.grade)

    def level(self, system: System) -> Level:
        return self.grading(system).system.action

    def tier_ruling(self, system: System) -> TierRuling:
        """The tier with every rule that had a say."""
        return tier_ruling(system, self.level(system))

    def tier(self, system: System) -> Tier | None:
        """The tier in effect: set by hand, else derived; None when no rule asks for one."""
        return self.tier_ruling(system).effective.action

    def assets(
        self, *, kind: AssetKind | None = None, centre: str | None = None, system: str | None = None
    ) -> tuple[Asset, ...]:
        """The assets that match all that is given, in the order of the file."""
        if centre is not None:
            self.centre(centre)
        listed = self.system(system).assets if system is not None else (asset for _, asset in self._assets.values())
        return tuple(
            asset for asset in listed if kind in (None, asset.kind) and (centre is None or asset.centre == centre)
        )

    def select(
        self,
        *,
        levels: Iterable[Level] = (),
        tiers: Iterable[Tier] = (),
        importances: Iterable[Importance] = (),
        kinds: Iterable[AssetKind] = (),
        unit: str | None = None,
        centre: str | None = None,
    ) -> tuple[System, ...]:
        """The systems that match all that is given; empty matches all. A unit matches in any of its three parts."""
        levels, tiers, importances, kinds = set(levels), set(tiers), set(importances), set(kinds)
        if unit is not None:
            self.unit(unit)
        if centre is not None:
            self.centre(centre)
        return tuple(
            system
            for system in self.systems
            if (not levels or self.level(system) in levels)
            and (not tiers or self.tier(system) in tiers)
            and (not importances or system.importance in importances)
            and (not kinds or any(asset.kind in kinds for asset in system.assets))
            and (unit is None or unit in units_of(system))
            and (centre is None or any(asset.centre == centre for asset in system.assets))
        )

    @cached_property
    def _systems(self) -> dict[str, System]:
        return {system.id: system for system in self.city.systems}

    @cached_property
    def _assets(self) -> dict[str, tuple[System, Asset]]:
        return {asset.id: (system, asset) for system in self.city.systems for asset in system.assets}

    @cached_property
    def _units(self) -> dict[str, Unit]:
        return {unit.id: unit for unit in self.city.units}


def units_of(system: System) -> tuple[str, ...]:
    """Lead, cooperating and supervising units, by id."""
    return (*system.lead_units, *system.cooperating_units, *system.supervising_units)


def _find(nouns: Mapping[str, Noun], id: str, called: Text) -> Noun:
    return nouns[id] if id in nouns else _unknown(id, nouns, called)


def _unknown(id: str, known: Iterable[str], called: Text) -> NoReturn:
    hint = did_you_mean(id, known)
    raise BadInput(Text(f'没有{called.zh} "{id}"{hint.zh}', f'there is no {called.en} "{id}"{hint.en}'))
