"""Which language the reader wants, and `say`, which answers in it.

Both languages stand side by side where a sentence is written, so that none can be missing and a plugin stays one file
(docs/decisions/0002).
"""

import os

from secops.model.text import Text

_chosen: str | None = None


def choose(language: str | None) -> None:
    """Fix the language for this process ("zh", "en"); None goes back to the environment."""
    global _chosen
    if language not in (None, "zh", "en"):
        raise ValueError("language is zh or en")
    _chosen = language


def language() -> str:
    """ "zh" or "en": what was chosen, else JINDUN_LANG, else the locale, else English."""
    if _chosen:
        return _chosen
    for variable in ("JINDUN_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(variable, "")
        if value and value not in ("C", "POSIX", "C.UTF-8"):
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"


def say(*, zh: str, en: str) -> str:
    """The sentence in the reader's language."""
    return zh if language() == "zh" else en


def tell(text: Text) -> str:
    """A stored two-language sentence in the reader's language."""
    return text.in_language(language())
