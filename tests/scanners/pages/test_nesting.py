"""Pages that are built to keep a parser busy are refused in no time; honest ones are measured right."""

from time import process_time

import pytest

from scanners.pages.nesting import Extent, extent_of
from scanners.pages.page import read_page
from scanners.pages.parsing import parsed

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
    found = extent_of(html)
    assert (found.nesting, found.attributes) == (extent.nesting, extent.attributes) and not found.excessive


EVIL = {
    "deep": "<div class=x>" * (SIZE // 13),
    "deep, closed by others": "<div></b>" * (SIZE // 9),
    "formatting that is reopened": "".join(f"<p><b id={at}>" for at in range(SIZE // 15)),
    "attributes": "<p " + " ".join(f"a{at}=1" for at in range(SIZE // 9)) + ">",
    "attributes behind a quote": "<p q='>' " + " ".join(f"a{at}" for at in range(SIZE // 8)) + ">",
    "attributes behind a script": '<script>a<b c="</script><p ' + " ".join(f"a{at}" for at in range(SIZE // 8)) + ">",
    "attributes of a closing tag": "</p " + " ".join(f"a{at}" for at in range(SIZE // 8)) + ">",
    "open quotes": "<p a='" * (SIZE // 6),
    "formatting made again in each paragraph": "<p>"
    + "".join(f"<b id={at}>" for at in range(300))
    + "</p>"
    + "<p>x" * (SIZE // 4),
    "made again, and hidden by cells that are none": "<p><td>"
    + "".join(f"<b id={at}>" for at in range(300))
    + "</td></p>"
    + "<p>x" * (SIZE // 4),
    "made again, and ended where it cannot be": "<p>"
    + "".join(f"<b id={at}>" for at in range(300))
    + "<table><td>"
    + "</b>" * 300
    + "</table></p>"
    + "<p>x" * (SIZE // 4),
    "choices": "<select>" + "<option>x" * (SIZE // 9),
    "attributes of one body": "".join(f"<body a{at}=1>" for at in range(SIZE // 12)),
    "steps through what is open": "<div>" * 900 + "</x>" * (SIZE // 4),
    "inside a drawing": "<svg><style><p " + " ".join(f"a{at}" for at in range(SIZE // 8)) + ">",
}
HONEST = {
    "links never ended": "".join(f"<p><a name=n{at}>x" for at in range(900)) + "<p>x</p>" * 9000,
    "bold never ended": "<p><b>x" * 900 + "<p>x</p>" * 9000,
    "bold cells": "<table>" + "<tr><td><b>x</b><td><i>y</i>" * 900 + "</table>",
    "fonts in cells": "<table>" + "<tr><td><font color=red size=2>x</font></td></tr>" * 9000 + "</table>",
    "provinces and towns": ("<select>" + "<option>x</option>" * 340 + "</select>") * 20,
    "a long table": "<div>" * 30 + "<table>" + "<tr><td>x</td></tr>" * 20000 + "</table>",
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
    began = process_time()
    assert extent_of(html).excessive
    assert process_time() - began < 6


@pytest.mark.parametrize("html", HONEST.values(), ids=HONEST)
def test_honest_pages_are_read(html: str) -> None:
    assert not extent_of(html).excessive
    assert parsed(html).css_first("body *") is not None


@pytest.mark.slow
@pytest.mark.parametrize("html", LONG.values(), ids=LONG)
def test_pages_that_are_merely_odd_are_read_in_seconds(html: str) -> None:
    began = process_time()
    assert not extent_of(html).excessive
    read_page("http://www.example.org/", html)
    assert process_time() - began < 12
