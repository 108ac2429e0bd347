"""What stands in the indices, and how nouns become documents and documents nouns. Pure.

Names are those of the Elastic Common Schema where it has one; ours stand below `jindun`. A noun is read back from
`jindun.document`, its exact JSON, which Elasticsearch keeps unread: no analyser, limit or field type can alter or
refuse it. All else is there to be searched, and is made from the noun anew whenever a document is written.

A new field of findings that queries may name needs no line here: its mapping follows from its type.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

import orjson

from secops.model.acceptance import Acceptance
from secops.model.finding import Finding, Severity, State, WeaknessClass
from secops.model.outcome import Evaluation
from secops.model.text import Text
from secops.store import elasticsearch_ecs as ecs
from secops.store.documents import acceptance_from_document, acceptance_to_document, from_document, to_document
from secops.store.elasticsearch_json import APART, OURS, Document, encoded
from secops.store.elasticsearch_text import MAPPING as TRIGRAMS
from secops.store.elasticsearch_text import trigrams
from secops.store.event import Event
from secops.store.finding_store import AuditEntry
from secops.store.merge import watched
from secops.store.query import FIELDS, Field, Value, microseconds
from secops.store.query_sql import Bound, bound
from secops.support.clock import from_text

VERSION = 1
"""Of what our documents mean. A newer program's indices are left alone."""
LONGEST_WORD = 8_000
"""Characters of a value that are compared one by one; four bytes each are just what Elasticsearch takes."""


class Kind(StrEnum):
    """What the store keeps, each behind an alias of its own."""

    FINDINGS = "findings"
    ACCEPTANCES = "acceptances"
    PLACES = "places"
    """When each (asset, check) was last evaluated, and how that ended."""
    NEWEST = "newest"
    """The newest observation of each place that is not empty."""
    BASELINES = "baselines"
    """Every approved observation, with its body."""
    OBSERVATIONS = "observations"
    CONTENTS = "contents"
    """Bodies of observations, once however often they are observed while one index is written."""
    EVENTS = "events"
    COVERAGE = "coverage"
    AUDIT = "audit"

    @property
    def append_only(self) -> bool:
        """Whether it is written once and forgotten after a time; else it is kept for ever and changed in place."""
        return self in _APPEND_ONLY


_APPEND_ONLY = {Kind.OBSERVATIONS, Kind.CONTENTS, Kind.EVENTS, Kind.COVERAGE, Kind.AUDIT}
KEPT: Document = {"type": "text", "index": False, "norms": False, "store": True}
"""Text that is given back and never looked at (see APART); keywords could not be that long."""
BODY: Document = {"type": "binary"}
_WORD: Document = {"type": "keyword"}
_PLACE: Document = dict.fromkeys(("place", "asset", "check"), _WORD)
FINDING_FIELDS = ("jindun.document", "jindun.extra")
"""What `finding_of` needs."""


def path_of(field: Field) -> str:
    """Where the values of a field of findings stand."""
    return f"jindun.{'searched' if field.type is Text else 'finding'}.{field.name}"


def texts_of(field: Field) -> tuple[Field, ...]:
    """The fields whose trigrams are looked at for a text field: `text` is made of two others, and not stored twice."""
    return tuple(FIELDS[name] for name in _MADE_OF.get(field.name, (field.name,)))


_MADE_OF = {"text": ("title", "reason")}


def _mapping_of(field: Field) -> Document:
    if field.type is Text:
        return TRIGRAMS
    # Severity by its rank and moments in microseconds: the numbers that cursors hold in every store.
    return _WORD if issubclass(field.type, str) and field.type is not Severity else ecs.NUMBER


_SEARCHED = [field for field in FIELDS.values() if field.type is Text and texts_of(field) == (field,)]
_PLAIN = [field for field in FIELDS.values() if field.type is not Text]
_OURS: dict[Kind, Document] = {
    Kind.FINDINGS: {
        "finding": ecs.fields(**{field.name: _mapping_of(field) for field in _PLAIN}),
        "searched": ecs.fields(**{field.name: _mapping_of(field) for field in _SEARCHED}),
        "watched": {"type": "boolean"},
        "place": _WORD,
        "document": KEPT,
        "extra": KEPT,
    },
    Kind.ACCEPTANCES: {"id": _WORD, "revision": ecs.NUMBER, "document": KEPT},
    Kind.PLACES: {**_PLACE, "system": _WORD, "document": KEPT},
    Kind.NEWEST: {**_PLACE, "sha256": _WORD, "document": KEPT, "body": BODY},
    Kind.BASELINES: {**_PLACE, "number": ecs.NUMBER, "sha256": _WORD, "document": KEPT, "body": BODY},
    Kind.OBSERVATIONS: {**_PLACE, "scan": _WORD, "sha256": _WORD, "document": KEPT},
    Kind.CONTENTS: {"sha256": _WORD, "body": BODY},
    Kind.EVENTS: {"finding": _WORD, "revision": ecs.NUMBER, "number": ecs.NUMBER, "actor": _WORD, "document": KEPT},
    Kind.COVERAGE: {**_PLACE, "scan": _WORD, "system": _WORD, "outcome": _WORD, "document": KEPT},
    Kind.AUDIT: {"actor": _WORD, "subject": _WORD, "number": ecs.NUMBER, "document": KEPT},
}


def mapping(kind: Kind) -> Document:
    """The mapping of an index; what it does not name is refused."""
    schema = ecs.COMMON | (ecs.OF_FINDINGS if kind is Kind.FINDINGS else {})
    # What is searched is the texts again, several times as long.
    apart = sorted(APART | {f"{OURS}.searched"})
    return {
        "dynamic": "strict",
        "properties": schema | {OURS: ecs.fields(**_OURS[kind])},
        "_source": {"excludes": apart},
    }


def shape(kind: Kind) -> str:
    """What tells whether an index has the mapping of this program."""
    return hashlib.sha256(orjson.dumps(mapping(kind), option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def indexed(value: Value | Bound) -> Bound:
    """A value as it is indexed, compared and sorted by.

    Of a longer one than LONGEST_WORD what follows counts as a whole: alike or not.
    """
    plain = bound(value)
    if isinstance(plain, int) or len(plain) <= LONGEST_WORD:
        return plain
    return f"{plain[:LONGEST_WORD]}\x1f{hashlib.sha256(plain.encode('utf-8', 'replace')).hexdigest()}"


def digest(*parts: str) -> str:
    """An id that no other parts have."""
    whole = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:40]


@lru_cache(maxsize=50_000)
def place_id(asset: str, check: str) -> str:
    """The id of an (asset, check)."""
    return digest(asset, check)


def finding_document(finding: Finding, extra: Mapping[str, Any]) -> Document:
    """As it is stored under its id; `extra` is JSON that is given back with it."""
    ours: Document = {
        "finding": {name: value(finding) for name, value in _VALUES.items()},
        "searched": {field.name: _trigrams(field, finding) for field in _SEARCHED},
        "watched": watched(finding),
        "place": place_id(finding.asset, finding.check),
        "document": to_document(finding).decode(),
        "extra": encoded(dict(extra)).decode(),
    }
    return ecs.of_finding(finding) | {"jindun": ours}


def finding_of(source: Document) -> tuple[Finding, dict[str, Any]]:
    """The finding and the extra of a document."""
    ours = source["jindun"]
    return from_document(ours["document"]), orjson.loads(ours["extra"])


def acceptance_document(acceptance: Acceptance) -> Document:
    """As it is stored under its id."""
    ours = {
        "id": indexed(acceptance.id),
        "revision": acceptance.revision,
        "document": acceptance_to_document(acceptance).decode(),
    }
    return {"@timestamp": ecs.moment(acceptance.requested), "ecs": {"version": ecs.VERSION}, "jindun": ours}


def acceptance_of(source: Document) -> Acceptance:
    """The acceptance of a document."""
    return acceptance_from_document(source["jindun"]["document"])


def event_document(event: Event, number: int) -> Document:
    """One change; `number` orders those of one finding."""
    ours = {
        "finding": event.finding,
        "revision": event.revision,
        "number": number,
        "actor": indexed(event.actor),
        "document": encoded(event).decode(),
    }
    return _happening("event", event.at, event.change, event.reason) | {"jindun": ours}


def event_of(source: Document) -> Event:
    """The event of a document."""
    return Event(**_said(source))


def audit_document(entry: AuditEntry, number: int) -> Document:
    """What somebody did; `number` orders what they did at one moment."""
    ours = {
        "actor": indexed(entry.actor),
        "subject": indexed(entry.subject),
        "number": number,
        "document": encoded(entry).decode(),
    }
    return _happening("audit", entry.at, entry.action, entry.reason) | {"jindun": ours}


def audit_of(source: Document) -> AuditEntry:
    """The entry of a document."""
    return AuditEntry(**_said(source))


def coverage_document(scan: str, evaluation: Evaluation, claim: str = "") -> Document:
    """How an evaluation ended: what stores tell of it, without its weaknesses and what it observed.

    `claim` tells who wrote it first, when two record the same.
    """
    told = {
        "claim": claim,
        "scan": scan,
        "system": evaluation.system,
        "asset": evaluation.asset,
        "check": evaluation.check,
        "outcome": evaluation.outcome.value,
        "reason": evaluation.reason,
        "at": ecs.moment(evaluation.started),
        "seconds": evaluation.seconds,
    }
    ours = {
        **_place(evaluation.asset, evaluation.check),
        "scan": indexed(scan),
        "system": indexed(evaluation.system),
        "outcome": evaluation.outcome.value,
        "document": encoded(told).decode(),
    }
    ended = "success" if evaluation.outcome.successful else "failure"
    common = ecs.of_happening(
        "coverage", ecs.moment(evaluation.started), "evaluated", outcome=ended, duration=round(evaluation.seconds * 1e9)
    )
    return common | {"jindun": ours}


def content_document(body: bytes) -> Document:
    """What was observed; its id is the SHA-256."""
    sha256 = hashlib.sha256(body).hexdigest()
    return {"jindun": {"sha256": sha256, "body": base64.b64encode(body).decode()}}


def body_of(source: Document) -> bytes:
    """The body in a document of contents, newest observations or baselines."""
    return base64.b64decode(source["jindun"]["body"])


def told_of(source: Document) -> Document:
    """The exact JSON of a document that is not a noun of ours."""
    loaded: Document = orjson.loads(source["jindun"]["document"])
    return loaded


def renewed(kind: Kind, source: Document) -> Document:
    """The document as this program writes it, from one that an earlier one wrote."""
    if kind is Kind.FINDINGS:
        return finding_document(*finding_of(source))
    return source


def essence(kind: Kind, source: Document) -> bytes:
    """What must be alike in the two documents of `renewed`."""
    if kind is Kind.FINDINGS:
        finding, extra = finding_of(source)
        return to_document(finding) + orjson.dumps(extra, option=orjson.OPT_SORT_KEYS)
    return orjson.dumps(source, option=orjson.OPT_SORT_KEYS)


def _value_of(field: Field) -> Callable[[Finding], Bound | list[Bound]]:
    """What gives the value as it is indexed: decided once for a field, for every finding that is written has twenty."""
    read: Callable[[Finding], Any] = field.read
    if field.many:
        return lambda finding: [indexed(value) for value in read(finding)]
    if field.type is datetime:
        return lambda finding: microseconds(read(finding)[0])
    if field.type is Severity:
        return lambda finding: read(finding)[0].rank
    if field.type in (int, State, WeaknessClass):
        return lambda finding: read(finding)[0]
    return lambda finding: value if len(value := read(finding)[0]) <= LONGEST_WORD else indexed(value)


_VALUES = {field.name: _value_of(field) for field in _PLAIN}


def _trigrams(field: Field, finding: Finding) -> list[str]:
    """An empty text has none, and is not there for `exists`."""
    return [trigrams(str(text)) for text in field.read(finding) if text]


def _place(asset: str, check: str) -> Document:
    return {"place": place_id(asset, check), "asset": indexed(asset), "check": indexed(check)}


def _happening(dataset: str, at: Any, action: str, reason: Text) -> Document:
    return ecs.of_happening(dataset, ecs.moment(at), action) | {"message": [reason.zh, reason.en]}


def _said(source: Document) -> Document:
    fields = told_of(source)
    return fields | {"at": from_text(fields["at"]), "reason": Text(**fields["reason"])}
