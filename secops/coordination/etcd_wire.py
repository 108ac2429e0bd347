"""What is said to etcd's JSON gateway and what it answers: bytes in base64, whole numbers as text, defaults left out. Pure."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

import orjson

Json: TypeAlias = dict[str, Any]


class Garbled(ValueError):
    """An answer that is none of etcd's; the message is the beginning of it."""


class Refusal(Exception):
    """What etcd said no to; another member would say the same."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        """Of gRPC: 3 bad request, 5 no such lease, 9 lease exists already, 11 revision compacted or still to come."""


class Unwell(Exception):
    """A member that cannot serve now: no leader, time-out, shutting down. Another one may."""


@dataclass(frozen=True, slots=True)
class KeyValue:
    """One key as it stands at some revision."""

    key: str
    value: bytes
    create_revision: int
    mod_revision: int
    lease: int
    """0: kept until it is deleted."""


@dataclass(frozen=True, slots=True)
class Range:
    """Keys as they stood at one revision."""

    revision: int
    found: tuple[KeyValue, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """One change of one key; of a deleted one only `key` and `mod_revision` count."""

    deleted: bool
    now: KeyValue


@dataclass(frozen=True, slots=True)
class Watched:
    """One message of a watch."""

    revision: int
    events: tuple[Event, ...]
    canceled: bool = False
    compact_revision: int = 0
    """Not 0: what was asked for is gone up to this revision."""


class Field(StrEnum):
    """What of a key is compared."""

    CREATED = "create_revision"
    """0: there is no such key."""
    CHANGED = "mod_revision"


@dataclass(frozen=True, slots=True)
class Compare:
    """A condition of a transaction: the field of the key equals the number."""

    key: str
    field: Field
    equals: int


@dataclass(frozen=True, slots=True)
class Put:
    """Write a key, bound to a lease unless that is 0."""

    key: str
    value: bytes
    lease: int = 0


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a key, or with `prefix` all that begin with it."""

    key: str
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class Get:
    """Read a key, or with `prefix` all that begin with it."""

    key: str
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """What one member says of itself."""

    id: int
    leader: int
    """Id of the leader it follows; 0 when it knows none."""
    version: str
    raft_term: int

    @property
    def leads(self) -> bool:
        """Whether it is the leader itself."""
        return self.id == self.leader


Operation: TypeAlias = Put | Delete | Get


@dataclass(frozen=True, slots=True)
class Done:
    """What a transaction came to."""

    succeeded: bool
    """Whether every condition held."""
    revision: int
    found: tuple[KeyValue, ...]
    """What its `Get`s read, one after the other."""


def parse(body: bytes) -> Json:
    """The answer's object. Raises Garbled."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Garbled(repr(body[:200])) from None
    if not isinstance(answer, dict):
        raise Garbled(repr(body[:200]))
    return answer


def refuse(status: int, answer: Json) -> None:
    """Raise Refusal or Unwell for an answer that says no."""
    error = answer.get("error")
    if status == 200 and error is None:
        return
    if isinstance(error, dict):  # as streams word it
        code, message = error.get("grpc_code", 0), error.get("message", "")
    else:
        code, message = answer.get("code", 0), answer.get("message") or error or f"HTTP {status}"
    if code in (3, 5, 6, 9, 11, 12):
        raise Refusal(int(code), str(message))
    raise Unwell(str(message))


def range_request(key: str, *, prefix: bool = False, serializable: bool = False) -> Json:
    """Read one key or all that begin with it; `serializable` is the member's own word, perhaps old."""
    request: Json = _span(key, prefix)
    return request | {"serializable": True} if serializable else request


def put_request(put: Put) -> Json:
    """Write one key."""
    request: Json = {"key": _encode(put.key.encode()), "value": _encode(put.value)}
    return request | {"lease": str(put.lease)} if put.lease else request


def delete_request(delete: Delete) -> Json:
    """Remove one key or several."""
    return _span(delete.key, delete.prefix)


def transaction_request(
    conditions: Iterable[Compare], then: Iterable[Operation], otherwise: Iterable[Operation]
) -> Json:
    """All of `then` when every condition holds, else all of `otherwise`."""
    return {
        "compare": [_compare(condition) for condition in conditions],
        "success": [_operation(operation) for operation in then],
        "failure": [_operation(operation) for operation in otherwise],
    }


def watch_request(key: str, from_revision: int, *, prefix: bool) -> Json:
    """Tell every change from that revision on."""
    return {"create_request": _span(key, prefix) | {"start_revision": str(from_revision)}}


def range_of(answer: Json) -> Range:
    """Raises Garbled."""
    return Range(revision_of(answer), tuple(map(_key_value, _listed(answer, "kvs"))))


def done_of(answer: Json) -> Done:
    """Raises Garbled."""
    responses = [part.get("response_range") for part in _listed(answer, "responses")]
    found = tuple(_key_value(one) for part in responses if part for one in _listed(part, "kvs"))
    return Done(bool(answer.get("succeeded", False)), revision_of(answer), found)


def deleted_of(answer: Json) -> int:
    """How many keys a deletion removed. Raises Garbled."""
    revision_of(answer)
    return number(answer, "deleted")


def seconds_left_of(answer: Json) -> int:
    """What a renewed lease has; 0 when it is over. Raises Garbled."""
    result = answer.get("result")
    if not isinstance(result, dict):
        raise Garbled(repr(answer)[:200])
    revision_of(result)
    return number(result, "TTL")


def member_of(answer: Json) -> Member:
    """Raises Garbled."""
    revision_of(answer)
    version = str(answer.get("version", ""))
    return Member(number(answer["header"], "member_id"), number(answer, "leader"), version, number(answer, "raftTerm"))


def watched_of(answer: Json) -> Watched:
    """One message of the stream. Raises Garbled, Refusal, Unwell."""
    refuse(200, answer)
    result = answer.get("result")
    if not isinstance(result, dict):
        raise Garbled(repr(answer)[:200])
    events = tuple(
        Event(event.get("type") == "DELETE", _key_value(event.get("kv", {}))) for event in _listed(result, "events")
    )
    canceled = bool(result.get("canceled", False))
    return Watched(revision_of(result), events, canceled, number(result, "compact_revision"))


def revision_of(answer: Json) -> int:
    """The store's revision in the header. Raises Garbled."""
    header = answer.get("header")
    if not isinstance(header, dict):
        raise Garbled(repr(answer)[:200])
    return number(header, "revision")


def number(answer: Mapping[str, Any], name: str) -> int:
    """A whole number, 0 when it is left out. Raises Garbled."""
    try:
        return int(answer.get(name, 0))
    except (TypeError, ValueError):
        raise Garbled(f"{name}: {answer.get(name)!r}"[:200]) from None


def _span(key: str, prefix: bool) -> Json:
    encoded = key.encode()
    span = {"key": _encode(encoded)}
    return span | {"range_end": _encode(_after_all(encoded))} if prefix else span


def _after_all(prefix: bytes) -> bytes:
    """The first key that is behind all with the prefix."""
    kept = prefix.rstrip(b"\xff")
    return kept[:-1] + bytes([kept[-1] + 1]) if kept else b"\0"


def _compare(condition: Compare) -> Json:
    target = "CREATE" if condition.field is Field.CREATED else "MOD"
    return {
        "key": _encode(condition.key.encode()),
        "target": target,
        "result": "EQUAL",
        condition.field.value: str(condition.equals),
    }


def _operation(operation: Operation) -> Json:
    match operation:
        case Put():
            return {"request_put": put_request(operation)}
        case Delete():
            return {"request_delete_range": delete_request(operation)}
        case Get():
            return {"request_range": range_request(operation.key, prefix=operation.prefix)}


def _listed(answer: Mapping[str, Any], name: str) -> Sequence[Json]:
    found = answer.get(name, [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise Garbled(f"{name}: {found!r}"[:200])
    return found


def _key_value(written: Json) -> KeyValue:
    try:
        key, value = (base64.b64decode(written.get(name, ""), validate=True) for name in ("key", "value"))
        return KeyValue(
            key.decode(),
            value,
            number(written, "create_revision"),
            number(written, "mod_revision"),
            number(written, "lease"),
        )
    except (TypeError, ValueError):
        raise Garbled(repr(written)[:200]) from None


def _encode(value: bytes) -> str:
    return base64.b64encode(value).decode()


def alarms_of(answer: Json) -> frozenset[str]:
    """The kinds of alarms that are raised."""
    found = answer.get("alarms") or []
    if not isinstance(found, list):
        raise Garbled(repr(found)[:200])
    return frozenset(str(one.get("alarm", "")) for one in found if isinstance(one, dict))
