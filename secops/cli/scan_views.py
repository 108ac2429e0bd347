"""A scan as a person sees it: while it goes on, what it covered, what it found."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, Group
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text as Shown

from secops.cli.finding_words import OUTCOMES, severity_word
from secops.cli.tables import fill, plain, table
from secops.model.finding import Finding
from secops.model.outcome import Evaluation
from secops.support.language import say, tell

_MOST_FINDINGS = 12
_MOST_REASONS = 5


@contextmanager
def progress_bar(console: Console, total: int, quiet: bool = False) -> Iterator[Callable[[Evaluation], None]]:
    """A bar that moves with each evaluation."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as progress:
        task = progress.add_task(say(zh="检查", en="checking"), total=total)

        def watch(evaluation: Evaluation) -> None:
            progress.update(task, advance=1, description=f"{evaluation.asset} · {evaluation.check}")

        yield watch


def coverage(evaluations: Sequence[Evaluation]) -> Group:
    """How the evaluations ended, and the commonest reasons why something went untested."""
    outcomes = Counter(one.outcome for one in evaluations)
    counted = " · ".join(f"{tell(OUTCOMES[outcome][0])} {count}" for outcome, count in outcomes.most_common())
    reasons = Counter(tell(one.reason) for one in evaluations if not one.outcome.successful)
    lines = [f"{len(evaluations)} {say(zh='项检查', en='evaluations')}: {counted}"]
    lines += [f"  {count} × {reason}" for reason, count in reasons.most_common(_MOST_REASONS)]
    if (more := len(reasons) - _MOST_REASONS) > 0:
        command = "secops findings coverage"
        lines.append(say(zh=f"  ……还有 {more} 种原因:{command}", en=f"  … and {more} more reasons: {command}"))
    return Group(plain(lines[0]), *(plain(line, "dim") for line in lines[1:]))


def worst_findings(findings: Sequence[Finding]) -> Group:
    """The worst findings with their reasons."""
    worst = sorted(findings, key=lambda one: -one.weakness.severity.rank)[:_MOST_FINDINGS]
    made = table(
        "",
        say(zh="程度", en="severity"),
        say(zh="资产", en="asset"),
        say(zh="问题", en="what"),
        say(zh="理由", en="why"),
    )
    rows = (
        (severity_word(one.weakness.severity), one.asset, tell(one.weakness.title), tell(one.weakness.reason))
        for one in worst
    )
    more = len(findings) - len(worst)
    rest = (
        say(zh=f"……还有 {more} 条:secops findings list", en=f"… and {more} more: secops findings list") if more else ""
    )
    return Group(fill(made, rows), Shown(rest, style="dim"))
