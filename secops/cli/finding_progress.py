"""A count that grows on the terminal while findings are gone through."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from secops.cli.tables import console


@contextmanager
def counting(words: str, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Gives what is told how many more are done; silent on what is no terminal."""
    screen = console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description} {task.completed}"), TimeElapsedColumn())
    with Progress(*columns, console=screen, transient=True, disable=quiet or not screen.is_terminal) as progress:
        task = progress.add_task(words, total=None)
        yield lambda more: progress.update(task, advance=more)
