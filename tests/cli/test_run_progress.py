"""A step's progress as a person sees it."""

import io

import pytest
from rich.console import Console

from secops.cli.run_views import advance
from secops.execution.executor import Advanced
from secops.model.step import LOCAL, Command, Moved, Step
from secops.support.language import choose


@pytest.mark.parametrize(
    ("language", "moved", "words"),
    [
        ("en", Moved(500_000_000, 1_000_000_000), ["50 %", "500.0 MB / 1.0 GB", "100.0 MB/s"]),
        ("en", Moved(500_000_000), ["500.0 MB, total unknown", "100.0 MB/s"]),
        ("zh", Moved(500_000_000), ["500.0 MB, 总量未知"]),
        ("en", Moved(percent=12.4), ["12 %"]),
        ("en", Moved(2_000, 1_000), ["100 %"]),
    ],
)
def test_bytes_rate_and_what_is_not_known_are_shown(language: str, moved: Moved, words: list[str]) -> None:
    choose(language)
    try:
        screen = Console(file=io.StringIO(), width=160, force_terminal=False)
        screen.print(advance(Advanced("copy/copy the source", Step("copy", Command(LOCAL, ("true",))), moved), 5.0))
        assert isinstance(screen.file, io.StringIO)
        shown = screen.file.getvalue()
    finally:
        choose(None)
    assert all(word in shown for word in ["copy the source", *words]), shown
