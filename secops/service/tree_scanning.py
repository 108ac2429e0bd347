"""Scans of restored trees as steps of playbooks, beside scans of assets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import orjson

from backup.verification import rules_name
from scanners.files.check import Means
from scanners.files.look import Looked, look_at_tree, rules_of
from secops.execution.runner import Performs, failure
from secops.inventory.inventory import Inventory
from secops.model.city import AssetKind
from secops.model.outcome import Outcome
from secops.model.step import LOCAL, Rescan, Result, Trouble
from secops.support.clock import to_text
from secops.support.errors import JindunError
from secops.support.language import tell


@dataclass(frozen=True, slots=True)
class TreeEyes:
    """Performs every rescan: those of trees itself, the others by `eyes`.

    Trees are read where the service runs. On another host nothing can be looked at; the URL under which an isolated
    place is served there can.
    """

    eyes: Callable[[], Performs[Rescan]]
    """Scans assets; opened when first needed."""
    inventory: Inventory
    means: Means

    def perform(self, effect: Rescan, timeout_seconds: float) -> Result:
        """As Performs.perform."""
        if not effect.tree:
            return self.eyes().perform(effect, timeout_seconds)
        try:
            if effect.host != LOCAL:
                return self._elsewhere(effect)
            means = self._means(effect.asset)
            return _result_of(look_at_tree(effect.tree, means, effect.checks, seconds=timeout_seconds))
        except JindunError as error:
            return failure(Trouble.REFUSED, zh=error.text.zh, en=error.text.en)

    def rules(self, asset: str) -> tuple[str, ...]:
        """What a look at a tree of the asset would go by now, as verdicts name it. Raises BadInput for rules that are
        wrong.
        """
        return tuple(rules_name(check, rules.digest) for check, rules in rules_of(self._means(asset)).items())

    def _elsewhere(self, effect: Rescan) -> Result:
        if not effect.checks and not self.means.rules and not self.means.clamd:
            return Result(ok=True, output="[]")
        return failure(
            Trouble.REFUSED,
            zh=f"目录树只能在本服务所在主机上扫描,{effect.tree} 在 {effect.host} 上",
            en=f"trees are scanned where the service runs; {effect.tree} is on {effect.host}",
        )

    def _means(self, asset: str) -> Means:
        """Pages and websites of the system on the same host say what is not foreign in the tree."""
        tree, system = self.inventory.asset(asset), self.inventory.system_of(asset)
        shown = (AssetKind.PAGE, AssetKind.WEBSITE)
        urls = tuple(one.url for one in system.assets if one.kind in shown and one.host == tree.host and one.url)
        known = self.means
        return Means(known.rules, known.cache, known.clamd, urls if tree.kind is not AssetKind.DATABASE else ())


def _result_of(looked: Sequence[Looked]) -> Result:
    """As for a rescan of an asset, with the rules; FAILED alone says that something was found."""
    output = orjson.dumps([_shown(one) for one in looked]).decode()
    bad = [one for one in looked if one.outcome is not Outcome.TESTED_CLEAN]
    if not bad:
        return Result(ok=True, output=output)
    found = [one for one in bad if one.outcome is Outcome.FOUND]
    listed = "; ".join(f"{one.check}: {tell(one.reason)}" for one in found or bad)
    return failure(Trouble.FAILED if found else Trouble.UNREACHABLE, zh=listed, en=listed, output=output)


def _shown(one: Looked) -> dict[str, object]:
    return {
        "check": one.check,
        "outcome": one.outcome,
        "reason": {"zh": one.reason.zh, "en": one.reason.en},
        "rules": one.rules.digest,
        "rules_date": to_text(one.rules.date) if one.rules.date else None,
        "files": one.files,
        "read_bytes": one.read_bytes,
        "seconds": round(one.seconds, 3),
        "weaknesses": [{"rule": each.rule, "locator": [each.path]} for each in one.suspicions],
        "unread": [path for path, _ in one.unread],
    }
