"""What every store must answer to queries: what `matches` says, in the order that the query wants."""

from collections import Counter
from collections.abc import Iterator
from functools import cmp_to_key
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secops.model.finding import Finding, Severity, State
from secops.model.outcome import Evaluation, Outcome
from secops.store.finding_store import LARGEST_PAGE, FindingStore
from secops.store.query import FIELDS, Equals, Query, Sort, TextMatch, all_of, at, matches, one_of
from secops.store.query_text import parse
from secops.support.errors import BadInput
from tests.contracts.evaluations import evaluation, id_of, weakness
from tests.contracts.queries import PRESENT, queries, scans
from tests.contracts.store_maker import StoreMaker, makers, names


@pytest.fixture(params=names())
def maker(request: pytest.FixtureRequest) -> StoreMaker:
    return makers()[request.param]


@pytest.fixture
def store(maker: StoreMaker, tmp_path: Path) -> Iterator[FindingStore]:
    with maker.open(tmp_path, lambda: PRESENT) as opened:
        yield opened


def paged(store: FindingStore, query: Query, limit: int) -> list[Finding]:
    """All pages, each of which is full but the last."""
    found: list[Finding] = []
    cursor = None
    while True:
        page = store.find(query, limit, cursor)
        found += page.findings
        cursor = page.next_cursor
        if cursor is None:
            return found
        assert len(page.findings) == limit


def expected(everything: list[Finding], query: Query) -> list[Finding]:
    where = at(query.where, PRESENT) if query.where else None
    chosen = [finding for finding in everything if where is None or matches(where, finding)]

    def compare(one: Finding, other: Finding) -> int:
        for key in query.keys:
            left, right = (FIELDS[key.field].read(each)[0] for each in (one, other))
            if isinstance(left, Severity) and isinstance(right, Severity):
                left, right = left.rank, right.rank
            if left != right:
                return (1 if left > right else -1) * (-1 if key.descending else 1)  # type: ignore[operator]
        return 0

    return sorted(chosen, key=cmp_to_key(compare))


@given(scans=scans, asked=st.lists(queries, min_size=1, max_size=12), limit=st.integers(1, 5))
@settings(suppress_health_check=list(HealthCheck), max_examples=60, deadline=None)
def test_a_store_answers_as_the_meaning_of_the_query_says(
    maker: StoreMaker,
    tmp_path_factory: pytest.TempPathFactory,
    scans: list[list[Evaluation]],
    asked: list[Query],
    limit: int,
) -> None:
    with maker.open(tmp_path_factory.mktemp("store"), lambda: PRESENT) as store:
        for number, batch in enumerate(scans):
            store.record(f"s{number}", batch)
        everything = list(store.find(Query(), LARGEST_PAGE).findings)
        for query in asked:
            wanted = expected(everything, query)
            assert paged(store, query, limit) == wanted
            assert store.count(query) == {(): len(wanted)}
            by = ("severity", "state", "system")
            told = Counter(tuple(FIELDS[name].read(one)[0] for name in by) for one in wanted)
            assert store.count(query, by) == told


def record_some(store: FindingStore) -> None:
    store.record(
        "s1",
        [
            evaluation(weakness(severity=Severity.LOW), weakness("/w", Severity.HIGH, "发现弱口令 admin"), minutes=1),
            evaluation(weakness(), asset="b", system="智慧医疗", minutes=2),
            evaluation(weakness("/t"), check="tls-certificate", minutes=3),
        ],
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("severity>=medium", {("/w", "site"), ("/", "b"), ("/t", "site")}),
        ("system:智慧医疗", {("/", "b")}),
        ("system:智*", {("/", "b")}),
        ('弱口令 and title~"ADMIN"', {("/w", "site")}),
        ("口令", {("/w", "site")}),
        ("check:tls-certificate or asset in (b, c)", {("/t", "site"), ("/", "b")}),
        ("not check:tls* and severity<high", {("/", "site"), ("/", "b")}),
        ("first_seen<5m", {("/t", "site")}),
        ("state:resolved", set()),
        ('system:"\' OR 1=1 --"', set()),
    ],
)
def test_queries_as_people_write_them(store: FindingStore, text: str, found: set[tuple[str, str]]) -> None:
    record_some(store)
    assert {one.id for one in store.find(parse(text)).findings} == {id_of(*place) for place in found}


def test_a_text_that_changed_is_found_by_its_new_words_alone(store: FindingStore) -> None:
    store.record("s1", [evaluation(weakness(wording="first words"), minutes=1)])
    store.record("s2", [evaluation(weakness(wording="other ones"), minutes=2)])
    assert store.count(Query(TextMatch("text", "first words"))) == {(): 0}
    assert store.count(Query(TextMatch("text", "OTHER ones"))) == {(): 1}


def test_counts_by_fields(store: FindingStore) -> None:
    record_some(store)
    assert store.count(Query(), ("check", "severity")) == {
        ("http-headers", Severity.LOW): 1,
        ("http-headers", Severity.MEDIUM): 1,
        ("http-headers", Severity.HIGH): 1,
        ("tls-certificate", Severity.MEDIUM): 1,
    }
    assert store.count(Query(Equals("state", State.RESOLVED)), ("check",)) == {}
    assert store.count(Query(Equals("state", State.RESOLVED))) == {(): 0}
    for name in ("id", "clause", "title", "first_seen", "severty"):
        with pytest.raises(BadInput):
            store.count(Query(), (name,))


def test_a_cursor_belongs_to_its_order_too(store: FindingStore) -> None:
    record_some(store)
    cursor = store.find(Query(), 1).next_cursor
    with pytest.raises(BadInput, match="cursor"):
        store.find(Query(sort=(Sort("last_seen"),)), 1, cursor)


def test_an_age_keeps_its_cursor_while_time_goes_on(maker: StoreMaker, tmp_path: Path) -> None:
    moments = iter([PRESENT] * 2 + [PRESENT.replace(second=30)] * 9)
    with maker.open(tmp_path, lambda: next(moments)) as store:
        store.record("s1", [evaluation(*(weakness(f"/{n}") for n in range(3)), minutes=6)])
        assert len(paged(store, parse("last_seen<2h"), 1)) == 3


def test_closed_findings_are_asked_for_like_open_ones(store: FindingStore) -> None:
    record_some(store)
    store.record("s2", [evaluation(minutes=9), evaluation(asset="b", minutes=9, outcome=Outcome.BLOCKED)])
    where = all_of([one_of("state", [State.RESOLVED]), one_of("asset", ["site", "b"]), one_of("check", [])])
    assert store.count(Query(where)) == {(): 2}
