"""What the metrics of the catalogue are at this moment, read from a home: one small function per metric."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import datetime
from functools import cached_property, lru_cache
from itertools import product
from pathlib import Path
from typing import TypeAlias

from backup.catalogue import Tally
from backup.forecast import forecasts
from backup.measured import Measured, measured
from backup.policies import Policy
from backup.protection import Protected
from playbooks.copies import copied_assets, vaults_by_tier
from secops.evidence.chain import Kind
from secops.evidence.verify import BrokenPack, read_pack
from secops.execution.journal import Mode, RunState
from secops.model.acceptance import Standing as OfAcceptance
from secops.model.city import Asset, CentreRole, Level
from secops.model.finding import Severity, State
from secops.model.outcome import Outcome
from secops.service.home import Home
from secops.service.packing import pack_path
from secops.service.protecting import Protection
from secops.service.storing import open_outbox
from secops.store.finding_store import CoverageRow
from secops.store.outbox import OutboxStatus
from secops.store.query import (
    And,
    Comparison,
    Condition,
    Equals,
    Query,
    Range,
    all_of,
    one_of,
    without_parts,
)
from secops.support.clock import now
from secops.support.errors import BadInput

Series: TypeAlias = Iterable[tuple[tuple[str, ...], float]]
"""Values of the labels in the catalogue's order, and the value."""

NO_LEVEL = "none"
"""Of a finding whose system left the inventory."""
NEVER = "never"
_STORES = {
    "findings": "findings.sqlite*",
    "journal": "journal.sqlite*",
    "restore_points": "restore_points.sqlite*",
    "evidence": "evidence/*",
    "outbox": "outbox.sqlite*",
}
"""The service's records below its state folder; a database counts with its write-ahead log."""
_OPEN = tuple(state for state in State if state.open)
_WAITING = (RunState.WAITING_APPROVAL, RunState.WAITING_DECISION)


class View:
    """One look at a home: what is read once and serves several metrics."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.at = now()
        self.runs = home.journal.counts()

    @cached_property
    def coverage(self) -> dict[tuple[str, str], CoverageRow | None]:
        """The newest evaluation of each asset and check that a whole scan would evaluate."""
        rows = {(row.asset, row.check): row for row in self.home.store.coverage()}
        return {(asset, check): rows.get((asset, check)) for _, asset, check in self.home.eyes.everything()}

    @cached_property
    def tallies(self) -> dict[tuple[str, str], list[Tally]]:
        """By system and vault; copies of assets that left the inventory are left out."""
        known = {asset.id: self.home.inventory.system_of(asset.id).id for asset in self.home.inventory.assets()}
        found = defaultdict(list)
        for tally in self.home.catalogue.tallies():
            if tally.asset in known:
                found[known[tally.asset], tally.vault].append(tally)
        return dict(found)

    @cached_property
    def outbox(self) -> OutboxStatus:
        """What waits for Elasticsearch; nothing when findings are kept in a file."""
        if self.home.settings.store.kind == "sqlite":
            return OutboxStatus(0, None, 0, 0, 0)
        with closing(open_outbox(self.home.settings.store, self.home.state)) as opened:
            return opened.standing()

    @cached_property
    def policies(self) -> list[tuple[str, Policy]]:
        """The policy of every system that has a tier."""
        inventory = self.home.inventory
        tiers = ((system.id, inventory.tier(system)) for system in inventory.systems)
        return [(system, self.home.policies[tier]) for system, tier in tiers if tier]

    @cached_property
    def protected(self) -> list[Protected]:
        """Everything that is to be copied, with its copies."""
        protection = Protection(self.home, self.at)
        return [protection.of(asset) for asset in protection.assets()]

    def furthest_behind(self, moment: Callable[[Tally], datetime | None]) -> Series:
        """The earliest moment of the assets of a system in a vault; nothing when one of them has none."""
        for pair, tallies in self.tallies.items():
            moments = [found for tally in tallies if (found := moment(tally))]
            if len(moments) == len(tallies):
                yield pair, min(moments).timestamp()


FILLED: dict[str, Callable[[View], Series]] = {}
"""What fills each metric of the catalogue, by name."""


def fills(name: str) -> Callable[[Callable[[View], Series]], Callable[[View], Series]]:
    """Marks what fills the metric of that name."""

    def mark(fill: Callable[[View], Series]) -> Callable[[View], Series]:
        FILLED[name] = fill
        return fill

    return mark


@fills("jindun_findings_open")
def _findings_open(view: View) -> Series:
    levels = {system.id: str(int(view.home.inventory.level(system))) for system in view.home.inventory.systems}
    counts: Counter[tuple[str, ...]] = Counter()
    open_ones = without_parts(Query(one_of("state", _OPEN)))
    found = view.home.store.count(open_ones, by=("severity", "system", "state"))
    for (severity, system, state), number in found.items():
        counts[severity, levels.get(system, NO_LEVEL), state] += number
    shown = product(Severity, [str(int(level)) for level in Level], _OPEN)
    return (dict.fromkeys(shown, 0) | counts).items()


@fills("jindun_findings_overdue")
def _findings_overdue(view: View) -> Series:
    return _open_by_severity(view, Range("due", Comparison.AT_MOST, view.at))


@fills("jindun_findings_near_due")
def _findings_near_due(view: View) -> Series:
    near = And((Equals("deadline", "near"), Range("due", Comparison.MORE, view.at)))
    return _open_by_severity(view, near)


def _open_by_severity(view: View, condition: Condition) -> Series:
    query = without_parts(Query(all_of([condition, one_of("state", _OPEN)])))
    counts = view.home.store.count(query, by=("severity",))
    return [((severity,), counts.get((severity,), 0)) for severity in Severity]


@fills("jindun_risk_acceptances")
def _risk_acceptances(view: View) -> Series:
    standings = Counter(one.standing(view.at) for one in view.home.store.acceptances())
    return [((standing,), standings[standing]) for standing in (OfAcceptance.REQUESTED, OfAcceptance.APPROVED)]


@fills("jindun_pairs_untested")
def _pairs_untested(view: View) -> Series:
    outcomes = Counter(row.outcome.value if row else NEVER for row in view.coverage.values())
    # Reports of other tools are partial by nature; no scan of ours owes these pairs.
    untested = [one.value for one in Outcome if not one.successful and one is not Outcome.PARTIAL]
    return [((outcome,), outcomes[outcome]) for outcome in (*untested, NEVER)]


@fills("jindun_check_last_success_timestamp_seconds")
def _check_last_success(view: View) -> Series:
    newest: dict[str, datetime] = {}
    for (_, check), row in view.coverage.items():
        if row and row.last_successful:
            newest[check] = max(row.last_successful, newest.get(check, row.last_successful))
    return [((check,), moment.timestamp()) for check, moment in newest.items()]


@fills("jindun_restore_points")
def _restore_points(view: View) -> Series:
    return [(pair, sum(tally.points for tally in tallies)) for pair, tallies in view.tallies.items()]


@fills("jindun_assets_without_copy")
def _assets_without_copy(view: View) -> Series:
    missing: Counter[tuple[str, ...]] = Counter()
    for system, asset in _to_be_copied(view.home):
        for vault in _vaults(view.home, asset):
            copied = {tally.asset for tally in view.tallies.get((system, vault), ())}
            missing[system, vault] += asset.id not in copied
    return missing.items()


def _to_be_copied(home: Home) -> Iterator[tuple[str, Asset]]:
    """The system and asset of everything that is to be copied."""
    for asset in copied_assets(home.inventory, home.policies):
        yield home.inventory.system_of(asset.id).id, asset


def _vaults(home: Home, asset: Asset) -> Sequence[str]:
    try:
        return [vault.id for vault in vaults_by_tier(home.inventory, asset, home.policies)]
    except BadInput:
        return ()


@fills("jindun_copy_newest_timestamp_seconds")
def _copy_newest(view: View) -> Series:
    return view.furthest_behind(lambda tally: tally.newest)


@fills("jindun_copy_newest_clean_timestamp_seconds")
def _copy_newest_clean(view: View) -> Series:
    return view.furthest_behind(lambda tally: tally.newest_clean)


@fills("jindun_copy_proven_timestamp_seconds")
def _copy_proven(view: View) -> Series:
    return view.furthest_behind(lambda tally: tally.proven)


@fills("jindun_recoverable_timestamp_seconds")
def _recoverable(view: View) -> Series:
    """By centre: the vault that is furthest on, of the asset that is furthest behind."""
    behind: dict[tuple[str, ...], float] = {}
    for protected in view.protected:
        for role in CentreRole:
            if moments := [shelf.newest.timestamp() for shelf in protected.in_role(role) if shelf.newest]:
                key = (protected.system, role.value)
                behind[key] = min(max(moments), behind.get(key, max(moments)))
    return behind.items()


@fills("jindun_canary_acknowledged_timestamp_seconds")
def _canary_acknowledged(view: View) -> Series:
    behind: dict[tuple[str, ...], float] = {}
    for protected in view.protected:
        if protected.rhythm and (newest := protected.rhythm.newest):
            moment = newest.acknowledged.timestamp()
            behind[(protected.system,)] = min(moment, behind.get((protected.system,), moment))
    return behind.items()


@fills("jindun_canary_recoverable_timestamp_seconds")
def _canary_recoverable(view: View) -> Series:
    """By centre the place that is furthest on, of the asset that is furthest behind."""
    behind: dict[tuple[str, ...], float] = {}
    for protected in view.protected:
        furthest: dict[tuple[str, str, str], float] = {}
        for found in measured(protected):
            if found.holding.moment:
                key, moment = _canary_labels(protected, found), found.holding.moment.timestamp()
                furthest[key] = max(moment, furthest.get(key, moment))
        for labels, moment in furthest.items():
            behind[labels] = min(moment, behind.get(labels, moment))
    return behind.items()


@fills("jindun_canaries_missing")
def _canaries_missing(view: View) -> Series:
    return _canary_counts(view, lambda one: one.missing_count)


@fills("jindun_canaries_forged")
def _canaries_forged(view: View) -> Series:
    return _canary_counts(view, lambda one: one.holding.forged)


def _canary_counts(view: View, count: Callable[[Measured], int]) -> Series:
    counted: Counter[tuple[str, ...]] = Counter()
    for protected in view.protected:
        for found in measured(protected):
            counted[_canary_labels(protected, found)] += count(found)
    return counted.items()


def _canary_labels(protected: Protected, found: Measured) -> tuple[str, str, str]:
    return protected.system, found.role.value, "replica" if found.live else "copy"


@fills("jindun_rto_forecast_seconds")
def _rto_forecast(view: View) -> Series:
    """By vault that can bring back every asset of the system: one after the other."""
    took: defaultdict[tuple[str, ...], list[float]] = defaultdict(list)
    for protected in view.protected:
        for forecast in forecasts(protected):
            took[protected.system, forecast.vault].append(forecast.seconds)
    assets = Counter(protected.system for protected in view.protected)
    return [(pair, sum(seconds)) for pair, seconds in took.items() if len(seconds) == assets[pair[0]]]


@fills("jindun_rpo_target_seconds")
def _rpo_target(view: View) -> Series:
    return [((system,), policy.from_copy.rpo) for system, policy in view.policies]


@fills("jindun_rto_target_seconds")
def _rto_target(view: View) -> Series:
    return [((system,), policy.from_copy.rto) for system, policy in view.policies]


@fills("jindun_proof_target_seconds")
def _proof_target(view: View) -> Series:
    return [((system,), policy.verify_every) for system, policy in view.policies]


@fills("jindun_runs_open")
def _runs_open(view: View) -> Series:
    return [(pair, count) for pair, count in view.runs.items() if not pair[1].ended]


@fills("jindun_runs_ended_total")
def _runs_ended(view: View) -> Series:
    return [(pair, count) for pair, count in view.runs.items() if pair[1].ended]


@fills("jindun_runs_waiting")
def _runs_waiting(view: View) -> Series:
    return [((), sum(view.runs[Mode.REAL, state] for state in _WAITING))]


@fills("jindun_recovery_seconds")
def _recovery(view: View) -> Series:
    for run in view.home.journal.last_succeeded():
        # T1 is the finding's; without it nobody knows T0 either.
        pack = pack_path(view.home, run.id)
        if run.inputs["finding"] and pack.is_file() and (seconds := _recovery_in(pack)) is not None:
            yield (run.inputs["system"], run.playbook), seconds


@lru_cache(maxsize=4096)
def _recovery_in(pack: Path) -> float | None:
    """T5−T0 as a pack says it; None when it does not, or is not whole. Packs never change."""
    seconds = None
    try:
        for record in read_pack(pack, None):
            if record.kind == Kind.TIMING:
                seconds = record.body["measures"]["rto"]["seconds"]  # type: ignore[index]
    except (BrokenPack, BadInput):
        return None
    return seconds


@fills("jindun_outbox_entries")
def _outbox_entries(view: View) -> Series:
    return [((), view.outbox.depth)]


@fills("jindun_outbox_oldest_timestamp_seconds")
def _outbox_oldest(view: View) -> Series:
    return [((), view.outbox.oldest.timestamp())] if view.outbox.oldest else ()


@fills("jindun_outbox_dead_letters")
def _outbox_dead_letters(view: View) -> Series:
    return [((), view.outbox.dead_letters)]


@fills("jindun_outbox_dropped_observations_total")
def _outbox_dropped(view: View) -> Series:
    return [((), view.outbox.dropped_observations)]


@fills("jindun_state_bytes")
def _state_bytes(view: View) -> Series:
    return [((store,), sum(map(_size, view.home.state.glob(pattern)))) for store, pattern in _STORES.items()]


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:  # a write-ahead log goes when its last reader does
        return 0


@fills("jindun_collected_timestamp_seconds")
def _collected(_view: View) -> Series:
    return [((), now().timestamp())]
