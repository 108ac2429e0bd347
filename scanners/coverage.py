"""What a scan did and did not test, and why. A scan with anything untested is incomplete, never clean."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from secops.model.outcome import Evaluation, Outcome
from secops.model.text import Text


@dataclass(frozen=True, slots=True)
class NotTestedPair:
    """One (asset, check) without a judgement."""

    asset: str
    check: str
    outcome: Outcome
    reason: Text


@dataclass(frozen=True, slots=True)
class Coverage:
    """The outcomes of one scan, counted."""

    counts: Mapping[Outcome, int]
    """Every outcome, also those that did not happen."""
    by_check: Mapping[str, Mapping[Outcome, int]]
    not_tested: tuple[NotTestedPair, ...]
    """By check and asset."""

    @property
    def total(self) -> int:
        """How many (asset, check) there were."""
        return sum(self.counts.values())

    @property
    def tested(self) -> int:
        """How many were judged, clean or not."""
        return sum(count for outcome, count in self.counts.items() if outcome.successful)

    @property
    def complete(self) -> bool:
        """Whether everything was judged."""
        return not self.not_tested

    @property
    def summary(self) -> Text:
        """One sentence with every outcome that happened."""
        seen = [(outcome, count) for outcome, count in self.counts.items() if count]
        zh = "、".join(f"{_NAMES[outcome].zh} {count}" for outcome, count in seen)
        en = ", ".join(f"{count} {_NAMES[outcome].en}" for outcome, count in seen)
        return Text(f"{self.total} 项中已测试 {self.tested} 项:{zh}", f"{self.tested} of {self.total} tested: {en}")


_NAMES = {
    Outcome.TESTED_CLEAN: Text("无弱点", "clean"),
    Outcome.FOUND: Text("有弱点", "with weaknesses"),
    Outcome.PARTIAL: Text("部分测试", "tested in part"),
    Outcome.BLOCKED: Text("被拦截", "blocked"),
    Outcome.UNREACHABLE: Text("不可达", "unreachable"),
    Outcome.SKIPPED: Text("已跳过", "skipped"),
    Outcome.ERROR: Text("程序出错", "ended by our bug"),
}


def coverage_of(evaluations: Iterable[Evaluation]) -> Coverage:
    """Count the evaluations of one scan."""
    ended = sorted(evaluations, key=lambda evaluation: (evaluation.check, evaluation.asset))
    checks = dict.fromkeys(evaluation.check for evaluation in ended)
    return Coverage(
        counts=_counted(ended),
        by_check={check: _counted(one for one in ended if one.check == check) for check in checks},
        not_tested=tuple(
            NotTestedPair(one.asset, one.check, one.outcome, one.reason) for one in ended if not one.outcome.successful
        ),
    )


def _counted(evaluations: Iterable[Evaluation]) -> dict[Outcome, int]:
    counter = Counter(evaluation.outcome for evaluation in evaluations)
    return {outcome: counter[outcome] for outcome in Outcome}
