"""The parser of markup, kept from pages that were made to keep it busy."""

from selectolax.lexbor import LexborHTMLParser

from scanners.pages.nesting import DEEPEST, MOST_ATTRIBUTES, extent_of


def parsed(html: str) -> LexborHTMLParser:
    """A page as a browser sees it; one that no honest site has is as good as empty."""
    return LexborHTMLParser("" if is_excessive(html) else html)


def is_excessive(html: str) -> bool:
    """Whether a parser would take long; most pages are too small for that, which is cheaper to see."""
    small = html.count("<") < DEEPEST and max(map(len, html.split("<"))) < MOST_ATTRIBUTES
    return not small and extent_of(html).excessive
