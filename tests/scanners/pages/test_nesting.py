"""Pages that are built to keep a parser busy are refused in no time; honest ones are measured right."""

from time import monotonic

import pytest

from scanners.pages.nesting import Extent, extent_of
from scanners.pages.page import read_page

SIZE = 1024 * 1024


@pytest.mark.parametrize(
    "html, extent",
    [
        ("", Extent(0, 0)),
        ("<div><p>a<p>b<ul><li>c<li>d</ul></div>", Extent(2, 0)),
        ("<br><img src=a alt='b c' hidden>", Extent(0, 3)),
        ("<table>" + "<tr><td>x" * 2000 + "</table>", Extent(1, 0)),
        ("<div>" * 30 + "</div>" * 30, Extent(30, 0)),
        ("<div></b>" * 30, Extent(30, 0)),
        ("<script>" + "a<b&&'<div>'" * 2000 + "</script><div>", Extent(1, 0)),
        ("<!-- " + "<div>" * 2000 + "--><div a=1>", Extent(1, 1)),
        ("<!--><div a>", Extent(1, 1)),
        ("<a href=\"x>y\" b='>' c>", Extent(1, 3)),
        ("<svg><td><td><td></svg>", Extent(4, 0)),
    ],
)
def test_extent(html: str, extent: Extent) -> None:
    assert extent_of(html) == extent


EVIL = {
    "deep": "<div class=x>" * (SIZE // 13),
    "deep, closed by others": "<div></b>" * (SIZE // 9),
    "formatting that is reopened": "".join(f"<p><b id={at}>" for at in range(SIZE // 15)),
    "attributes": "<p " + " ".join(f"a{at}=1" for at in range(SIZE // 9)) + ">",
    "attributes behind a quote": "<p q='>' " + " ".join(f"a{at}" for at in range(SIZE // 8)) + ">",
    "attributes behind a script": '<script>a<b c="</script><p ' + " ".join(f"a{at}" for at in range(SIZE // 8)) + ">",
    "attributes of a closing tag": "</p " + " ".join(f"a{at}" for at in range(SIZE // 8)) + ">",
    "open quotes": "<p a='" * (SIZE // 6),
    "inside a drawing": "<svg><style><p " + " ".join(f"a{at}" for at in range(SIZE // 8)) + ">",
}
LONG = {
    "open writes": "<script>document.write('" * (SIZE // 24),
    "open comments": "<style>" + "/*" * (SIZE // 2) + "</style>",
    "open blocks": "<style>" + "@media{" * (SIZE // 7) + "</style>",
    "open rules": "<style>" + ".x{display:none;" * (SIZE // 16) + "</style>",
    "hard selectors": "<style>"
    + "div ~ div ~ p{display:none}.z .y .x .w{display:none}" * 500
    + "</style>"
    + "<div class=x><a href=http://a.com>t</a></div>" * 10000,
    "zeros": "<p style='transform:scale(" + "0" * SIZE + "x'><a href=http://a.com>t</a></p>",
    "refresh": "<meta http-equiv=refresh content='url=" + " " * SIZE + "'>",
    "brackets": "<" * SIZE,
    "spaces": "<p" + " " * SIZE,
}


@pytest.mark.parametrize("html", EVIL.values(), ids=EVIL)
def test_pages_that_would_keep_the_parser_busy_are_known_before(html: str) -> None:
    began = monotonic()
    assert extent_of(html).excessive
    assert monotonic() - began < 3


@pytest.mark.slow
@pytest.mark.parametrize("html", LONG.values(), ids=LONG)
def test_pages_that_are_merely_odd_are_read_in_seconds(html: str) -> None:
    began = monotonic()
    assert not extent_of(html).excessive
    read_page("http://www.example.org/", html)
    assert monotonic() - began < 6
