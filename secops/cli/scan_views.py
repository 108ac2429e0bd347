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
    """How the evaluations ended; for each way of not testing, one example with its reason."""
    outcomes = Counter(one.outcome for one in evaluations)
    counted = " · ".join(f"{tell(OUTCOMES[outcome][0])} {count}" for outcome, count in outcomes.most_common())
    examples = {one.outcome: one for one in reversed(evaluations) if not one.outcome.successful}
    lines = [
        f"  {tell(OUTCOMES[outcome][0])} {outcomes[outcome]}: {say(zh='例如', en='e.g.')} "
        f"{example.asset} · {example.check}: {tell(example.reason)}"
        for outcome, example in examples.items()
    ]
    if lines:
        lines.append(say(zh="  逐项原因:secops findings coverage", en="  every reason: secops findings coverage"))
    title = f"{len(evaluations)} {say(zh='项检查', en='evaluations')}: {counted}"
    return Group(plain(title), *(plain(line, "dim") for line in lines))


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
