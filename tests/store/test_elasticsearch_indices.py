"""Indices on the real server: made once, recognised, rolled, forgotten, copied, also when killed in between."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from secops.model.finding import Finding, State
from secops.model.outcome import Outcome
from secops.model.text import Text
from secops.store.elasticsearch_documents import (
    Kind,
    audit_document,
    audit_of,
    body_of,
    content_document,
    coverage_document,
    digest,
    event_document,
    event_of,
    finding_document,
    finding_of,
    told_of,
)
from secops.store.elasticsearch_errors import IndexMissing, Refused
from secops.store.elasticsearch_indices import Indices, definition, require_ready
from secops.store.elasticsearch_json import Document
from secops.store.elasticsearch_reindexing import reindex
from secops.store.elasticsearch_retention import Full, Generation, Keep, forgotten, is_full
from secops.store.elasticsearch_server import Action, Status
from secops.store.event import Event
from secops.store.finding_store import AuditEntry
from secops.store.query import Query, TextMatch
from secops.support.clock import now
from secops.support.errors import BadInput, Incomplete
from tests.contracts.evaluations import START, evaluation, weakness
from tests.lab.elasticsearch import connect, shared_elasticsearch
from tests.store.elasticsearch_lab import fresh_indices, write_findings, written
from tests.store.test_query_elasticsearch import finding, ids

BEGUN = now() - timedelta(days=1500)
"""Long enough ago that everything can grow old before the present."""


@pytest.fixture
def indices() -> Iterator[Indices]:
    with fresh_indices(shared_elasticsearch()) as made:
        yield made


def names(indices: Indices) -> list[str]:
    return sorted(name.removeprefix(f"{indices.prefix}-") for name in indices.server.indices(f"{indices.prefix}-*"))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.xdist_group("elasticsearch")
class TestIndices:
    def test_setting_up_makes_what_is_missing_once(self, indices: Indices) -> None:
        first, second = indices.set_up(BEGUN), indices.set_up(BEGUN)
        assert len(first.made) == len(Kind)
        assert (second.made, second.outdated) == ((), ())
        assert {"findings-v1", "events-000001", "audit-000001", "newest-v1"} <= set(names(indices))
        standing = {one.kind: one for one in indices.status()}
        assert {one.documents for one in standing.values()} == {0}
        assert {one.health for one in standing.values()} == {"green"}
        assert not any(one.blocked or one.outdated for one in standing.values())

    def test_findings_are_prepared_last_so_that_their_index_says_that_all_are_there(self, indices: Indices) -> None:
        indices.set_up(BEGUN)
        there = indices.server.indices(f"{indices.prefix}-*")
        made = {name: int(one["settings"]["index"]["creation_date"]) for name, one in there.items()}
        findings = made.pop(indices.name(Kind.FINDINGS, 1))
        assert findings >= max(made.values())

    def test_looking_changes_nothing(self, indices: Indices) -> None:
        assert {one.health for one in indices.status()} == {"missing"}
        assert names(indices) == []
        with pytest.raises(IndexMissing):
            indices.newest(Kind.EVENTS)

    @pytest.mark.parametrize("name", ["findings-v1", "events-000001"])
    def test_the_index_of_another_program_stays_as_it_is(self, indices: Indices, name: str) -> None:
        with connect(shared_elasticsearch()) as administrator:
            administrator.indices.create(index=f"{indices.prefix}-{name}")
        with pytest.raises(BadInput, match="is not Jindun's"):
            indices.set_up(BEGUN)
        assert names(indices) == [name]

    def test_the_index_of_a_newer_program_stays_as_it_is(self, indices: Indices) -> None:
        body = definition(Kind.FINDINGS, BEGUN)
        body["mappings"]["_meta"]["jindun"]["version"] = 99
        name = indices.name(Kind.FINDINGS, 1)
        indices.server.create_index(name, {indices.alias(Kind.FINDINGS): {"is_write_index": True}}, body)
        with pytest.raises(BadInput, match="made by a newer Jindun"):
            indices.set_up(BEGUN)

    def test_every_noun_comes_back_as_it_was(self, indices: Indices) -> None:
        indices.set_up(BEGUN)
        seen = evaluation(weakness(), outcome=Outcome.BLOCKED, observation=b"\x00body")
        event = Event("1-abc", 2, START, "scan:\ud800", "state: new → triaged", Text("因为", "because"))
        entry = AuditEntry(START, "li", "edit", "1-abc", "detail", Text("因为", "because\x00"))
        told = {
            Kind.EVENTS: event_document(event, 1),
            Kind.AUDIT: audit_document(entry, 1),
            Kind.COVERAGE: coverage_document("s1", seen),
            Kind.CONTENTS: content_document(seen.observation),
        }
        got = {}
        for kind, document in told.items():
            written(indices, kind, [("1", document)])
            (hit,) = indices.server.everything(indices.alias(kind), {"match_all": {}})
            got[kind] = hit.source
        assert event_of(got[Kind.EVENTS]) == replace(event, actor="scan:?")
        assert audit_of(got[Kind.AUDIT]) == entry
        assert told_of(got[Kind.COVERAGE])["outcome"] == "blocked"
        assert body_of(got[Kind.CONTENTS]) == seen.observation

    def test_a_finding_of_hostile_texts_comes_back_as_it_was(self, indices: Indices) -> None:
        indices.set_up(BEGUN)
        evidence = {"": "empty", "a.b": "dots", "..": "\x00", "document": "x" * 100_000, "\U0010ffff": "智"}
        one = finding(1, "t" * 40_000, "\u2028 \\ \x00")
        one = replace(one, weakness=replace(one.weakness, evidence=evidence))
        written(indices, Kind.FINDINGS, [(one.id, finding_document(one, {"n": [1, {"": None}]}))])
        (found,) = indices.server.get(indices.alias(Kind.FINDINGS), [one.id]).values()
        assert finding_of(found.source) == (one, {"n": [1, {"": None}]})
        assert "searched" not in found.source["jindun"], "what is only searched is not kept twice"

    def test_an_old_mapping_is_told_and_what_is_appended_goes_on_in_a_new_index(self, indices: Indices) -> None:
        for kind in (Kind.FINDINGS, Kind.EVENTS):
            body = definition(kind, BEGUN)
            body["mappings"]["_meta"]["jindun"]["shape"] = "older"
            name = indices.name(kind, 1)
            indices.server.create_index(name, {indices.alias(kind): {"is_write_index": True}}, body)
        found = indices.set_up(BEGUN)
        assert found.outdated == (Kind.FINDINGS,)
        with pytest.raises(Incomplete, match="run `secops store reindex findings`"):
            require_ready(found)
        assert indices.newest(Kind.EVENTS).endswith("events-000002")
        assert [one.kind for one in indices.status() if one.outdated] == [Kind.FINDINGS]
        reindex(indices, Kind.FINDINGS, BEGUN)
        assert indices.set_up(BEGUN).outdated == ()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.xdist_group("elasticsearch")
class TestRolling:
    def event(self, number: int) -> tuple[str, Document]:
        event = Event(f"1-{number}", 1, BEGUN, "li", "seen", Text("见", "seen"))
        return digest("event", str(number)), event_document(event, number)

    def test_a_full_index_is_followed_by_the_next_and_both_are_read(self, indices: Indices) -> None:
        indices.set_up(BEGUN)
        keep = Keep(full=Full(documents=3))
        written(indices, Kind.EVENTS, map(self.event, range(2)))
        assert indices.roll(keep, BEGUN).made == ()
        written(indices, Kind.EVENTS, [self.event(2)])
        made = indices.roll(keep, BEGUN).made
        assert [name.removeprefix(f"{indices.prefix}-") for name in made] == ["events-000002"]
        assert indices.roll(keep, BEGUN).made == ()
        written(indices, Kind.EVENTS, [self.event(3)])
        found = indices.server.everything(indices.alias(Kind.EVENTS), {"match_all": {}})
        assert sorted(event_of(hit.source).finding for hit in found) == ["1-0", "1-1", "1-2", "1-3"]

    def test_what_was_bound_to_an_index_is_not_written_twice_when_the_next_one_has_begun(
        self, indices: Indices
    ) -> None:
        indices.set_up(BEGUN)
        bound = indices.own(indices.newest(Kind.EVENTS))
        id, document = self.event(0)
        action = Action(bound, id, document)
        assert [result.status for result in indices.server.bulk([action])] == [Status.OK]
        indices.server.refresh(indices.alias(Kind.EVENTS))
        indices.roll(Keep(full=Full(documents=1)), BEGUN)
        assert indices.newest(Kind.EVENTS).endswith("000002")
        assert [result.status for result in indices.server.bulk([action])] == [Status.CONFLICT]
        assert indices.server.count(indices.alias(Kind.EVENTS)) == 1

    def test_old_indices_are_deleted_and_what_is_still_needed_is_not_in_them(self, indices: Indices) -> None:
        indices.set_up(BEGUN)
        keep = Keep()
        for month in range(10):
            moment = BEGUN + timedelta(days=31 * month)
            for kind in (Kind.OBSERVATIONS, Kind.CONTENTS, Kind.AUDIT):
                written(indices, kind, [(f"{kind}{month}", {"jindun": {}})])
            indices.roll(keep, moment + timedelta(days=31))
        left = {
            kind: [name for name in names(indices) if name.startswith(f"{kind.value}-")]
            for kind in (Kind.OBSERVATIONS, Kind.CONTENTS, Kind.AUDIT)
        }
        assert left[Kind.OBSERVATIONS][0] == "observations-000005"
        assert left[Kind.CONTENTS][0] == "contents-000004", "bodies outlive the observations that name them"
        assert left[Kind.AUDIT][0] == "audit-000001"
        long_after = indices.roll(keep, BEGUN + timedelta(days=1400))
        assert long_after.deleted
        assert [name for name in names(indices) if name.startswith("observations")] == ["observations-000011"]
        assert {"findings-v1", "newest-v1", "baselines-v1", "places-v1"} <= set(names(indices))
        assert indices.roll(keep, BEGUN + timedelta(days=1400)).deleted == ()

    def test_a_clock_that_runs_ahead_deletes_nothing(self, indices: Indices) -> None:
        indices.set_up(BEGUN)
        before = names(indices)
        with pytest.raises(Incomplete, match="no index was deleted"):
            indices.roll(Keep(), now() + timedelta(days=400))
        assert names(indices) == before


def test_when_an_index_is_full() -> None:
    full = Full(size_bytes=100, documents=10, age=timedelta(days=30))

    def newest(documents: int, size_bytes: int, days: int) -> bool:
        return is_full(Generation("i", START, documents, size_bytes), full, START + timedelta(days=days))

    assert [newest(9, 99, 29), newest(10, 0, 0), newest(1, 100, 0), newest(1, 0, 30)] == [False, True, True, True]
    assert not newest(0, 100, 400), "an empty one is written on"


def test_the_newest_index_is_never_forgotten() -> None:
    several = [Generation(str(number), START + timedelta(days=number), 1, 1) for number in range(4)]
    after = START + timedelta(days=12)
    assert [one.index for one in forgotten(several, timedelta(days=10), after)] == ["0", "1"]
    assert [one.index for one in forgotten(several, timedelta(0), after)] == ["0", "1", "2"]
    assert list(forgotten(several[:1], timedelta(0), after)) == []


def test_audit_is_kept_for_half_a_year_at_least() -> None:
    with pytest.raises(BadInput, match="at least 180 days"):
        Keep(audit=timedelta(days=179))
    assert Keep(audit=timedelta(days=180)).of(Kind.AUDIT) == timedelta(days=180)


def many(count: int) -> list[Finding]:
    return [finding(number, f"发现 {number}", state=State.TRIAGED) for number in range(count)]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.xdist_group("elasticsearch")
class TestReindexing:
    def test_a_copy_is_whole_and_takes_over_at_once(self, indices: Indices) -> None:
        indices.set_up(BEGUN)
        write_findings(indices, many(2_500))
        seen: list[tuple[int, int]] = []
        done = reindex(indices, Kind.FINDINGS, now(), lambda *each: seen.append(each))
        assert (done.documents, seen[-1]) == (2_500, (2_500, 2_500))
        assert (done.old[-2:], done.new[-2:]) == ("v1", "v2")
        assert indices.newest(Kind.FINDINGS) == done.new
        assert len(ids(indices, Query(TextMatch("title", "发现 2499")))) == 1
        assert done.old in indices.server.indices(f"{indices.prefix}-*"), "kept until the next time"
        again = reindex(indices, Kind.FINDINGS, now())
        assert again.sha256 == done.sha256
        assert [name for name in names(indices) if name.startswith("findings")] == ["findings-v2", "findings-v3"]
        write_findings(indices, many(1))

    def test_a_write_over_what_was_found_before_the_copy_meets_the_old_index(self, indices: Indices) -> None:
        indices.set_up(BEGUN)
        (one,) = many(1)
        write_findings(indices, [one])
        found = indices.server.get(indices.alias(Kind.FINDINGS), [one.id])[one.id]
        late = Action(indices.own(found.index), one.id, finding_document(one, {}), over=found)
        reindex(indices, Kind.FINDINGS, now())
        assert indices.server.bulk([late])[0].status is Status.BLOCKED
        reindex(indices, Kind.FINDINGS, now())
        assert indices.server.bulk([late])[0].status is Status.MISSING
        assert [name for name in names(indices) if name.startswith("findings")] == ["findings-v2", "findings-v3"]

    def test_a_document_that_does_not_fit_leaves_all_as_it_was(self, indices: Indices) -> None:
        body = definition(Kind.ACCEPTANCES, BEGUN)
        body["mappings"]["dynamic"] = "true"
        alias = indices.alias(Kind.ACCEPTANCES)
        name = indices.name(Kind.ACCEPTANCES, 1)
        indices.server.create_index(name, {alias: {"is_write_index": True}, indices.own(name): {}}, body)
        written(indices, Kind.ACCEPTANCES, [("a", {"unknown": 1})])
        with pytest.raises(Refused, match="strict_dynamic_mapping_exception"):
            reindex(indices, Kind.ACCEPTANCES, now())
        assert names(indices) == ["acceptances-v1"]
        written(indices, Kind.ACCEPTANCES, [("b", {"unknown": 1})])

    def test_what_is_appended_is_not_copied(self, indices: Indices) -> None:
        with pytest.raises(BadInput, match="is only appended to"):
            reindex(indices, Kind.EVENTS, now())

    @pytest.mark.parametrize("after", ["block", "create", "first", "second", "refresh", "swap"])
    def test_killed_in_between_it_can_be_run_again(self, indices: Indices, after: str) -> None:
        indices.set_up(BEGUN)
        findings = many(2_500)
        write_findings(indices, findings)
        process = subprocess.Popen([sys.executable, "-c", KILLED, shared_elasticsearch().url, indices.prefix, after])
        assert process.wait(100) == -signal.SIGKILL
        done = reindex(indices, Kind.FINDINGS, now())
        assert done.documents == 2_500
        assert sorted(ids(indices, Query())) == sorted(one.id for one in findings)
        write_findings(indices, findings[:1])
        left = [name for name in names(indices) if name.startswith("findings")]
        assert left == [f"findings-v{number}" for number in ((2, 3) if after == "swap" else (1, 2))]


KILLED = """
import os, signal, sys
from secops.store.elasticsearch_access import Access
from secops.store.elasticsearch_documents import Kind
from secops.store.elasticsearch_indices import Indices
from secops.store.elasticsearch_reindexing import reindex
from secops.store.elasticsearch_server import ElasticsearchServer
from secops.support.clock import now

*urls, prefix, after = sys.argv[1:]

class Dying(ElasticsearchServer):
    pass

def dying(name, when):
    original = getattr(ElasticsearchServer, name)
    calls = []
    def call(self, *arguments, **options):
        done = original(self, *arguments, **options)
        calls.append(1)
        if len(calls) == when:
            os.kill(os.getpid(), signal.SIGKILL)
        return done
    setattr(Dying, name, call)

dying(*{"block": ("block_writes", 1), "create": ("create_index", 1), "first": ("bulk", 1), "second": ("bulk", 2),
        "refresh": ("refresh", 2), "swap": ("change_aliases", 1)}[after])
reindex(Indices(Dying(Access(tuple(urls))), prefix), Kind.FINDINGS, now())
"""
