"""Scans: what is looked at, what is recorded, and the same again as a step of a playbook."""

import asyncio
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import orjson

from backup.drills import CHECK as DRILLS_CHECK
from backup.policies import Policy, shipped_policies
from backup.shortfall import CHECK as COPIES_CHECK
from playbooks.copies import copied_assets
from scanners.found import all_checks, checks_named
from scanners.reach import Reach
from scanners.scan import Limits, Pair, pairs_of, scan
from secops.execution.runner import failure
from secops.inventory.inventory import Inventory
from secops.model.city import Asset, Tier
from secops.model.outcome import Evaluation, Outcome
from secops.model.step import Rescan, Result, Trouble
from secops.service.assessing import TIER_CHECK, place_of
from secops.service.own_soundness import CHECK as OWN_CHECK
from secops.service.own_soundness import OURSELVES
from secops.store.event import Recorded
from secops.store.finding_store import FindingStore
from secops.support.clock import now
from secops.support.errors import JindunError
from secops.support.language import tell

_RECORD_AT_ONCE = 256
"""Evaluations between two commits: enough to be fast, few enough that a crash loses little of a scan."""


@dataclass(frozen=True, slots=True)
class Scanned:
    """One scan that has ended."""

    id: str
    evaluations: tuple[Evaluation, ...]
    recorded: Recorded


def _ignore(evaluation: Evaluation) -> None:
    """Nobody watches."""


class Eyes:
    """Looks at the city within the scope and writes down what it sees."""

    def __init__(
        self,
        inventory: Inventory,
        store: FindingStore,
        make_reach: Callable[[], Reach],
        limits: Limits,
        reviewer: Callable[[], Callable[[], object]],
        policies: Mapping[Tier, Policy] | None = None,
    ) -> None:
        """`reviewer` is called before a scan; it gives what is called when that is recorded."""
        self._policies = policies or shipped_policies()
        self._inventory = inventory
        self._store = store
        self._make_reach = make_reach
        self._limits = limits
        self._reviewer = reviewer

    def pairs(self, assets: Iterable[Asset], checks: Sequence[str] = ()) -> tuple[Pair, ...]:
        """Every (asset, check) that applies; all checks when none is named. Raises BadInput for unknown checks."""
        chosen = (
            checks_named(checks, others=(TIER_CHECK, OWN_CHECK, COPIES_CHECK, DRILLS_CHECK))
            if checks
            else tuple(all_checks().values())
        )
        return pairs_of(((self._inventory.system_of(asset.id).id, asset) for asset in assets), chosen)

    def everything(self) -> Iterator[tuple[str, str, str]]:
        """System, asset and check of all that a scan of the whole city evaluates."""
        for pair in self.pairs(self._inventory.assets()):
            yield pair.system, pair.asset.id, pair.check.name
        for system in self._inventory.systems:
            yield system.id, place_of(self._inventory, system), TIER_CHECK
        for asset in copied_assets(self._inventory, self._policies):
            for check in (COPIES_CHECK, DRILLS_CHECK):
                yield self._inventory.system_of(asset.id).id, asset.id, check
        yield OURSELVES, OURSELVES, OWN_CHECK

    def scan(
        self,
        pairs: Sequence[Pair],
        on_evaluated: Callable[[Evaluation], None] = _ignore,
        assessed: Iterable[Evaluation] = (),
    ) -> Scanned:
        """Evaluate the pairs and record each outcome, while the scan goes on. An interrupted scan is recorded too.

        Args:
            assessed: what was judged without touching a target; recorded as part of this scan.
        """
        name = f"{now():%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"
        recorder = _Recorder(self._store, name, on_evaluated)
        untouched, settle = tuple(assessed), self._reviewer()
        try:
            for evaluation in untouched:
                recorder.take(evaluation)
            evaluations = asyncio.run(self._look(pairs, recorder.take)) if pairs else ()
        finally:
            recorder.flush()
        settle()
        return Scanned(name, (*untouched, *evaluations), recorder.recorded)

    def learn(self, pairs: Sequence[Pair], approved_by: str) -> list[Evaluation]:
        """Approve what the checks that compare with a baseline see now as the baseline; gives what was approved."""
        comparing = [pair for pair in pairs if pair.check.uses_baseline]
        seen = [one for one in self.scan(comparing).evaluations if one.observation]
        for evaluation in seen:
            self._store.approve_baseline(evaluation.asset, evaluation.check, evaluation.observation, approved_by)
        return seen

    def perform(self, effect: Rescan, timeout_seconds: float) -> Result:
        """Look again, as a step of a playbook; see Performs.perform. Elsewhere than in place nothing is recorded."""
        try:
            asset = self._inventory.asset(effect.asset)
            pairs = self.pairs([asset], effect.checks)
            if effect.at:
                evaluations = asyncio.run(
                    asyncio.wait_for(self._look(pairs, _ignore, asset, effect.at), timeout_seconds)
                )
            else:
                evaluations = self.scan(pairs).evaluations
        except JindunError as error:
            return failure(Trouble.REFUSED, zh=error.text.zh, en=error.text.en)
        except TimeoutError:
            return failure(Trouble.TIMEOUT, zh="复测超时", en="the rescan took too long")
        return _result_of(evaluations, effect)

    async def _look(
        self,
        pairs: Sequence[Pair],
        on_evaluated: Callable[[Evaluation], None],
        asset: Asset | None = None,
        at: str = "",
    ) -> tuple[Evaluation, ...]:
        async with self._make_reach() as reach:
            there = reach.relocated(asset.url, at) if asset and at else reach
            return await scan(
                pairs, there, baselines=self._store.baseline, limits=self._limits, on_evaluated=on_evaluated
            )


class _Recorder:
    """Writes evaluations to the store by the batch."""

    def __init__(self, store: FindingStore, scan_id: str, on_evaluated: Callable[[Evaluation], None]) -> None:
        self._store = store
        self._scan = scan_id
        self._on_evaluated = on_evaluated
        self._waiting: list[Evaluation] = []
        self._lock = threading.Lock()
        self.recorded = Recorded((), (), (), ())

    def take(self, evaluation: Evaluation) -> None:
        with self._lock:
            self._waiting.append(evaluation)
            if len(self._waiting) >= _RECORD_AT_ONCE:
                self._write()
        self._on_evaluated(evaluation)

    def flush(self) -> None:
        with self._lock:
            if self._waiting:
                self._write()

    def _write(self) -> None:
        batch, self._waiting = self._waiting, []
        more = self._store.record(self._scan, batch)
        so_far = self.recorded
        self.recorded = Recorded(
            so_far.new + more.new,
            so_far.seen_again + more.seen_again,
            so_far.reopened + more.reopened,
            so_far.resolved + more.resolved,
            so_far.waiting + more.waiting,
        )


def _result_of(evaluations: Sequence[Evaluation], effect: Rescan) -> Result:
    """Good only when every check was carried out and found nothing; a check that does not apply proves nothing."""
    shown = [
        {
            "check": one.check,
            "outcome": one.outcome,
            "reason": one.reason.en,
            "weaknesses": [{"rule": w.rule, "locator": w.locator, "severity": w.severity} for w in one.weaknesses],
        }
        for one in evaluations
    ]
    output = orjson.dumps(shown).decode()
    tested = {one.check for one in evaluations}
    bad = [one for one in evaluations if one.outcome is not Outcome.TESTED_CLEAN]
    if untested := [check for check in effect.checks if check not in tested]:
        listed = ", ".join(untested)
        return failure(
            Trouble.FAILED, zh=f"检查不适用于该资产:{listed}", en=f"checks that do not apply: {listed}", output=output
        )
    if bad:
        listed = "; ".join(f"{one.check}: {tell(one.reason)}" for one in bad)
        return failure(Trouble.FAILED, zh=listed, en=listed, output=output)
    return Result(ok=True, output=output)
