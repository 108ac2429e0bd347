"""What a page leads to: links, frames, resources, forms, comments."""

from time import process_time
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanners.web.crawl.lead import Source
from tests.scanners.web.crawl.reading_pages import found, lead_to, reading_of


def test_links_of_every_kind() -> None:
    reading = reading_of(
        """<base href="/base/"><a href="one">x</a><area href="../two"><iframe src="three"></iframe>
        <img src="p.png" srcset="a.png 1x, /b.png 2x"><link href="s.css">
        <script src="//site.test/s.js"></script><object data="o.swf"></object><embed src="e.swf">
        <meta http-equiv=refresh content="5; URL='/after'"><video poster=p.jpg></video>
        <a href="javascript:open('/opened')">y</a><a href="mailto:a@b">m</a><a href="#top">t</a>
        <a href="http://[bad">z</a><a href="  /spa ce \n/x?q=1#frag ">s</a><div onclick="location.href='/clicked'"></div>
        <div style="background: url(bg.gif)"></div><div data-url="/data/url" data-x="not one"></div>
        <a href="HTTP:\\\\site.test\\back">b</a>"""
    )
    assert found(reading) == sorted(
        "GET " + url
        for url in [
            "/base/one", "/two", "/base/three", "/base/p.png", "/base/a.png", "/b.png",
            "/base/s.css", "/s.js", "/base/o.swf", "/base/e.swf", "/after", "/base/p.jpg", "/opened", "/base/",
            "/spa%20ce%20/x?q=1", "/clicked", "/base/bg.gif", "/data/url", "/back",
        ]
    )  # fmt: skip
    assert lead_to(reading, "/after").source is Source.REDIRECT


def test_frames() -> None:
    assert found(reading_of('<frameset><frame src="a.html"><frame src="page.html"></frameset>')) == [
        "GET /app/a.html",
        "GET /app/page.html",
    ]


def test_comments_are_read() -> None:
    reading = reading_of('<!-- <a href="/old/admin.php?x=1">x</a> see also /backup/list and http://site.test/abs -->')
    assert found(reading) == ["GET /abs", "GET /backup/list", "GET /old/admin.php?x=1"]
    assert {lead.source for lead in reading.leads} == {Source.TEXT}


FORM = """<form action="/go?old=1" method={method} {more}>
 <input name=text><input name=mail type=email><input name=n type=number min=5><input type=hidden name=h value="a&b">
 <input type=checkbox name=c value=yes><input type=radio name=r value=1><input type=radio name=r value=2 checked>
 <input type=radio name=r2 value=x><input type=radio name=r2 value=y>
 <select name=s><option value="">-<option value=v1>1<option selected>Two Words</select>
 <textarea name=t> body </textarea><input name=off disabled><input type=reset name=no><input>
 <input name=short maxlength=3>
 <input type=submit name=act value=Save><button name=act value=drop formaction="/other" formmethod=get>Other</button>
</form><input name=outside form=f2><form id=f2 action=/two></form>"""
FIELDS = [
    ("text", "jindun"), ("mail", "jindun@example.com"), ("n", "5"), ("h", "a&b"), ("c", "yes"), ("r", "2"),
    ("r2", "x"), ("s", "Two Words"), ("t", "body"), ("short", "jin"),
]  # fmt: skip


def test_forms_are_filled_in_as_a_visitor_would() -> None:
    reading = reading_of(FORM.format(method="post", more=""))
    post = lead_to(reading, "/go?old=1")
    assert (post.method, post.headers) == ("POST", (("Content-Type", "application/x-www-form-urlencoded"),))
    assert parse_qsl(post.body.decode()) == [*FIELDS, ("act", "Save")]
    other = next(lead for lead in reading.leads if "/other?" in lead.url)
    assert other.method == "GET"
    assert parse_qsl(other.url.partition("?")[2]) == [*FIELDS, ("act", "drop")]
    assert lead_to(reading, "/two?outside=jindun").method == "GET"
    assert set(reading.names) >= {"text", "mail", "h", "outside"}


def test_a_get_form_replaces_the_query() -> None:
    get = next(lead for lead in reading_of(FORM.format(method="", more="")).leads if "/go?" in lead.url)
    assert parse_qsl(get.url.partition("?")[2]) == [*FIELDS, ("act", "Save")]


def test_multipart_and_care() -> None:
    reading = reading_of(
        """<form action=/up method=post enctype=multipart/form-data><input type=file name=f><input name='q"x' value=1>
        </form><form action=/login method=post><input name=u><input type=password name=p></form>"""
    )
    upload = lead_to(reading, "/up")
    assert upload.headers[0][1].startswith("multipart/form-data; boundary=")
    assert b'name="f"; filename="jindun.txt"\r\nContent-Type: text/plain\r\n\r\njindun\r\n' in upload.body
    assert b'name="q\\"x"\r\n\r\n1\r\n' in upload.body
    assert upload.needs_care
    assert lead_to(reading, "/login").needs_care


@pytest.mark.parametrize("label", ["gb2312", "gbk", "GB18030"])
@pytest.mark.parametrize("where", ["header", "meta", "guess"])
def test_chinese_pages_are_asked_in_their_own_characters(label: str, where: str) -> None:
    meta = f"<meta charset={label}>" if where == "meta" else ""
    html = (
        f"{meta}<title>中文</title><a href='/搜索?q=中国'>退出登录</a><form action=/s><input name=词 value=值></form>"
    )
    kind = f"text/html; charset={label}" if where == "header" else "text/html"
    reading = reading_of(html.encode(label), kind)
    assert reading.charset == "gb18030"
    assert found(reading) == ["GET /%E6%90%9C%E7%B4%A2?q=%D6%D0%B9%FA", "GET /s?%B4%CA=%D6%B5"]
    assert lead_to(reading, "q=%D6%D0%B9%FA").text == "退出登录"


@pytest.mark.slow
@pytest.mark.parametrize(
    "html",
    [
        "<div>" * 300_000,
        "<a href='" + "x" * 4_000_000,
        "<a " + "x=1 " * 800_000 + ">",
        "<" * 2_000_000,
        "<!--" * 500_000,
        "<form><input name=" * 100_000,
        "<select name=s>" + "<option>x" * 300_000,
        "".join(f"<html b{n}=1>" for n in range(150_000)),
        "<script>" + "'/a/" * 500_000,
        "<script>" + "f({" * 400_000,
        "<script>var a=" + "'x'+" * 400_000,
        "<script>" + "/*" * 900_000,
        '<script>"' + '\\"' * 900_000 + "\\",
        "<script>" + "=/[" * 600_000,
        "<script>" + "`${" * 600_000,
        "<script>" + "a." * 900_000,
        "<script>" + "({a:" * 400_000,
        "<script>" + "fetch(" * 300_000,
        "<script>" + "$.get('/a',{" * 100_000,
        "<style>" + "url(" * 500_000,
        "".join(f"<a href=/p{n}>" for n in range(150_000)),
        "<svg><style><a>" * 50_000,
        "\x00\ufffd<a href=/x>" * 10_000,
    ],
    ids=lambda html: html[:14].replace("\x00", "0"),
)
def test_hostile_pages_take_little_time_and_room(html: str) -> None:
    began = process_time()
    reading = reading_of(html)
    assert process_time() - began < 20
    assert len(reading.leads) <= 4000
    assert len(reading.names) <= 200


@given(
    st.text(max_size=200)
    | st.lists(
        st.sampled_from([*"<>'\"=/ ", "a href", "form", "<!--", "-->", "script", "url(", "{", "${", "`", "\\u"]),
        max_size=40,
    ).map("".join)
)
def test_any_text_can_be_read(text: str) -> None:
    for kind in ("text/html", "application/javascript", "text/css", "application/json", "text/xml", "text/plain"):
        for lead in reading_of(text, kind).leads:
            assert lead.url.isascii()
            assert lead.url.startswith(("http://", "https://"))
            assert not set(lead.url) & set(" \r\n\t#")
