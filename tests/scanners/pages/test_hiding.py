"""Each way of hiding is seen, each honest look-alike is not."""

import pytest

from scanners.pages.hiding import WEAK
from scanners.pages.page import read_page

URL = "http://www.example.gov.cn/"
LINK = "<a href='http://dark.com/'>x</a>"


def hidden_by(html: str, domain: str = "dark.com") -> str:
    (external,) = [one for one in read_page(URL, html).external if one.domain == domain]
    return external.hidden


HIDDEN = {
    "display": f"<div style='display:none'>{LINK}</div>",
    "display, shouted and important": f"<DIV STYLE='DISPLAY : NONE !important ;'>{LINK}</DIV>",
    "visibility": f"<p style='visibility:hidden'>{LINK}</p>",
    "opacity": f"<p style='opacity:0.0'>{LINK}</p>",
    "font size": f"<p style='font-size:0px'>{LINK}</p>",
    "font of one pixel": f"<p style='font-size:1px'>{LINK}</p>",
    "indent": f"<p style='text-indent:-9999px'>{LINK}</p>",
    "indent in em": f"<p style='text-indent:-999em'>{LINK}</p>",
    "off screen": f"<p style='position:absolute;left:-3000px'>{LINK}</p>",
    "above the screen": f"<p style='position:fixed;top:-99em'>{LINK}</p>",
    "margin": f"<p style='margin-left:-9999px'>{LINK}</p>",
    "no height": f"<p style='height:0;overflow:hidden'>{LINK}</p>",
    "one pixel": f"<p style='height:1px;width:1px;overflow:hidden'>{LINK}</p>",
    "clip": f"<p style='position:absolute;clip:rect(0,0,0,0)'>{LINK}</p>",
    "scale": f"<p style='transform:scale(0)'>{LINK}</p>",
    "white on white": f"<p style='color:#fff;background-color:#FFF'>{LINK}</p>",
    "attribute": f"<section hidden>{LINK}</section>",
    "marquee": f"<marquee height=1 width=4 scrollamount=3000>{LINK}</marquee>",
    "racing marquee": f"<marquee scrollamount=10000>{LINK}</marquee>",
    "frame": "<iframe src=http://dark.com width=0 height=0></iframe>",
    "frame with style": "<iframe src=http://dark.com style='width:1px;height:1px;overflow:hidden'></iframe>",
    "class": f"<style>.k9 {{ position:absolute; top:-5000px }}</style><div class=k9>{LINK}</div>",
    "id among others": f"<style>b,#z{{display:none}}</style><div id=z>{LINK}</div>",
    "in a media block": f"<style>@media screen {{ .k {{ display:none }} }}</style><p class=k>{LINK}</p>",
    "after an import": f"<style>@import url(a.css); /* x */ .k {{ display:none }}</style><p class=k>{LINK}</p>",
    "by script": f"<p id=q>{LINK}</p><script>document.getElementById('q').style.display='none'</script>",
    "written around": '<script>document.write("<div style=\\"display:none\\">");</script>'
    + LINK
    + "<script>document.write('</div>')</script>",
    "written": "<script>document.write('<p style=\"display:none\"><a href=http:\\/\\/dark.com>x</a></p>')</script>",
    "selector of many parts": f"<style>body #m > ul.z li:nth-child(1) {{display:none}}</style><div id=m><ul class=z><li>{LINK}",
    "rule without an end": f"<style>.k {{ display:none</style><p class=k>{LINK}</p>",
    "far up": f"<div style='display:none'><table><tr><td><ul><li>{LINK}</ul></table></div>",
    "area of a map": "<div style='display:none'><map><area href='//dark.com'></map></div>",
}
OPEN = {
    "plain": LINK,
    "half transparent": f"<p style='opacity:.5'>{LINK}</p>",
    "small print": f"<p style='font-size:10px'>{LINK}</p>",
    "indented paragraph": f"<p style='text-indent:2em'>{LINK}</p>",
    "nudged": f"<p style='position:relative;left:-10px'>{LINK}</p>",
    "positioned": f"<p style='position:absolute;left:300px'>{LINK}</p>",
    "clipped box": f"<p style='height:200px;overflow:hidden'>{LINK}</p>",
    "print only": f"<style>@media print {{ .p {{ display:none }} }}</style><p class=p>{LINK}</p>",
    "on hover": f"<style>.p:hover {{ visibility:hidden }}</style><p class=p>{LINK}</p>",
    "broken style": f"<style>.p {{ display:none</style><p class=q style='((;:;'>{LINK}</p>",
    "white on blue": f"<p style='color:#fff;background:#00f'>{LINK}</p>",
    "slow marquee": f"<marquee width=400 height=30 scrollamount=3>{LINK}</marquee>",
    "frame in view": "<iframe src=http://dark.com width=100% height=300></iframe>",
    "sibling of a hidden one": f"<p style='display:none'>x</p>{LINK}",
}


@pytest.mark.parametrize("html", HIDDEN.values(), ids=HIDDEN)
def test_hidden(html: str) -> None:
    assert hidden_by(f"<html><body>{html}</body></html>")


@pytest.mark.parametrize("html", OPEN.values(), ids=OPEN)
def test_open(html: str) -> None:
    assert hidden_by(f"<html><body>{html}</body></html>") == ""


def test_what_menus_use_too_counts_as_weak() -> None:
    assert hidden_by(HIDDEN["display"]) in WEAK
    assert hidden_by(HIDDEN["off screen"]) not in WEAK
