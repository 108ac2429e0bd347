"""Steps that read and write the service's ledgers; see secops.service.ledgers for what each holds."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from pydantic import TypeAdapter

from backup.catalogue import Look
from backup.manifest import Manifest
from backup.retention import Dated
from secops.model.restore_point import RestorePoint, Verdict
from secops.model.step import Consult, Enter, Procedure, ProcedureFailed, Step, require
from secops.support.clock import from_text, to_text

_POINTS = TypeAdapter(tuple[RestorePoint, ...])
_POINT = TypeAdapter(RestorePoint)
_LOOKS = TypeAdapter(tuple[Look, ...])
_DATED = TypeAdapter(tuple[Dated, ...])


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
    try:
        return Manifest.from_text(text)
    except ValueError as damaged:
        raise ProcedureFailed(
            f"{point} 的清单已损坏:{damaged}", f"the manifest of {point} is damaged: {damaged}"
        ) from None


def rules_for(asset: str) -> Procedure[frozenset[str]]:
    """Names of the rules that a restored tree of the asset would be scanned by now."""
    listed = yield from _consult("rules", asset, "look up the rules")
    return frozenset(listed)


def enter_point(point: RestorePoint, manifest: str) -> Procedure[None]:
    """Keep a new restore point."""
    document = {"point": _POINT.dump_python(point, mode="json"), "manifest": manifest}
    yield from _enter("restore_points", point.id, document, f"enter {point.id}")


def look_at(asset: str, vault: str, label: str = "") -> Procedure[Look | None]:
    """What the vault held of the asset when it was last asked; None: it never was."""
    looks = yield from _consult("looks", asset, f"read the looks at {asset}{label}")
    return next((look for look in _LOOKS.validate_python(looks, strict=False) if look.vault == vault), None)


def enter_look(look: Look) -> Procedure[None]:
    """Keep what a vault was seen to hold."""
    document = TypeAdapter(Look).dump_python(look, mode="json")
    yield from _enter("looks", look.asset, document, f"enter the look into {look.vault}")


def use_of(vault: str) -> Procedure[Mapping[str, int]]:
    """Bytes that each unit takes in the vault."""
    used: Mapping[str, int] = yield from _consult("use", vault, f"read how full {vault} is")
    return used


def dated_points(asset: str, vault: str) -> Procedure[tuple[Dated, ...]]:
    """What retention looks at, newest first."""
    listed = yield from _consult("dated", f"{asset} {vault}", f"list what {vault} has of {asset}")
    return _DATED.validate_python(listed, strict=False)


def give_up(vault: str, points: Sequence[str], moment: datetime) -> Procedure[None]:
    """Have the catalogue know that these copies are no longer in the vault."""
    document = {"points": list(points), "moment": to_text(moment)}
    yield from _enter("gone", vault, document, f"enter what is gone from {vault}")


def enter_log(asset: str, vault: str, until: datetime) -> Procedure[None]:
    """Have the catalogue know until when the log of the asset is in the vault."""
    document = {"vault": vault, "until": to_text(until)}
    yield from _enter("logs", asset, document, f"enter the log in {vault}")


def cluster_state(cluster: str, label: str = "") -> Procedure[Mapping[str, Any]]:
    """Who leads and serves: `{leader, primary, epoch, promotable, because}`."""
    state: Mapping[str, Any] = yield from _consult("clusters", cluster, f"ask about {cluster}{label}")
    return state


def enter_wish(cluster: str, wish: Mapping[str, Any], patience_seconds: float) -> Procedure[None]:
    """Say a word to the leader of a cluster, and wait until it is done."""
    text = orjson.dumps(wish, option=orjson.OPT_SORT_KEYS).decode()
    name = f"ask for {wish['kind']} to {wish['target']}"
    done = yield Step(name, Enter("wishes", cluster, text), changes=True, timeout_seconds=patience_seconds)
    require(done, f"集群 {cluster} 未照办", f"the cluster {cluster} did not do it")


def log_until(asset: str, vault: str) -> Procedure[datetime | None]:
    """Until when the log of the asset is in the vault; None: there is none of it."""
    logs = yield from _consult("logs", asset, f"read how far the log in {vault} reaches")
    return from_text(logs[vault]) if vault in logs else None


def signature_of(text: str, label: str = "") -> Procedure[str]:
    """The service's signature of a text, in hexadecimal; empty when it has no key."""
    signed: str = yield from _consult("signatures", text, f"sign the list{label}")
    return signed


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
