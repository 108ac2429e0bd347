"""Steps that read and write the service's ledgers; see secops.service.ledgers for what each holds."""

from datetime import datetime
from typing import Any

import orjson
from pydantic import TypeAdapter

from backup.manifest import Manifest
from secops.model.restore_point import RestorePoint, Verdict
from secops.model.step import Consult, Enter, Procedure, Step, require
from secops.support.clock import from_text

_POINTS = TypeAdapter(tuple[RestorePoint, ...])
_POINT = TypeAdapter(RestorePoint)


def present_moment(label: str = "") -> Procedure[datetime]:
    """The time now, by an effect: a replay sees the time that the first run saw."""
    moment = yield from _consult("clock", "now", f"look at the clock{label}")
    return from_text(moment)


def points_of(asset: str) -> Procedure[tuple[RestorePoint, ...]]:
    """The restore points of an asset, newest first."""
    listed = yield from _consult("restore_points", asset, f"list restore points of {asset}")
    return _POINTS.validate_python(listed, strict=False)


def point_named(point: str) -> Procedure[RestorePoint]:
    """One restore point."""
    found = yield from _consult("restore_point", point, f"look up {point}")
    return _POINT.validate_python(found)


def manifest_of(point: str) -> Procedure[Manifest]:
    """The manifest taken when the point was made."""
    text = yield from _consult("manifests", point, f"read the manifest of {point}")
    return Manifest.from_text(text)


def enter_point(point: RestorePoint, manifest: str) -> Procedure[None]:
    """Keep a new restore point."""
    document = {"point": _POINT.dump_python(point, mode="json"), "manifest": manifest}
    yield from _enter("restore_points", point.id, document, f"enter {point.id}")


def enter_verdict(point: str, verdict: Verdict) -> Procedure[None]:
    """Keep a verdict."""
    document = TypeAdapter(Verdict).dump_python(verdict, mode="json")
    yield from _enter("verdicts", point, document, f"enter the verdict on {point}")


def _consult(ledger: str, key: str, name: str) -> Procedure[Any]:
    read = yield Step(name, Consult(ledger, key))
    require(read, f"台账 {ledger} 无法读取", f"the ledger {ledger} could not be read")
    return orjson.loads(read.output)


def _enter(ledger: str, key: str, document: Any, name: str) -> Procedure[None]:
    text = orjson.dumps(document, option=orjson.OPT_SORT_KEYS).decode()
    written = yield Step(name, Enter(ledger, key, text), changes=True)
    require(written, f"台账 {ledger} 无法写入", f"the ledger {ledger} could not be written")
