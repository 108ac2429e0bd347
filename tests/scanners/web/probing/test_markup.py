"""A mark that would run is told from one that is only shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanners.web.probing.markup import Place, Spot, places_of, runs


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("<img src=x onerror=mk()>", "<img onerror>"),
        ("<svg/onload=mk()>", "<svg onload>"),
        ("<b><IMG SRC=x ONERROR=MK()>", "<img onerror>"),
        ("<script>var a = ''-mk()-'';</script>", "<script>"),
        ('<script>var a = "</script><img src=x onerror=mk()>";</script>', "<img onerror>"),
        ('<a href="java\tscript:mk()">x</a>', "<a href=javascript:>"),
        ('<a href=" JavaScript:mk%28)">x</a>', "<a href=javascript:>"),
        ("<button onclick=\"go('&#39;);mk();//')\">", "<button onclick>"),
        ("<iframe src=javascript:mk()></iframe>", "<iframe src=javascript:>"),
        ("<!-- a --><img src=x onerror=mk()> -->", "<img onerror>"),
        ("<title></title><img src=x onerror=mk()></title>", "<img onerror>"),
    ],
)
def test_it_would_run(text: str, where: str) -> None:
    assert runs(text, "mk") == where


@pytest.mark.parametrize(
    "text",
    [
        "<p>&lt;img onerror=mk()&gt;",
        "<textarea><img src=x onerror=mk()></textarea>",
        "<title><img src=x onerror=mk()></title>",
        '<input value="<img src=x onerror=mk()>">',
        "<!-- <img src=x onerror=mk()> -->",
        "<noscript><img src=x onerror=mk()></noscript>",
        "<head><noscript><img src=x onerror=mk()></noscript>",
        "<template><img src=x onerror=mk()></template>",
        '<script>var a = "mk()";</script>',
        '<script type="application/json">mk()</script>',
        "<script>var a = mk(;</script>",
        '<a href="https://a.example/?javascript:mk()">x</a>',
        '<img src="javascript:mk()">',
        "<img src=x data-onerror=mk()>",
        "<button onclick=\"go('mk()')\">",
        "mk()",
        "",
    ],
)
def test_it_is_only_shown(text: str) -> None:
    assert runs(text, "mk") == ""


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("<p>mk</p>", [Place(Spot.TEXT)]),
        ("<input name=q value=mk>", [Place(Spot.ATTRIBUTE, "")]),
        ("<input name=q value='mk'>", [Place(Spot.ATTRIBUTE, "'")]),
        ('<input name=q value="a mk">', [Place(Spot.ATTRIBUTE, '"')]),
        ("<textarea>mk", [Place(Spot.RAW, "textarea")]),
        ("<style>p{color:mk}</style>", [Place(Spot.RAW, "style")]),
        ("<p><!-- mk --></p>", [Place(Spot.COMMENT)]),
        ("<!-- mk --><p>", [Place(Spot.COMMENT)]),
        ('<script>a("mk")</script>', [Place(Spot.SCRIPT, '"')]),
        ('<a href="mk">', [Place(Spot.URL), Place(Spot.ATTRIBUTE, '"')]),
        ("<b onclick=\"a('mk')\">", [Place(Spot.HANDLER, "'"), Place(Spot.ATTRIBUTE, '"')]),
        ("<p>mk</p><p>mk</p><i title='mk'>", [Place(Spot.TEXT), Place(Spot.ATTRIBUTE, "'")]),
        ("<p>other</p>", []),
    ],
)
def test_where_it_stands(text: str, places: list[Place]) -> None:
    assert places_of(text, "mk") == places


@given(st.text(alphabet="mk<>\"'= /!-aonscript()&;\n", max_size=60))
def test_any_page_can_be_read(text: str) -> None:
    places_of(text, "mk")
    runs(text, "mk")
