"""The Elasticsearch store read and written whole.

Its documents come in no order that another store knows, so they are put in order in a file on this machine first.
"""

import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import orjson

from secops.model.outcome import Evaluation, Outcome
from secops.model.text import Text
from secops.store.documents import acceptance_from_document, acceptance_to_document, from_document, to_document
from secops.store.elasticsearch_documents import (
    FINDING_FIELDS,
    Kind,
    acceptance_document,
    acceptance_of,
    audit_document,
    audit_of,
    body_of,
    content_document,
    coverage_document,
    digest,
    event_document,
    event_of,
    finding_document,
    place_id,
    told_of,
)
from secops.store.elasticsearch_ecs import moment
from secops.store.elasticsearch_errors import Refused
from secops.store.elasticsearch_indices import Indices
from secops.store.elasticsearch_json import Document
from secops.store.elasticsearch_kept import kept_of
from secops.store.elasticsearch_places import baseline_saying, newest_saying, observation_saying, place_saying
from secops.store.elasticsearch_sending import Pace, Patience, Sender
from secops.store.elasticsearch_server import Action, Found, Status
from secops.store.event import Event
from secops.store.finding_store import AuditEntry
from secops.store.moving import SEPARATOR, Item, Part, wanting
from secops.support.clock import from_text, to_text

_EVERYTHING: Document = {"match_all": {}}
_AT_ONCE = 1000
_PATIENCE_SECONDS = 120.0
_ORDERED = 20
"""Digits of a number that is compared as text."""


def dump(indices: Indices, part: Part) -> Iterator[Item]:
    """All of a part as it is when the first is asked for."""
    return _READERS[part](indices)


def load(indices: Indices, part: Part, items: Iterable[Item]) -> int:
    """Write what is wanting."""
    missing, written = wanting(part, items, dump(indices, part)), 0
    sender = Sender(indices.server, Pace(), Patience(_PATIENCE_SECONDS, _PATIENCE_SECONDS))
    while batch := list(islice(missing, _AT_ONCE)):
        _send(sender, [_WRITERS[part](indices, item) for item in batch])
        written += len(batch)
    indices.server.refresh(indices.alias(_KINDS[part]))
    if part is Part.OBSERVATIONS:
        _bring_newest_forward(indices, sender)
    return written


def in_order(found: Found) -> tuple[int, str]:
    """As it was written down, also when a clock stepped back: numbers of outboxes begin at the time and only grow."""
    return int(found.source["jindun"]["number"]), found.source["@timestamp"]


def _send(sender: Sender, actions: list[Action]) -> None:
    for action, result in zip(actions, sender.send(actions), strict=True):
        # What is there already was written by somebody else meanwhile; the comparison at the end tells whether alike.
        if result.status not in (Status.OK, Status.CONFLICT):
            raise Refused(sender.server.name, action.id, result.reason)


# --- reading


def _all(indices: Indices, kind: Kind, fields: tuple[str, ...] = ("jindun.document",)) -> Iterator[Found]:
    alias = indices.alias(kind)
    indices.server.refresh(alias)
    return indices.server.everything(alias, _EVERYTHING, fields)


def _in_order(rows: Iterable[tuple[str, bytes]]) -> Iterator[Item]:
    """By key, each once, with no more memory than a page."""
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(Path(folder) / "sorted", isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("CREATE TABLE items (key TEXT PRIMARY KEY, document BLOB) WITHOUT ROWID")
            connection.execute("BEGIN")
            connection.executemany("INSERT OR REPLACE INTO items VALUES (?, ?)", rows)
            connection.execute("COMMIT")
            for key, document in connection.execute("SELECT key, document FROM items ORDER BY key"):
                yield Item(key, bytes(document))
        finally:
            connection.close()


def _row(**values: Any) -> bytes:
    return orjson.dumps(values, option=orjson.OPT_SORT_KEYS)


def _key(*values: str) -> str:
    return SEPARATOR.join(values)


def _text(at: datetime | str) -> str:
    return to_text(from_text(at) if isinstance(at, str) else at)


def _contents(indices: Indices) -> Iterator[Item]:
    bodies = ("jindun.body", "jindun.sha256")
    kinds = (Kind.CONTENTS, Kind.NEWEST, Kind.BASELINES)
    return _in_order(
        (found.source["jindun"]["sha256"], body_of(found.source))
        for kind in kinds
        for found in _all(indices, kind, bodies)
    )


def _observations(indices: Indices) -> Iterator[Item]:
    told = (told_of(found.source) for kind in (Kind.OBSERVATIONS, Kind.NEWEST) for found in _all(indices, kind))
    return _in_order(
        (
            _key(one["scan"], one["asset"], one["check"]),
            _row(
                scan=one["scan"],
                asset=one["asset"],
                check_name=one["check"],
                at=_text(one["at"]),
                sha256=one["sha256"],
                size_bytes=one["size_bytes"],
            ),
        )
        for one in told
    )


def _coverage(indices: Indices) -> Iterator[Item]:
    of_places = (told_of(found.source)["newest"] for found in _all(indices, Kind.PLACES))
    own = (told_of(found.source) for found in _all(indices, Kind.COVERAGE))
    told = (one for several in (of_places, own) for one in several)
    return _in_order((_key(one["scan"], one["asset"], one["check"]), _row(**_covered(one))) for one in told)


def _covered(told: Document) -> Document:
    return {
        "scan": told["scan"],
        "asset": told["asset"],
        "check_name": told["check"],
        **_ended(told),
        "at": _text(told["at"]),
    }


def _ended(told: Document) -> Document:
    reason = told["reason"]
    return {
        "system": told["system"],
        "outcome": told["outcome"],
        "reason_zh": reason["zh"],
        "reason_en": reason["en"],
        "seconds": float(told["seconds"]),
    }


def _places(indices: Indices) -> Iterator[Item]:
    return _in_order(_place(told_of(found.source)) for found in _all(indices, Kind.PLACES))


def _place(told: Document) -> tuple[str, bytes]:
    newest, last = told["newest"], told["last_successful"]
    row = _row(
        asset=newest["asset"],
        check_name=newest["check"],
        newest_scan=newest["scan"],
        newest_at=_text(newest["at"]),
        last_successful=_text(last) if last else None,
        **_ended(newest),
    )
    return _key(newest["asset"], newest["check"]), row


def _findings(indices: Indices) -> Iterator[Item]:
    succeeded = {found.id: told_of(found.source)["last_successful"] for found in _all(indices, Kind.PLACES)}
    return _in_order(_finding(found, succeeded) for found in _all(indices, Kind.FINDINGS, FINDING_FIELDS))


def _finding(found: Found, succeeded: dict[str, str | None]) -> tuple[str, bytes]:
    finding = kept_of(found).finding
    if at := succeeded.get(place_id(finding.asset, finding.check)):
        finding = replace(finding, last_evaluated=from_text(at))
    return finding.id, to_document(finding)


def _events(indices: Indices) -> Iterator[Item]:
    ordered = _in_order(_numbered_events(indices))
    for finding, items in groupby(ordered, lambda item: item.key.partition(SEPARATOR)[0]):
        for number, item in enumerate(items, 1):
            row = orjson.loads(item.document) | {"number": number}
            yield Item(_key(finding, f"{number:010}"), _row(**row))


def _numbered_events(indices: Indices) -> Iterator[tuple[str, bytes]]:
    for found in _all(indices, Kind.EVENTS, ("jindun.document", "jindun.number")):
        yield _event(event_of(found.source), int(found.source["jindun"]["number"]))
    # The last ones may stand with their finding alone.
    for found in _all(indices, Kind.FINDINGS, FINDING_FIELDS):
        for note in kept_of(found).untold():
            yield _event(note.event, note.number)


def _event(event: Event, number: int) -> tuple[str, bytes]:
    row = _row(
        finding=event.finding,
        revision=event.revision,
        at=_text(event.at),
        actor=event.actor,
        change=event.change,
        reason_zh=event.reason.zh,
        reason_en=event.reason.en,
    )
    return _key(event.finding, f"{number:0{_ORDERED}}"), row


def _baselines(indices: Indices) -> Iterator[Item]:
    fields = ("@timestamp", "jindun.document", "jindun.number")
    ordered = _in_order(_baseline(found) for found in _all(indices, Kind.BASELINES, fields))
    for place, items in groupby(ordered, lambda item: item.key.split(SEPARATOR)[:2]):
        for number, item in enumerate(items, 1):
            row = orjson.loads(item.document) | {"number": number}
            yield Item(_key(*place, f"{number:010}"), _row(**row))


def _baseline(found: Found) -> tuple[str, bytes]:
    told = told_of(found.source)
    number, at = in_order(found)
    row = _row(
        asset=told["asset"],
        check_name=told["check"],
        sha256=told["sha256"],
        approved_by=told["approved_by"],
        at=_text(told["at"]),
    )
    return _key(told["asset"], told["check"], f"{number:0{_ORDERED}}", at), row


def _acceptances(indices: Indices) -> Iterator[Item]:
    found = (acceptance_of(one.source) for one in _all(indices, Kind.ACCEPTANCES))
    return _in_order((one.id, acceptance_to_document(one)) for one in found)


def _audit(indices: Indices) -> Iterator[Item]:
    fields = ("@timestamp", "jindun.document", "jindun.number")
    ordered = _in_order(_audited(found) for found in _all(indices, Kind.AUDIT, fields))
    for number, item in enumerate(ordered, 1):
        yield Item(f"{number:010}", _row(**orjson.loads(item.document) | {"number": number}))


def _audited(found: Found) -> tuple[str, bytes]:
    entry, (number, at) = audit_of(found.source), in_order(found)
    row = _row(
        at=_text(entry.at),
        actor=entry.actor,
        action=entry.action,
        subject=entry.subject,
        detail=entry.detail,
        reason_zh=entry.reason.zh,
        reason_en=entry.reason.en,
    )
    return _key(f"{number:0{_ORDERED}}", at, found.id), row


# --- writing


def _appended(indices: Indices, kind: Kind, id: str, document: Document) -> Action:
    return Action(indices.own(indices.newest(kind)), id, document)


def _write_content(indices: Indices, item: Item) -> Action:
    return _appended(indices, Kind.CONTENTS, item.key, content_document(item.document))


def _write_observation(indices: Indices, item: Item) -> Action:
    row = orjson.loads(item.document)
    told = {name: row[name] for name in ("scan", "asset", "sha256", "size_bytes")}
    told |= {"check": row["check_name"], "at": moment(from_text(row["at"]))}
    return _appended(indices, Kind.OBSERVATIONS, _coverage_id(row), observation_saying(told))


def _write_coverage(indices: Indices, item: Item) -> Action:
    row = orjson.loads(item.document)
    return _appended(indices, Kind.COVERAGE, _coverage_id(row), coverage_document(row["scan"], _evaluation(row)))


def _coverage_id(row: Document) -> str:
    return digest(row["scan"], row["asset"], row["check_name"])


def _evaluation(row: Document) -> Evaluation:
    return Evaluation(
        asset=row["asset"],
        system=row["system"],
        check=row["check_name"],
        outcome=Outcome(row["outcome"]),
        started=from_text(row["at"]),
        seconds=row["seconds"],
        reason=Text(row["reason_zh"], row["reason_en"]),
    )


def _write_place(indices: Indices, item: Item) -> Action:
    row = orjson.loads(item.document)
    last = row["last_successful"]
    newest = told_of(coverage_document(row["newest_scan"], _evaluation(row | {"at": row["newest_at"]})))
    document = place_saying({"newest": newest, "last_successful": moment(from_text(last)) if last else None})
    return Action(indices.alias(Kind.PLACES), place_id(row["asset"], row["check_name"]), document, replace=True)


def _write_finding(indices: Indices, item: Item) -> Action:
    # Nobody counted its events yet.
    document = finding_document(from_document(item.document), {"applied": {}, "told": None, "pending": []})
    return Action(indices.alias(Kind.FINDINGS), item.key, document, replace=True)


def _write_event(indices: Indices, item: Item) -> Action:
    row = orjson.loads(item.document)
    reason = Text(row["reason_zh"], row["reason_en"])
    event = Event(row["finding"], row["revision"], from_text(row["at"]), row["actor"], row["change"], reason)
    number = row["number"]
    return _appended(indices, Kind.EVENTS, f"{event.finding}.{number}", event_document(event, number))


def _write_baseline(indices: Indices, item: Item) -> Action:
    row = orjson.loads(item.document)
    told = {name: row[name] for name in ("asset", "sha256", "approved_by")}
    told |= {"check": row["check_name"], "at": moment(from_text(row["at"]))}
    body = _body(indices, row["sha256"])
    place, number = place_id(row["asset"], row["check_name"]), row["number"]
    return Action(indices.alias(Kind.BASELINES), f"{place}.{number:010}", baseline_saying(told, number, body))


def _write_acceptance(indices: Indices, item: Item) -> Action:
    document = acceptance_document(acceptance_from_document(item.document))
    return Action(indices.alias(Kind.ACCEPTANCES), item.key, document, replace=True)


def _write_audit(indices: Indices, item: Item) -> Action:
    row = orjson.loads(item.document)
    reason = Text(row["reason_zh"], row["reason_en"])
    entry = AuditEntry(from_text(row["at"]), row["actor"], row["action"], row["subject"], row["detail"], reason)
    return _appended(indices, Kind.AUDIT, f"moved.{item.key}", audit_document(entry, row["number"]))


def _body(indices: Indices, sha256: str) -> bytes:
    """What was observed, from among the contents, which are written first."""
    query = {"term": {"jindun.sha256": sha256}}
    hits = indices.server.search(indices.alias(Kind.CONTENTS), query, [{"jindun.sha256": "asc"}], 1)
    if not hits:
        raise Refused(indices.server.name, sha256, "its content is missing")
    return body_of(hits[0].source)


def _bring_newest_forward(indices: Indices, sender: Sender) -> None:
    """The newest observation of each place is kept for ever, with what was observed."""
    newest: dict[str, Document] = {}
    for found in _all(indices, Kind.OBSERVATIONS):
        told = told_of(found.source)
        place = place_id(told["asset"], told["check"])
        if place not in newest or told["at"] > newest[place]["at"]:
            newest[place] = told
    alias = indices.alias(Kind.NEWEST)
    there = indices.server.get(alias, newest, ("jindun.document",))
    todo = [(place, told) for place, told in newest.items() if place not in there]
    todo += [(place, newest[place]) for place, one in there.items() if newest[place]["at"] > told_of(one.source)["at"]]
    for place, told in todo:
        document = newest_saying(told, _body(indices, told["sha256"]))
        over = there.get(place)
        where = indices.own(over.index) if over else alias
        _send(sender, [Action(where, place, document, over)])


_KINDS = {part: Kind(part.value) for part in Part}
_READERS: dict[Part, Callable[[Indices], Iterator[Item]]] = {
    Part.CONTENTS: _contents,
    Part.OBSERVATIONS: _observations,
    Part.COVERAGE: _coverage,
    Part.PLACES: _places,
    Part.FINDINGS: _findings,
    Part.EVENTS: _events,
    Part.BASELINES: _baselines,
    Part.ACCEPTANCES: _acceptances,
    Part.AUDIT: _audit,
}
_WRITERS: dict[Part, Callable[[Indices, Item], Action]] = {
    Part.CONTENTS: _write_content,
    Part.OBSERVATIONS: _write_observation,
    Part.COVERAGE: _write_coverage,
    Part.PLACES: _write_place,
    Part.FINDINGS: _write_finding,
    Part.EVENTS: _write_event,
    Part.BASELINES: _write_baseline,
    Part.ACCEPTANCES: _write_acceptance,
    Part.AUDIT: _write_audit,
}
