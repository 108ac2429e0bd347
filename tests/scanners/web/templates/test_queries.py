"""Queries into JSON, paths into documents, and regular expressions."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanners.web.templates.expressions.compiling import expression
from scanners.web.templates.expressions.regexes import BadPattern, Regex, required_literal
from scanners.web.templates.expressions.scope import Variables
from scanners.web.templates.expressions.values import EvaluationError
from scanners.web.templates.json_query import BadQuery, json_query, run_query
from scanners.web.templates.xpath import BadPath, document, found_by, xpath

DOCUMENT = json.dumps(
    {
        "token": "t",
        "n": None,
        "yes": True,
        "price": 1.50,
        "count": 3,
        "a b": "spaced",
        "list": [{"id": 1, "tags": ["x", "y"]}, {"id": 2, "tags": []}, {"name": "last"}],
        "deep": {"list": [[1, 2], [3]], "中": "文"},
    }
).encode()

QUERIES = {
    ".token": ["t"],
    '."a b"': ["spaced"],
    '.["a b"]': ["spaced"],
    ".n": ["null"],
    ".yes, .price, .count": ["true", "1.5", "3"],
    ".missing": ["null"],
    ".missing.more": ["null"],
    ".list[].id": ["1", "2", "null"],
    ".list[0].tags[]": ["x", "y"],
    ".list[-1].name": ["last"],
    ".list[0:2] | length": ["2"],
    ".list[1:][].id": ["2", "null"],
    ".list | .[0] | .id": ["1"],
    ".list.[0].id": ["1"],
    ".list[] | select(.id == 2) | .tags": ["[]"],
    ".list[] | select(.id != null and .id > 1).id": ["2"],
    ".list[] | select(.name) | .name": ["last"],
    '.list[0].tags | contains(["x"])': ["true"],
    '.token | startswith("t")': ["true"],
    ".n // .token": ["t"],
    '.missing // "none"': ["none"],
    ".token?": ["t"],
    ".token.x?": [],
    "keys | length": ["8"],
    ".deep | keys": ['["list","中"]'],
    ".deep.list[][]": ["1", "2", "3"],
    "..|numbers": ["1.5", "3", "1", "2", "1", "2", "3"],
    "..|objects|.id//empty": ["1", "2"],
    ".deep | to_entries | .[].key": ["list", "中"],
    "[.list[].id]": ["[1,2,null]"],
    "map(type)": ['["string","null","boolean","number","number","string","array","object"]'],
    ".list | map(.id)": ["[1,2,null]"],
    'if .yes == true then "on" else "off" end': ["on"],
    "if .n then 1 elif .count > 2 then 2 else 3 end": ["2"],
    ".count + 1, .count - 1": ["4", "2"],
    '.token + "x"': ["tx"],
    '.list[0].tags | join(",")': ["x,y"],
    ".token.x": [],
    ".list[].tags[]": ["x", "y"],
}


@pytest.mark.parametrize(("query", "expected"), QUERIES.items())
def test_json_queries(query: str, expected: list[str]) -> None:
    assert [found.decode() for found in run_query(json_query(query), DOCUMENT)] == expected


@pytest.mark.parametrize(
    "query", ["", ".a |", ".[", "nope", "select(", ".a b", "def f: 1; f", "(" * 99 + "." + ")" * 99, '"open']
)
def test_what_is_no_query(query: str) -> None:
    with pytest.raises(BadQuery):
        json_query(query)


def test_what_is_no_json_gives_nothing() -> None:
    for text in (b"", b"<html>", b"[" * 100_000, b'{"a":'):
        assert run_query(json_query("."), text) == []


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=8,
    )
)
def test_queries_never_fail(value: object) -> None:
    text = json.dumps(value).encode()
    for query in QUERIES:
        run_query(json_query(query), text)


PAGE = b'<html><head><title>T</title></head><body><form id=f><input name="csrf" value="v1"><p>a<b>b</b></p></form></body></html>'
PATHS = {
    ("//input[@name='csrf']", "value"): [b"v1"],
    ("//input/@value", ""): [b"v1"],
    ("/html/body/form/input", "value"): [b"v1"],
    ("//p", ""): [b"ab"],
    ("//title", ""): [b"T"],
    ("//title", "id"): [b""],
    ("//nothing", ""): [],
    ("count(//p)", ""): [b"1.0"],
}


@pytest.mark.parametrize(("path", "expected"), PATHS.items())
def test_paths(path: tuple[str, str], expected: list[bytes]) -> None:
    assert found_by(xpath(path[0]), document(PAGE), path[1]) == expected


def test_paths_into_xml_follow_no_entity() -> None:
    text = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/hostname">]><a><b>x&e;y</b></a>'
    assert found_by(xpath("/a/b"), document(text)) == [b"x&e;y"]
    bomb = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaa">' + b"".join(
        b'<!ENTITY %c "&%c;&%c;&%c;&%c;&%c;&%c;&%c;&%c;">' % ((letter + 1,) + (letter,) * 8) for letter in range(97, 120)
    ) + b"]><a>&x;</a>"  # fmt: skip
    assert len(b"".join(found_by(xpath("/a"), document(bomb)))) < 10_000


@pytest.mark.parametrize("path", ["//a[", "matches(//a, 'x')", ""])
def test_what_is_no_path(path: str) -> None:
    with pytest.raises(BadPath):
        xpath(path)


MATCHES = {
    (r"(?i)ABC", b"xabc"): True,
    (r"a.{0,5}(?i)B", b"axxb"): True,
    (r"^b", b"a\nb"): False,
    (r"(?m)^b", b"a\nb"): True,
    (r"b$", b"ab\n"): False,
    (r"b\z", b"ab"): True,
    (r"[[:alpha:]]+\d", b"ab1"): True,
    (r"a.c", b"a\nc"): False,
    (r"(?s)a.c", b"a\nc"): True,
    (r"a.c", b"a\xffc"): True,
    (r"a..c", "a中c".encode()): False,
    (r"a.c", "a中c".encode()): True,
    (r"a\wc", b"a\xe4c"): False,
    (r"\x{4e2d}", "中".encode()): True,
    (r"\Qa.b\E", b"axb"): False,
    ("中.", "中\xe9".encode()): True,
    ("中.", "中".encode() + b"\xe9"): True,
}


@pytest.mark.parametrize(("given_", "expected"), MATCHES.items())
def test_regexes(given_: tuple[str, bytes], expected: bool) -> None:
    assert Regex(given_[0]).found_in(given_[1]) is expected


def test_groups_come_in_the_order_of_the_page_as_they_were_received() -> None:
    assert list(Regex(r'v="(\w*)(-.)?"').matches(b'v="b" v="a-\xff" v=""', 1)) == [b"b", b"a", b""]
    assert list(Regex(r'v="(\w*)(-.)?"').matches(b'v="b" v="a-\xff"', 2)) == [b"", b"-\xff"]
    assert list(Regex("x").matches(b"x", 3)) == []


@pytest.mark.parametrize("pattern", ["(?=a)", "(", "a**", r"\1", "[z-a]", "(a{1000}){1000}"])
def test_what_is_no_regex(pattern: str) -> None:
    with pytest.raises(BadPattern):
        Regex(pattern).check()


def test_no_pattern_takes_long() -> None:
    assert not Regex("(a+)+$").found_in(b"a" * 50_000 + b"b")


LITERALS = {
    r"/themes/x/": b"/themes/x/",
    r"<title>(.*?)</title>": b"</title>",
    r"ab+cdef*g": b"cde",
    r"foo|bar": b"",
    r"(?i)abcd": b"",
    r"a(b|c)defg": b"defg",
    r"x\.yz\d+": b"x.yz",
    r"abcd{2}": b"abc",
    r"[abc|]hello": b"hello",
    r"(abc)?def": b"def",
    r"abcdef{0}": b"abcde",
    r"\Qa.b\Ecdef": b"cdef",
    r"(abcd)": b"",
}


@pytest.mark.parametrize(("pattern", "literal"), LITERALS.items())
def test_what_a_pattern_cannot_do_without(pattern: str, literal: bytes) -> None:
    assert required_literal(pattern) == literal


@given(
    st.lists(
        st.sampled_from(
            ["abc", "d", "e?", "f*", "g+", "(hij)", "(k|lmn)", "[op]", "\\.", ".", "^", "|", "{2}", "(?s)", "\\d"]
        ),
        max_size=8,
    ),
    st.text("abcdefghijklmnop.1 ", max_size=40),
)
def test_a_required_text_is_in_every_match(pieces: list[str], text: str) -> None:
    pattern = "".join(pieces)
    try:
        found = re.search(pattern.replace("(?s)", ""), text, re.DOTALL)
        Regex(pattern).check()
    except (re.error, BadPattern):
        return
    if found:
        assert required_literal(pattern) in text.encode()


HOSTILE = {
    "attributes": b"<b " + b" ".join(b"a%d=1" % number for number in range(50_000)) + b">",
    "nested": b"<div>" * 200_000,
    "nested xml": b'<?xml version="1.0"?>' + b"<a>" * 100_000,
    "wide": b"<i>x</i>" * 50_000,
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.timeout(120)
def test_pages_made_to_cost_much_do_not(name: str) -> None:
    tree = document(HOSTILE[name])
    assert tree is None or found_by(xpath("//nothing"), tree) == []


@pytest.mark.timeout(120)
@pytest.mark.parametrize("source", ['replace_regex(body, "A", "BB")', "mmh3(body)", 'repeat(body, "1000")'])
def test_helpers_refuse_what_would_take_for_ever(source: str) -> None:
    with pytest.raises(EvaluationError):
        expression(source)(Variables({"body": b"A" * 6_000_000}))
