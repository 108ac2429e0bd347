"""From sightings to evaluations: matched with assets, one for each (asset, check), each weakness once."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from secops.exchange.addresses import AssetIndex
from secops.exchange.importer import Sighting
from secops.model.city import Asset
from secops.model.finding import Weakness
from secops.model.outcome import Evaluation, Outcome
from secops.model.text import Text

_NO_SCANNER_YET = datetime(1990, 1, 1, tzinfo=UTC)
"""Moments before are clocks that were never set."""
_Identity = tuple[str, str, tuple[str, ...]]


@dataclass(slots=True)
class _Seen:
    """What a tool said of one asset."""

    system: str
    first: datetime
    last: datetime
    records: int = 0
    untested: bool = False
    weaknesses: dict[_Identity, Weakness] = field(default_factory=dict)


class Gathering:
    """Takes the sightings of one report. Memory grows with the weaknesses that differ, not with the records."""

    def __init__(self, assets: AssetIndex, written: datetime, latest: datetime) -> None:
        """`written` is when the report was, for records that do not say; nothing is later than `latest`."""
        self._assets = assets
        self._written = min(written, latest)
        self._latest = latest
        self._seen: dict[tuple[str, str], _Seen] = {}
        self.records = 0
        self.unmatched: Counter[str] = Counter()
        """How many records name an address that is no asset's, by the first address; empty: they name none."""

    def take(self, sighting: Sighting) -> None:
        self.records += 1
        found = self._assets.find(sighting.addresses)
        if found is None:
            self.unmatched[sighting.addresses[0] if sighting.addresses else ""] += 1
            return
        system, asset = found
        at = min(sighting.at, self._latest) if sighting.at and sighting.at > _NO_SCANNER_YET else self._written
        seen = self._seen.setdefault((asset.id, sighting.tool), _Seen(system, at, at))
        seen.first, seen.last = min(seen.first, at), max(seen.last, at)
        seen.records += 1
        seen.untested |= sighting.untested
        if sighting.weakness and not _declared(asset, sighting):
            _keep(seen.weaknesses, sighting.weakness)

    def evaluations(self, complete: bool, noisy: bool = False) -> Iterator[Evaluation]:
        """One per asset and check.

        Args:
            complete: the report holds all that its tool has to say of the assets in it, so that what it does not
                name is gone. Never so for a tool that could not carry out a test, nor for checks of our own.
            noisy: its tool may overlook what is there.
        """
        for (asset, check), seen in self._seen.items():
            whole = complete and not seen.untested and check.startswith("tool.")
            carried_out = Outcome.FOUND if seen.weaknesses else Outcome.TESTED_CLEAN
            yield Evaluation(
                asset=asset,
                system=seen.system,
                check=check,
                outcome=carried_out if whole else Outcome.PARTIAL,
                # An absence holds from the first record on; of sightings the last is the one that still counts.
                started=seen.first if whole else seen.last,
                seconds=0.0,
                reason=_reason(seen, whole),
                weaknesses=tuple(seen.weaknesses.values()),
                noisy=noisy,
            )


def _declared(asset: Asset, sighting: Sighting) -> bool:
    return sighting.open_port != 0 and sighting.open_port in asset.ports


def _keep(weaknesses: dict[_Identity, Weakness], weakness: Weakness) -> None:
    """One for each identity, the worst."""
    key = (weakness.weakness_class.value, weakness.rule, weakness.locator)
    known = weaknesses.get(key)
    if known is None or weakness.severity.rank > known.severity.rank:
        weaknesses[key] = weakness


def _reason(seen: _Seen, whole: bool) -> Text:
    found = len(seen.weaknesses)
    if whole:
        return Text(
            f"导入完整报告:{seen.records} 条记录,{found} 个弱点",
            f"imported a complete report: {seen.records} records, {found} weaknesses",
        )
    return Text(
        f"导入:{seen.records} 条记录,{found} 个弱点;报告中没有的不算已消失",
        f"imported: {seen.records} records, {found} weaknesses; what is not in the report is not proven gone",
    )
