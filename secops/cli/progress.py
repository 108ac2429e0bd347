"""Progress on the terminal while something takes long; silent on what is no terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import Progress, ProgressColumn, SpinnerColumn, TextColumn, TimeElapsedColumn

from secops.cli.tables import console


def progress(*columns: str | ProgressColumn, quiet: bool = False) -> Progress:
    """On standard error, gone when it ends; behind the columns stands the time."""
    screen = console(stderr=True)
    return Progress(
        *columns, TimeElapsedColumn(), console=screen, transient=True, disable=quiet or not screen.is_terminal
    )


@contextmanager
def counting(words: str, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Gives what is told how many more are done."""
    with progress(SpinnerColumn(), TextColumn("{task.description} {task.completed}"), quiet=quiet) as shown:
        task = shown.add_task(words, total=None)
        yield lambda more: shown.update(task, advance=more)
