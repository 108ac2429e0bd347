"""Queries as people write them: read, printed, and refused at their place."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secops.model.finding import Severity, State
from secops.store.query import (
    And,
    Comparison,
    Equals,
    Exists,
    In,
    Not,
    Or,
    Prefix,
    Query,
    Range,
    Sort,
    TextMatch,
)
from secops.store.query_text import parse, to_text
from secops.support.errors import BadInput
from tests.contracts.queries import queries

AT_LEAST_HIGH = Range("severity", Comparison.AT_LEAST, Severity.HIGH)
NEW = Equals("state", State.NEW)


@given(queries)
@settings(max_examples=400, deadline=None)
def test_what_is_printed_reads_back_as_the_same(query: Query) -> None:
    assert parse(to_text(query)) == query


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_any_text_can_be_written_as_a_value(text: str) -> None:
    for condition in (Equals("system", text), Prefix("asset", text), TextMatch("title", text), In("rule", (text,))):
        assert parse(to_text(Query(condition))) == Query(condition)


@given(st.text(st.sampled_from('abestaor ():,"~<>=!*@-\\7dn\u3000\uff1a"智\n') | st.characters(), max_size=60))
@settings(max_examples=500, deadline=None)
def test_nothing_that_is_typed_breaks_the_parser(text: str) -> None:
    try:
        query = parse(text)
    except BadInput as error:
        assert "query:" in error.text.en
    else:
        assert parse(to_text(query)) == query


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("", Query()),
        ("sort -last_seen, id", Query(sort=(Sort("last_seen", descending=True), Sort("id")))),
        ("severity>=high and state:new", Query(And((AT_LEAST_HIGH, NEW)))),
        ("severity>=high AND state=new sort id", Query(And((AT_LEAST_HIGH, NEW)), (Sort("id"),))),
        ("state:new or state:new and severity>=high", Query(Or((NEW, And((NEW, AT_LEAST_HIGH)))))),
        ("(state:new or severity>=high) and state:new", Query(And((Or((NEW, AT_LEAST_HIGH)), NEW)))),
        ("not not state:new", Query(Not(Not(NEW)))),
        ("state!=new", Query(Not(NEW))),
        ("state in (new, triaged)", Query(In("state", (State.NEW, State.TRIAGED)))),
        ("severity\uff1e\uff1dhigh and \uff08state\uff1anew\uff09", Query(And((AT_LEAST_HIGH, NEW)))),
        ("system:智慧*", Query(Prefix("system", "智慧"))),
        ('system:"a b"*', Query(Prefix("system", "a b"))),
        ('system:"a*"', Query(Equals("system", "a*"))),
        ("clause:*", Query(Exists("clause"))),
        ("弱口令", Query(TextMatch("text", "弱口令"))),
        ('"and" and title:hsts', Query(And((TextMatch("text", "and"), TextMatch("title", "hsts"))))),
        (r'title~"say \"x\" \\ y"', Query(TextMatch("title", 'say "x" \\ y'))),
        ("times_seen>3", Query(Range("times_seen", Comparison.MORE, 3))),
        ("last_seen<7d", Query(Range("last_seen", Comparison.LESS, timedelta(days=7)))),
        ("last_seen>=1h30m", Query(Range("last_seen", Comparison.AT_LEAST, timedelta(minutes=90)))),
        (
            "first_seen:2026-11-01T08:00:00Z",
            Query(Equals("first_seen", datetime(2026, 11, 1, 8, tzinfo=UTC))),
        ),
    ],
)
def test_the_syntax(text: str, query: Query) -> None:
    assert parse(text) == query


@pytest.mark.parametrize(
    ("text", "comparison", "day"),
    [
        ("first_seen>=2026-11-01", Comparison.AT_LEAST, 1),
        ("first_seen>2026-11-01", Comparison.AT_LEAST, 2),
        ("first_seen<2026-11-01", Comparison.LESS, 1),
        ("first_seen<=2026-11-01", Comparison.LESS, 2),
    ],
)
def test_a_day_is_the_whole_day_in_local_time(text: str, comparison: Comparison, day: int) -> None:
    assert parse(text) == Query(Range("first_seen", comparison, datetime(2026, 11, day).astimezone()))


def test_a_day_equals_from_its_beginning_to_its_end() -> None:
    assert parse("first_seen:2026-11-01") == parse("first_seen>=2026-11-01 and first_seen<=2026-11-01")


MISTAKES = [
    ("severty>=high", 1, 'there is no field "severty"; did you mean "severity"?', "是不是"),
    ("severity>=hihg", 11, 'severity is never "hihg"; did you mean "high"?', "没有取值"),
    ("state:new and", 14, "a condition is expected", "条件"),
    ("state:new state:new", 11, "here must stand `and`, `or` or `sort`", "and、or"),
    ("(state:new", 1, 'this "(" is never closed', "没有配对"),
    ("state:new)", 10, 'this ")" closes nothing', "多余"),
    ('system:"a', 8, "this quote never ends", "没有结束"),
    ("state:", 7, "a value is expected", "值"),
    ("system>a", 7, "the field system takes no comparison by size", "大小比较"),
    ("system~a", 7, "takes no text search", "文字查找"),
    ("state:n*", 7, "takes no prefix", "前缀"),
    ('title~""', 7, "nothing to look for", "不能为空"),
    ("times_seen>many", 12, "times_seen is a whole number", "整数"),
    ("first_seen>2026-13-01", 12, "there is no day 2026-13-01", "这一天"),
    ("first_seen>yesterday", 12, "a time is written", "时间写作"),
    ("last_seen<7", 11, "a duration needs a unit", "单位"),
    ("last_seen<99999999999999d", 11, "the duration is too long", "太大"),
    ("system in (a*, b)", 13, "only after a colon", "之后"),
    ("system in (a", 11, "never closed", "没有配对"),
    ("state:new sort severty", 16, 'did you mean "severity"', "是不是"),
    ("sort title", 6, "cannot sort by title", "排序"),
    ("智慧 and severty:x", 8, 'there is no field "severty"', "没有字段"),
    ("@mine", 1, "no query was saved as mine", "没有保存过"),
    ("(" * 60 + "state:new" + ")" * 60, 51, "nested deeper", "嵌套"),
    (" or ".join(["state:new"] * 1001), 1, "the query is too large", "过大"),
]


@pytest.mark.parametrize(("text", "column", "en", "zh"), MISTAKES, ids=[mistake[0][:30] for mistake in MISTAKES])
def test_a_mistake_is_told_at_its_place(text: str, column: int, en: str, zh: str) -> None:
    with pytest.raises(BadInput) as refusal:
        parse(text)
    told = refusal.value.text.en.splitlines()
    assert told[0].startswith(f"query:1:{column}: ")
    assert en in told[0]
    assert zh in refusal.value.text.zh
    assert told[2].strip() == "^"


def test_the_caret_stands_below_wide_characters_rightly() -> None:
    with pytest.raises(BadInput) as refusal:
        parse("system:智慧医疗 and nothing:1")
    _, line, caret = refusal.value.text.en.splitlines()
    assert caret.index("^") == line.index("nothing") + 4, "each of the four characters before is two columns wide"


SAVED = {"mine": "system:tax sort id", "both": "@mine or state:new", "loop": "not @pool", "pool": "@loop", "none": ""}


def saved(name: str) -> str:
    return SAVED[name]


def test_a_saved_query_stands_for_its_condition() -> None:
    mine = Equals("system", "tax")
    assert parse("not @both and state:new", saved) == Query(And((Not(Or((mine, NEW))), NEW)))


@pytest.mark.parametrize(("text", "told"), [("@loop", "refers to itself"), ("@none", "holds no condition")])
def test_a_saved_query_that_cannot_be_used(text: str, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        parse(text, saved)
