"""Scans of restored trees as steps of playbooks, beside scans of assets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import orjson

from backup.verification import rules_name
from scanners.files.check import Means
from scanners.files.look import Looked, everywhere, look_at_tree, rules_of
from scanners.files.stream import look_at_stream
from secops.execution.piping import Pipe
from secops.execution.runner import Performs, failure
from secops.inventory.inventory import Inventory
from secops.model.city import AssetKind
from secops.model.outcome import Outcome
from secops.model.step import LOCAL, Command, Rescan, Result, Trouble
from secops.model.text import Text
from secops.support.clock import to_text
from secops.support.errors import JindunError
from secops.support.language import tell


@dataclass(frozen=True, slots=True)
class TreeEyes:
    """Performs every rescan: those of trees itself, the others by `eyes`.

    Trees on another host come here as a stream, and are read file by file by the same checks as those that lie here.
    """

    eyes: Callable[[], Performs[Rescan]]
    """Scans assets; opened when first needed."""
    inventory: Inventory
    means: Means
    pour: Callable[[Command, float, Callable[[bytes], None]], Result]
    """Runs a command on another host and hands on what it prints."""

    def perform(self, effect: Rescan, timeout_seconds: float) -> Result:
        """As Performs.perform."""
        if not effect.tree:
            return self.eyes().perform(effect, timeout_seconds)
        try:
            means = self._means(effect.asset)
            if effect.host != LOCAL:
                return self._elsewhere(effect, means, timeout_seconds)
            return _result_of(look_at_tree(effect.tree, means, effect.checks, seconds=timeout_seconds))
        except JindunError as error:
            return failure(Trouble.REFUSED, zh=error.text.zh, en=error.text.en)

    def rules(self, asset: str) -> tuple[str, ...]:
        """What a look at a tree of the asset would go by now, as verdicts name it. Raises BadInput for rules that are
        wrong.
        """
        return tuple(rules_name(check, rules.digest) for check, rules in rules_of(self._means(asset)).items())

    def _elsewhere(self, effect: Rescan, means: Means, timeout_seconds: float) -> Result:
        """What the host did not send to its end was not looked at, whatever was found in the rest."""
        if not effect.checks and not rules_of(means):
            # Nothing is set up: no file needs to travel for that.
            return Result(ok=True, output="[]")
        argv = ("env", "LC_ALL=C", "tar", "--create", "--file=-", "--one-file-system", "--directory", effect.tree, ".")
        command = Command(effect.host, argv)
        with Pipe(lambda into: self.pour(command, timeout_seconds, into)) as pipe:
            looked = look_at_stream(pipe.stream, means, effect.checks, seconds=timeout_seconds)
        if not pipe.result.ok:
            said = (pipe.result.reason or pipe.result.error_output).strip()[-300:]
            cut = Text(f"{effect.host} 未能送完目录树:{said}", f"{effect.host} did not send all of the tree: {said}")
            everywhere({one.check: one for one in looked}, ".", cut)
        return _result_of(looked)

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
