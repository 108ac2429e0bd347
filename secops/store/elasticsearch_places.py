"""Documents of places (asset, check), of what was observed there and of baselines. Pure.

What a place's document says can only grow, so writing it twice, or the older after the newer, does no harm.
"""

import base64
import hashlib
from typing import Any

from secops.model.outcome import Evaluation, Outcome
from secops.model.text import Text
from secops.store.elasticsearch_documents import coverage_document, digest, indexed, place_id, told_of
from secops.store.elasticsearch_ecs import moment
from secops.store.elasticsearch_json import Document, encoded
from secops.store.entries import Approving
from secops.store.finding_store import Approval, CoverageRow, StoredObservation
from secops.support.clock import from_text


def coverage_key(scan: str, evaluation: Evaluation) -> str:
    """The id of the coverage and of the observation of a (scan, asset, check)."""
    return digest(scan, evaluation.asset, evaluation.check)


def coverage_row(told: Document, last_successful: str | None) -> CoverageRow:
    """What a coverage document, or the newest evaluation of a place, says."""
    return CoverageRow(
        system=told["system"],
        asset=told["asset"],
        check=told["check"],
        scan=told["scan"],
        outcome=Outcome(told["outcome"]),
        reason=Text(**told["reason"]),
        at=from_text(told["at"]),
        last_successful=from_text(last_successful) if last_successful else None,
    )


def place_document(before: Document | None, scan: str, evaluation: Evaluation) -> Document:
    """The place with one more evaluation; `before` is its document when it has one."""
    at = moment(evaluation.started)
    known: Document = told_of(before) if before else {"newest": None, "last_successful": None}
    if known["newest"] is None or at >= known["newest"]["at"]:
        known["newest"] = told_of(coverage_document(scan, evaluation))
    if evaluation.outcome.successful:
        known["last_successful"] = max(known["last_successful"] or at, at)
    return place_saying(known)


def place_of_both(one: Document, other: Document) -> Document:
    """What is known of a place, of two documents; the other one itself when it says all of it."""
    known, more = told_of(one), told_of(other)
    known["newest"] = max(known["newest"], more["newest"], key=lambda newest: str(newest["at"]))
    known["last_successful"] = max(known["last_successful"] or "", more["last_successful"] or "") or None
    return other if known == more else place_saying(known)


def place_saying(known: Document) -> Document:
    """A place whose `newest` is what its newest coverage tells, and when its check was `last_successful`."""
    newest = known["newest"]
    ours = {
        "place": place_id(newest["asset"], newest["check"]),
        **{name: indexed(newest[name]) for name in ("asset", "check", "system")},
        "document": encoded(known).decode(),
    }
    return {"@timestamp": newest["at"], "jindun": ours}


def place_rows(source: Document) -> CoverageRow:
    """The newest evaluation of a place."""
    told = told_of(source)
    return coverage_row(told["newest"], told["last_successful"])


def last_successful(source: Document) -> str | None:
    """When the place was last evaluated successfully."""
    at: str | None = told_of(source)["last_successful"]
    return at


def observation_document(scan: str, evaluation: Evaluation) -> Document:
    """Where and when something was observed."""
    return observation_saying(_observed(scan, evaluation))


def observation_saying(told: Document) -> Document:
    """An observation of which this is told."""
    ours = _place(told["asset"], told["check"]) | {
        "scan": indexed(told["scan"]),
        "sha256": told["sha256"],
        "document": encoded(told).decode(),
    }
    return {"@timestamp": told["at"], "jindun": ours}


def observation_of(source: Document) -> StoredObservation:
    """The observation of a document."""
    told = told_of(source)
    return StoredObservation(told["asset"], told["check"], from_text(told["at"]), told["sha256"], told["size_bytes"])


def newest_document(scan: str, evaluation: Evaluation) -> Document:
    """The observation of a place that no other is newer than."""
    return newest_saying(_observed(scan, evaluation), evaluation.observation)


def newest_saying(told: Document, body: bytes) -> Document:
    """The newest observation of a place, of which this is told, with what was observed."""
    ours = _place(told["asset"], told["check"]) | {
        "sha256": told["sha256"],
        "document": encoded(told).decode(),
        "body": _body(body),
    }
    return {"@timestamp": told["at"], "jindun": ours}


def baseline_document(one: Approving, number: int) -> Document:
    """An approved observation; `number` orders those of one place."""
    at, sha256 = moment(one.at), hashlib.sha256(one.observation).hexdigest()
    told = {"asset": one.asset, "check": one.check, "sha256": sha256, "approved_by": one.approved_by, "at": at}
    return baseline_saying(told, number, one.observation)


def baseline_saying(told: Document, number: int, body: bytes) -> Document:
    """A baseline of which this is told."""
    ours = _place(told["asset"], told["check"]) | {
        "number": number,
        "sha256": told["sha256"],
        "document": encoded(told).decode(),
        "body": _body(body),
    }
    return {"@timestamp": told["at"], "jindun": ours}


def approval_of(source: Document) -> Approval:
    """The approval of a baseline."""
    told = told_of(source)
    return Approval(told["approved_by"], from_text(told["at"]), told["sha256"])


def _observed(scan: str, evaluation: Evaluation) -> dict[str, Any]:
    return {
        "scan": scan,
        "size_bytes": len(evaluation.observation),
        "asset": evaluation.asset,
        "check": evaluation.check,
        "at": moment(evaluation.started),
        "sha256": hashlib.sha256(evaluation.observation).hexdigest(),
    }


def _place(asset: str, check: str) -> Document:
    return {"place": place_id(asset, check), "asset": indexed(asset), "check": indexed(check)}


def _body(body: bytes) -> str:
    return base64.b64encode(body).decode()
