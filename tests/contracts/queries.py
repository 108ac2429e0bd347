"""Random findings to ask about, and random queries about them."""

from collections.abc import Callable
from datetime import timedelta

from hypothesis import strategies as st

from secops.model.finding import Severity, State, Weakness, WeaknessClass
from secops.model.outcome import Evaluation, Outcome
from secops.model.text import Text
from secops.store.query import (
    FIELDS,
    And,
    Comparison,
    Condition,
    Equals,
    Exists,
    Field,
    In,
    Not,
    Or,
    Prefix,
    Query,
    Range,
    Sort,
    TextMatch,
    Value,
)
from tests.contracts.evaluations import START, at, evaluation

_WORDS = ["portal", "por", "智慧医疗", "智慧", "tax", "", "a%b_", "x'y\"z*", "8.1.4.8 a", "\U0010ffff", "\x00"]
_SENTENCES = [
    "弱口令策略未启用",
    "口令",
    "No HSTS header: \x00\n\t'quoted' \"twice\"",
    "no hsts",
    "ΑΣΣ İstanbul STRASSE straße",
    "",
    "%_",
    "a AND b OR NOT c*",
]
_SOUGHT = [
    *(
        "弱口令",
        "口令",
        "令",
        "HSTS",
        "hsts header",
        "no hsts hea",
        "'",
        '"',
        '"twice"',
        "%",
        "_",
        "*",
        "%_",
        "STRASSE",
    ),
    *("ß", "ΑΣ", "σσ", "istanbul", "zzz", "a AND b", "and b or not c", " ", "\x00\n", "\n"),
]


def _text(sentences: st.SearchStrategy[str]) -> st.SearchStrategy[Text]:
    return st.builds(Text, sentences, sentences)


_weaknesses = st.builds(
    Weakness,
    weakness_class=st.sampled_from(WeaknessClass),
    rule=st.sampled_from(["http-headers.csp-missing", "http-headers.hsts", "tls.old"]),
    locator=st.sampled_from([("/",), ("/b",), ("/c",)]),
    severity=st.sampled_from(Severity),
    title=_text(st.sampled_from(_SENTENCES)),
    reason=_text(st.one_of(st.sampled_from(_SENTENCES), st.text(st.characters(codec="utf-8"), max_size=6))),
    mend=st.just(Text("改", "mend")),
    clauses=st.sampled_from([(), ("8.1.4.8 a",), ("8.1.4.8 a", "8.1.4.8 b"), ("8.1.4",)]),
)
_evaluations = st.builds(
    lambda weaknesses, minutes, asset, check, system, outcome: evaluation(
        *weaknesses, minutes=minutes, asset=asset, check=check, system=system, outcome=outcome
    ),
    st.lists(_weaknesses, max_size=3),
    st.integers(0, 6),
    st.sampled_from(["portal", "por", "a%b_", "site"]),
    st.sampled_from(["http-headers", "tls"]),
    st.sampled_from(_WORDS),
    st.sampled_from([Outcome.FOUND, Outcome.BLOCKED]),
)
scans: st.SearchStrategy[list[list[Evaluation]]] = st.lists(st.lists(_evaluations, max_size=4), min_size=1, max_size=6)

_ages = st.integers(0, 400).map(lambda seconds: timedelta(seconds=seconds)) | st.just(timedelta(days=999_999_999))


def _values(field: Field, ages: bool = False) -> st.SearchStrategy[Value]:
    if field.type in (Severity, State, WeaknessClass):
        return st.sampled_from(list(field.type))  # type: ignore[call-overload, no-any-return]
    if field.type is int:
        return st.integers(0, 4)
    if field.type is str:
        return st.sampled_from([*_WORDS, "http-headers", "tls", "site", "8.1.4", "1-", "1-q"])
    moments: st.SearchStrategy[Value] = st.integers(-1, 7).map(at)
    return moments | _ages if ages else moments


def _fields(fits: Callable[[Field], bool]) -> st.SearchStrategy[Field]:
    return st.sampled_from([field for field in FIELDS.values() if fits(field)])


_leaves: st.SearchStrategy[Condition] = st.one_of(
    _fields(lambda field: field.type is not Text).flatmap(
        lambda field: st.one_of(
            _values(field).map(lambda value: Equals(field.name, value)),
            st.lists(_values(field), min_size=1, max_size=3).map(lambda values: In(field.name, tuple(values))),
        )
    ),
    _fields(lambda field: field.ordered).flatmap(
        lambda field: st.builds(Range, st.just(field.name), st.sampled_from(Comparison), _values(field, ages=True))
    ),
    _fields(lambda field: field.type is str).flatmap(
        lambda field: st.sampled_from(["por", "智", "a%", "1", "8.1.4.8", "\U0010ffff", "http", "x'"]).map(
            lambda prefix: Prefix(field.name, prefix)
        )
    ),
    st.builds(TextMatch, st.sampled_from(["title", "reason", "text"]), st.sampled_from(_SOUGHT)),
    st.sampled_from(sorted(FIELDS)).map(Exists),
)
conditions: st.SearchStrategy[Condition] = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: And(tuple(parts))),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: Or(tuple(parts))),
        inner.map(Not),
    ),
    max_leaves=6,
)
sorts: st.SearchStrategy[tuple[Sort, ...]] = st.lists(
    st.builds(Sort, st.sampled_from([field.name for field in FIELDS.values() if field.sortable]), st.booleans()),
    min_size=1,
    max_size=3,
).map(tuple)
queries = st.builds(Query, st.none() | conditions, sorts) | st.builds(Query, conditions)
PRESENT = START + timedelta(minutes=7)
