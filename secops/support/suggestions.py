"""What the user probably meant: the closest of the words that would have been right."""

from collections.abc import Iterable
from difflib import get_close_matches

from secops.model.text import Text

_LONGEST_WORD = 80


def closest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate most like `word`, or None when none is close."""
    if len(word) > _LONGEST_WORD:
        return None
    found = get_close_matches(word, [candidate for candidate in candidates if candidate != word], n=1, cutoff=0.6)
    return found[0] if found else None


def did_you_mean(word: str, candidates: Iterable[str]) -> Text:
    """A half sentence to append, e.g. `; did you mean "x"?`; empty when nothing is close."""
    found = closest(word, candidates)
    return Text(f';是不是 "{found}"?', f'; did you mean "{found}"?') if found else Text("", "")
