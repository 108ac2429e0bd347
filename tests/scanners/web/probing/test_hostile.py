"""Pages that were made to keep a reader busy are read in no time."""

import time
from collections.abc import Callable

import pytest

from scanners.web.probing.leading import leads_to
from scanners.web.probing.markup import places_of, runs
from scanners.web.probing.page_forms import forms_in
from scanners.web.probing.private import private_in
from scanners.web.probing.script_text import BrokenScript, pieces_of
from tests.scanners.web.probing.performing import page

SIZE = 1_000_000
PIECES = (
    "<meta ",
    "<script>",
    "<form>",
    '<a href="mk',
    "<!--mk",
    "mk ",
    "`${",
    "1" * 17,
    '"',
    "<input value='mk",
    "{" * 8,
)
MOST_SECONDS = 6.0


def _pieces(text: str) -> None:
    try:
        pieces_of(text)
    except BrokenScript:
        return


READERS: dict[str, Callable[[str], object]] = {
    "places": lambda text: places_of(text, "mk"),
    "runs": lambda text: runs(text, "mk"),
    "leads": lambda text: leads_to(page(text)),
    "forms": lambda text: forms_in(text, "/"),
    "private": private_in,
    "pieces": _pieces,
}


@pytest.mark.slow
@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("reader", READERS)
def test_a_megabyte_of_it(reader: str, piece: str) -> None:
    text = piece * (SIZE // len(piece))
    started = time.process_time()
    READERS[reader](text)
    assert time.process_time() - started < MOST_SECONDS
