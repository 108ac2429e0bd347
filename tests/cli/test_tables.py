"""Tables, as a person sees them."""

import io

from rich.console import Console

from secops.cli.tables import facts, fill, table


def test_a_headline_is_longer_than_its_table_and_stays_on_one_line() -> None:
    for made in (fill(table("30 findings of the city", "a"), [("1",)]), facts("30 findings of the city", [("a", "b")])):
        screen = Console(file=io.StringIO(), width=60)
        screen.print(made)
        assert screen.file.getvalue().startswith("30 findings of the city\n")  # type: ignore[attr-defined]
