"""What a store is asked to write, as bytes and back, to the last half of a surrogate pair: identities are made of it.

The bytes are JSON under a version, for an entry that one program left behind may be read by the next one. What was
observed stands apart from the rest, so that it alone can be dropped.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any, TypeAlias, get_type_hints

import orjson

from secops.model.acceptance import Acceptance
from secops.model.finding import Deadline, State, WeaknessClass
from secops.model.outcome import Evaluation, Outcome
from secops.model.text import Text
from secops.store import edits
from secops.store.documents import acceptance_of_fields, deadline_of, weakness_of
from secops.store.edits import Edit
from secops.support.errors import BadInput

VERSION = 1


@dataclass(frozen=True, slots=True)
class Recording:
    """One evaluation of a scan is to be merged."""

    scan: str
    evaluation: Evaluation


@dataclass(frozen=True, slots=True)
class Editing:
    """A finding is to be changed."""

    edit: Edit
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Deciding:
    """An acceptance is to be kept."""

    acceptance: Acceptance
    actor: str
    action: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Approving:
    """An observation is to become the baseline."""

    asset: str
    check: str
    observation: bytes
    approved_by: str
    at: datetime


Write: TypeAlias = Recording | Editing | Deciding | Approving


def to_bytes(write: Write) -> tuple[str, bytes, bytes]:
    """Its kind, all of it but what was observed, and what was observed."""
    if isinstance(write, Recording):
        observation = write.evaluation.observation
        return "recording", _dumped(_Bare(write.scan, replace(write.evaluation, observation=b""))), observation
    if isinstance(write, Approving):
        return "approving", _dumped(replace(write, observation=b"")), write.observation
    if isinstance(write, Editing):
        return f"editing:{type(write.edit).__name__}", _dumped(write), b""
    return "deciding", _dumped(write), b""


def from_bytes(kind: str, body: bytes, observation: bytes) -> Write:
    """What `to_bytes` was given. Raises BadInput for what a newer program wrote."""
    told = _loaded(body)
    family, _, name = kind.partition(":")
    make = _MAKERS.get(family)
    if told.pop("version", None) != VERSION or make is None or (name and name not in _EDITS):
        raise BadInput(
            Text(
                f"待写入的条目({kind})由更新版本的津盾写成;请升级本程序",
                f"an entry that waits to be written ({kind}) was left by a newer Jindun; upgrade this one",
            )
        )
    return make(told, name, observation)


@dataclass(frozen=True, slots=True)
class _Bare:
    """A recording whose observation is kept elsewhere."""

    scan: str
    evaluation: Evaluation


def _recording(told: dict[str, Any], _name: str, observation: bytes) -> Write:
    one = told["evaluation"]
    one["outcome"] = Outcome(one["outcome"])
    one["started"] = datetime.fromisoformat(one["started"])
    one["reason"] = Text(**one["reason"])
    one["weaknesses"] = tuple(map(weakness_of, one["weaknesses"]))
    one["observation"] = observation
    return Recording(told["scan"], Evaluation(**one))


def _editing(told: dict[str, Any], name: str, _observation: bytes) -> Write:
    readers = _readers(_EDITS[name])
    fields = {key: readers[key](value) if key in readers else value for key, value in told["edit"].items()}
    return Editing(_EDITS[name](**fields), told["actor"], datetime.fromisoformat(told["at"]))


def _deciding(told: dict[str, Any], _name: str, _observation: bytes) -> Write:
    acceptance = acceptance_of_fields(told["acceptance"])
    return Deciding(acceptance, told["actor"], told["action"], datetime.fromisoformat(told["at"]))


def _approving(told: dict[str, Any], _name: str, observation: bytes) -> Write:
    at = datetime.fromisoformat(told["at"])
    return Approving(told["asset"], told["check"], observation, told["approved_by"], at)


_MAKERS: dict[str, Callable[[dict[str, Any], str, bytes], Write]] = {
    "recording": _recording,
    "editing": _editing,
    "deciding": _deciding,
    "approving": _approving,
}
_EDITS: dict[str, type[Edit]] = {
    name: kind for name, kind in vars(edits).items() if isinstance(kind, type) and issubclass(kind, Edit)
}
_BY_TYPE: dict[Any, Callable[[Any], Any]] = {
    Text: lambda value: Text(**value),
    State: State,
    WeaknessClass: WeaknessClass,
    tuple[str, ...]: tuple,
    Deadline | None: lambda value: deadline_of(value) if value else None,
}


@cache
def _readers(edit: type[Edit]) -> dict[str, Callable[[Any], Any]]:
    """By field, what makes its value of JSON."""
    return {name: _BY_TYPE[kind] for name, kind in get_type_hints(edit).items() if kind in _BY_TYPE}


def _dumped(value: Any) -> bytes:
    """JSON of a dataclass, with the version."""
    told = {field.name: getattr(value, field.name) for field in fields(value)} | {"version": VERSION}
    try:
        return orjson.dumps(told, default=_plain)
    except orjson.JSONEncodeError:
        # It refuses halves of surrogate pairs, which a hostile target can plant in a locator. The escapes of the
        # standard library keep them.
        return json.dumps(told, default=_plain).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, bytes) and not value:
        return None
    if isinstance(value, datetime):
        return value.isoformat()
    assert is_dataclass(value)
    assert not isinstance(value, type)
    return asdict(value)


def _loaded(body: bytes) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = orjson.loads(body)
    except orjson.JSONDecodeError:
        loaded = json.loads(body)
    return loaded
