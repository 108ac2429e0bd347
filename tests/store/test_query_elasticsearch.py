"""Queries against the real server mean what `matches` says, and what SQLite answers."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secops.model.finding import Finding, Severity, State, Weakness, WeaknessClass, finding_id
from secops.model.outcome import Evaluation
from secops.model.text import Text
from secops.store.elasticsearch_documents import Kind, finding_document, finding_of
from secops.store.elasticsearch_findings import count, page
from secops.store.elasticsearch_indices import Indices
from secops.store.elasticsearch_text import holds, trigrams
from secops.store.finding_store import LARGEST_PAGE
from secops.store.query import (
    DEEPEST,
    FIELDS,
    And,
    Comparison,
    Condition,
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
    at,
    folded,
    matches,
)
from secops.store.query_elasticsearch import LONGEST_PREFIX_BYTES
from secops.store.sqlite_store import SqliteStore
from secops.support.errors import BadInput
from tests.contracts.evaluations import START
from tests.contracts.queries import PRESENT, queries, scans
from tests.contracts.test_queries import expected
from tests.lab.elasticsearch import shared_elasticsearch
from tests.store.elasticsearch_lab import fresh_indices, write_findings

slow = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("elasticsearch")]


@pytest.fixture
def indices() -> Iterator[Indices]:
    with fresh_indices(shared_elasticsearch()) as made:
        made.create(Kind.FINDINGS, 1, START)
        yield made


def finding(number: int = 0, title: str = "t", reason: str = "r", rule: str = "rule", **changes: object) -> Finding:
    weakness = Weakness(
        WeaknessClass.WEB, rule, (f"/{number}",), Severity.LOW, Text(title, title), Text(reason, ""), Text("", "")
    )
    made = Finding(
        finding_id(WeaknessClass.WEB, "site", rule, (f"/{number}",)),
        "portal",
        "site",
        "http-headers",
        weakness,
        State.NEW,
        START,
        START,
        START,
        START,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def ids(indices: Indices, query: Query, limit: int = LARGEST_PAGE) -> list[str]:
    """All pages, each of which is full but the last."""
    where = at(query.where, PRESENT) if query.where else None
    found: list[str] = []
    cursor = None
    while True:
        got = page(indices.server, indices.alias(Kind.FINDINGS), query, where, limit, cursor)
        found += [one.id for one in got.findings]
        cursor = got.next_cursor
        if cursor is None:
            return found
        assert len(got.findings) == limit


def paged_by_sqlite(store: SqliteStore, query: Query, limit: int) -> tuple[list[str], list[str | None]]:
    found: list[str] = []
    cursors: list[str | None] = [None]
    while True:
        got = store.find(query, limit, cursors[-1])
        found += [one.id for one in got.findings]
        if got.next_cursor is None:
            return found, cursors
        cursors.append(got.next_cursor)


class TestAnswers:
    pytestmark = slow

    @given(batches=scans, asked=st.lists(queries, min_size=4, max_size=16), limit=st.integers(1, 5))
    @settings(suppress_health_check=list(HealthCheck), max_examples=40, deadline=None)
    def test_any_query_finds_the_same_in_the_same_order_as_its_meaning_and_sqlite(
        self,
        tmp_path_factory: pytest.TempPathFactory,
        batches: list[list[Evaluation]],
        asked: list[Query],
        limit: int,
    ) -> None:
        file = tmp_path_factory.mktemp("store") / "findings.sqlite"
        with SqliteStore(file, clock=lambda: PRESENT) as store, fresh_indices(shared_elasticsearch()) as indices:
            for number, batch in enumerate(batches):
                store.record(f"s{number}", batch)
            everything = list(store.find(Query(), LARGEST_PAGE).findings)
            indices.create(Kind.FINDINGS, 1, START)
            if everything:
                write_findings(indices, everything)
            for query in asked:
                wanted = expected(everything, query)
                assert ids(indices, query, limit) == [one.id for one in wanted]
                by_sqlite, cursors = paged_by_sqlite(store, query, limit)
                assert by_sqlite == [one.id for one in wanted]
                # A cursor of one store goes on in the other.
                where = at(query.where, PRESENT) if query.where else None
                go_on = page(indices.server, indices.alias(Kind.FINDINGS), query, where, limit, cursors[-1])
                assert [one.id for one in go_on.findings] == by_sqlite[(len(cursors) - 1) * limit :]
                by = ("severity", "state", "system")
                told = Counter(tuple(FIELDS[name].read(one)[0] for name in by) for one in wanted)
                assert count(indices.server, indices.alias(Kind.FINDINGS), where, by) == told
                assert count(indices.server, indices.alias(Kind.FINDINGS), where, ()) == {(): len(wanted)}

    @given(
        texts=st.lists(st.text(st.characters(codec="utf-8"), max_size=12), min_size=1, max_size=8),
        sought=st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=4), min_size=1, max_size=8),
        cut=st.tuples(st.integers(0, 10), st.integers(1, 6)),
    )
    @settings(suppress_health_check=list(HealthCheck), max_examples=30, deadline=None)
    def test_any_piece_of_any_text_is_found(self, texts: list[str], sought: list[str], cut: tuple[int, int]) -> None:
        pieces = [*sought, *(text[cut[0] : cut[0] + cut[1]] for text in texts)]
        findings = [finding(number, text, "智慧医疗 a\\b \u3000 c") for number, text in enumerate(texts)]
        with fresh_indices(shared_elasticsearch()) as indices:
            indices.create(Kind.FINDINGS, 1, START)
            write_findings(indices, findings)
            for piece in filter(None, pieces):
                for name in ("title", "text"):
                    query = Query(TextMatch(name, piece))
                    assert ids(indices, query) == [one.id for one in expected(findings, query)], piece

    def test_every_sort_of_space_is_told_apart_from_every_other(self, indices: Indices) -> None:
        spaces = "\u0020\u0085\u00a0\u1680\u180e\u2000\u2003\u2009\u2028\u2029\u202f\u205f\u3000\u200b\ufeff\\"
        findings = [finding(number, f"a{space}b") for number, space in enumerate(spaces)]
        write_findings(indices, findings)
        for number, space in enumerate(spaces):
            for piece in (space, f"a{space}", f"a{space}b"):
                assert ids(indices, Query(TextMatch("title", piece))) == [findings[number].id], repr(piece)

    def test_texts_do_not_run_into_each_other(self, indices: Indices) -> None:
        write_findings(indices, [replace(finding(), weakness=replace(finding().weakness, title=Text("abc", "def")))])
        for piece, found in (("abc", 1), ("def", 1), ("cd", 0), ("bcde", 0), ("abcdef", 0)):
            assert len(ids(indices, Query(TextMatch("title", piece)))) == found

    def test_a_long_text_is_searched_to_its_end(self, indices: Indices) -> None:
        long = "".join(f"{number}智" for number in range(60_000))
        write_findings(indices, [finding(0, "x", long), finding(1, "x", long[:-1])])
        assert ids(indices, Query(TextMatch("reason", "59999智"))) == [finding(0).id]
        assert len(ids(indices, Query(TextMatch("reason", long[1000:21_000])))) == 2

    def test_long_values_are_compared_to_their_end_and_sorted_by_their_beginning(self, indices: Indices) -> None:
        long = "市" * 20_000
        findings = [
            finding(number, asset=asset) for number, asset in enumerate((long, long + "a", long[:-1], "市", "区"))
        ]
        write_findings(indices, findings)
        for one in findings:
            assert ids(indices, Query(Equals("asset", one.asset))) == [one.id]
        assert len(ids(indices, Query(Prefix("asset", long[: LONGEST_PREFIX_BYTES // 3])))) == 3
        with pytest.raises(BadInput, match="the prefix is too long"):
            ids(indices, Query(Prefix("asset", long)))
        by_asset = ids(indices, Query(sort=(Sort("asset"),)), 1)
        assert by_asset[:2] == [findings[4].id, findings[3].id]
        assert sorted(by_asset) == sorted(one.id for one in findings)

    def test_the_largest_numbers_and_the_farthest_moments(self, indices: Indices) -> None:
        largest, first = 2**63 - 1, datetime(1, 1, 1, tzinfo=UTC)
        last = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
        findings = [
            finding(0, times_seen=largest, first_seen=first),
            finding(1, times_seen=largest - 1, first_seen=last),
            finding(2, times_seen=-largest, first_seen=START),
        ]
        write_findings(indices, findings)
        asked: list[Condition] = [
            Equals("times_seen", largest),
            Equals("first_seen", first),
            Equals("first_seen", last),
        ]
        ranges: list[Condition] = [
            Range(name, comparison, value)
            for name, values in (("times_seen", (largest, largest - 1, -largest)), ("first_seen", (first, last, START)))
            for value in values
            for comparison in Comparison
        ]
        for where in (*asked, *ranges):
            for key in ("times_seen", "first_seen"):
                for descending in (True, False):
                    query = Query(where, (Sort(key, descending),))
                    assert ids(indices, query, 1) == [one.id for one in expected(findings, query)], where

    def test_a_query_may_be_nested_as_deep_as_queries_may(self, indices: Indices) -> None:
        findings = [finding(number, system="deep" if number else "portal") for number in range(2)]
        write_findings(indices, findings)
        makers: list[Callable[[Condition], Condition]] = [Not, _and_then_or]
        for make in makers:
            where: Condition = Equals("system", "deep")
            for _level in range(DEEPEST - 1):
                where = make(where)
            assert ids(indices, Query(where)) == [one.id for one in findings if matches(where, one)]

    def test_a_thousand_values(self, indices: Indices) -> None:
        write_findings(indices, [finding(number, system=str(number)) for number in range(5)])
        assert len(ids(indices, Query(In("system", tuple(map(str, range(3, 1003))))))) == 2

    def test_what_is_empty_does_not_exist(self, indices: Indices) -> None:
        empty = finding(0, "", "", system="")
        clauses = [(), ("",), ("", "8.1"), ("8.1",)]
        findings = [empty] + [
            replace(finding(number), weakness=replace(finding(number).weakness, clauses=each))
            for number, each in enumerate(clauses, 1)
        ]
        write_findings(indices, findings)
        for name in FIELDS:
            for where in (Exists(name), Not(Exists(name))):
                assert set(ids(indices, Query(where))) == {one.id for one in findings if matches(where, one)}, where

    def test_halves_of_surrogate_pairs_pass(self, indices: Indices) -> None:
        hostile = finding(0, "a\ud800b", rule="r\udfff", system="s\ud800")
        write_findings(indices, [hostile])
        for where in (TextMatch("title", "a?b"), Equals("system", "s?"), Equals("rule", "r?")):
            assert ids(indices, Query(where, (Sort("system"),)), 1) == [hostile.id]


def _and_then_or(part: Condition) -> Condition:
    always = Exists("state")
    return Or((Not(always), part)) if isinstance(part, And) else And((always, part))


@given(st.text(), st.text(min_size=1, max_size=5))
def test_trigrams_say_whether_a_piece_is_in_a_text(text: str, piece: str) -> None:
    """What the server does, done here: words between spaces, one behind the other."""
    words = trigrams(text).split(" ") if text else []
    for each in (piece, text[1:4], text[-2:], text[:1]):
        if not each:
            continue
        ((kind, where),) = holds("f", each).items()
        if kind == "prefix":
            found = any(word.startswith(where["f"]) for word in words)
        else:
            wanted = where["f"].split(" ")
            found = any(words[start : start + len(wanted)] == wanted for start in range(len(words)))
        assert found == (folded(each) in folded(text))


def test_a_finding_comes_back_as_it_was() -> None:
    one = finding(3, "口令\x00", 'quoted "', regressions=2)
    assert finding_of(finding_document(one, {"applied": ["k1"], "n": 1})) == (one, {"applied": ["k1"], "n": 1})
