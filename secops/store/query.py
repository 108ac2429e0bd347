"""What can be asked of findings: conditions over named fields, and an order. `matches` says what each one means.

A condition that exists is valid: making one with an unknown field, or a value or operator that the field does not
take, raises BadInput. Stores compile conditions to their own language and must agree with `matches`.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

from secops.model.finding import Finding, Severity, State, WeaknessClass
from secops.model.text import Text
from secops.support.errors import BadInput
from secops.support.suggestions import did_you_mean

MOST_PARTS = 1000
"""Conditions and values in one query."""
DEEPEST = 50

Value: TypeAlias = Severity | State | WeaknessClass | str | int | datetime | timedelta
"""A timedelta is an age: how long before the present a moment was."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field that queries may name."""

    name: str
    type: type
    """Severity, State, WeaknessClass, str, int, datetime; Text is searched in both languages."""
    read: Callable[[Finding], tuple[Value, ...]]
    many: bool = False
    """Whether a finding may have several values, or none."""

    @property
    def ordered(self) -> bool:
        """Whether one value is less than another."""
        return self.type in (Severity, int, datetime)

    @property
    def sortable(self) -> bool:
        """Whether findings can be put in its order."""
        return not self.many and self.type is not Text

    @property
    def groupable(self) -> bool:
        """Whether findings can be counted by it."""
        return self.sortable and issubclass(self.type, str) and self.name != "id"


NEVER = datetime.max.replace(tzinfo=UTC)


def due_of(finding: Finding) -> datetime:
    """By when it is to be resolved; NEVER while no deadline runs."""
    deadline = finding.deadline
    return deadline.due if deadline and deadline.runs else NEVER


def mark_of(finding: Finding) -> datetime:
    """When somebody is to be told next of the time that has passed."""
    deadline = finding.deadline
    return (deadline.next_mark if deadline and deadline.runs else None) or NEVER


FIELDS: dict[str, Field] = {
    field.name: field
    for field in (
        Field("id", str, lambda one: (one.id,)),
        Field("state", State, lambda one: (one.state,)),
        Field("severity", Severity, lambda one: (one.weakness.severity,)),
        Field("system", str, lambda one: (one.system,)),
        Field("asset", str, lambda one: (one.asset,)),
        Field("check", str, lambda one: (one.check,)),
        Field("rule", str, lambda one: (one.weakness.rule,)),
        Field("class", WeaknessClass, lambda one: (one.weakness.weakness_class,)),
        Field("clause", str, lambda one: one.weakness.clauses, many=True),
        Field("first_seen", datetime, lambda one: (one.first_seen,)),
        Field("last_seen", datetime, lambda one: (one.last_seen,)),
        Field("state_since", datetime, lambda one: (one.state_since,)),
        Field("times_seen", int, lambda one: (one.times_seen,)),
        Field("regressions", int, lambda one: (one.regressions,)),
        Field("due", datetime, lambda one: (due_of(one),)),
        Field("mark", datetime, lambda one: (mark_of(one),)),
        Field("deadline", str, lambda one: (one.deadline.standing if one.deadline else "none",)),
        Field("acceptance", str, lambda one: (one.acceptance,)),
        Field("part_of", str, lambda one: (one.part_of,)),
        Field("exploited", str, lambda one: ("yes" if one.weakness.exploited else "no",)),
        Field("title", Text, lambda one: (one.weakness.title.zh, one.weakness.title.en)),
        Field("reason", Text, lambda one: (one.weakness.reason.zh, one.weakness.reason.en)),
        Field("text", Text, lambda one: (*FIELDS["title"].read(one), *FIELDS["reason"].read(one))),
    )
}
"""By name. `text` is title and reason together. A finding that has no deadline, or whose deadline stands still, is due
NEVER; `mark` is when the next share of its time will have passed; `deadline` is `none` or how it stands; `part_of` is
empty for what stands for itself."""


def field_named(name: str) -> Field:
    """Raises BadInput when there is none."""
    if name not in FIELDS:
        hint = did_you_mean(name, FIELDS)
        choices = ", ".join(FIELDS)
        raise BadInput(
            Text(
                f'没有字段 "{name}"{hint.zh or f";可用:{choices}"}',
                f'there is no field "{name}"{hint.en or f"; there are: {choices}"}',
            )
        )
    return FIELDS[name]


class Comparison(StrEnum):
    """How a range is bounded."""

    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="


@dataclass(frozen=True, slots=True)
class Equals:
    """The field, or one of its values, is this."""

    field: str
    value: Value

    def __post_init__(self) -> None:
        _require(self.field, "equals", (self.value,))


@dataclass(frozen=True, slots=True)
class In:
    """The field, or one of its values, is one of these."""

    field: str
    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        assert self.values, "see one_of"
        _require(self.field, "equals", self.values)


@dataclass(frozen=True, slots=True)
class Range:
    """The field lies on this side of the value; `last_seen < age` is: less long ago than that."""

    field: str
    comparison: Comparison
    value: Value

    def __post_init__(self) -> None:
        _require(self.field, "range", (self.value,))


@dataclass(frozen=True, slots=True)
class Prefix:
    """The field, or one of its values, begins so."""

    field: str
    prefix: str

    def __post_init__(self) -> None:
        _require(self.field, "prefix", (self.prefix,))


@dataclass(frozen=True, slots=True)
class TextMatch:
    """The text stands somewhere in the field, in Chinese or in English, in capitals or not."""

    field: str
    text: str

    def __post_init__(self) -> None:
        _require(self.field, "text", (self.text,))


@dataclass(frozen=True, slots=True)
class Exists:
    """The field has a value that is not empty."""

    field: str

    def __post_init__(self) -> None:
        field_named(self.field)


@dataclass(frozen=True, slots=True)
class And:
    """All of at least two."""

    parts: tuple["Condition", ...]

    def __post_init__(self) -> None:
        assert len(self.parts) > 1, "see all_of"


@dataclass(frozen=True, slots=True)
class Or:
    """One of at least two."""

    parts: tuple["Condition", ...]

    def __post_init__(self) -> None:
        assert len(self.parts) > 1, "see any_of"


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    part: "Condition"


Condition: TypeAlias = Equals | In | Range | Prefix | TextMatch | Exists | And | Or | Not


@dataclass(frozen=True, slots=True)
class Sort:
    """One key of an order. Ranked by meaning (severity), time or number; text by its Unicode code points."""

    field: str
    descending: bool = False

    def __post_init__(self) -> None:
        if not field_named(self.field).sortable:
            choices = ", ".join(field.name for field in FIELDS.values() if field.sortable)
            raise BadInput(
                Text(f"不能按 {self.field} 排序;可以按:{choices}", f"cannot sort by {self.field}; sort by: {choices}")
            )


WORST_FIRST = (Sort("severity", descending=True), Sort("first_seen", descending=True))


@dataclass(frozen=True, slots=True)
class Query:
    """Which findings, in which order; what is alike is ordered by id, in the direction of the last key."""

    where: Condition | None = None
    """None: all."""
    sort: tuple[Sort, ...] = WORST_FIRST

    def __post_init__(self) -> None:
        assert self.sort, "there is always an order"
        parts = 0
        for part, depth in _walk(self.where, 1) if self.where else ():
            parts += len(part.values) if isinstance(part, In) else 1
            if parts > MOST_PARTS or depth > DEEPEST:
                raise BadInput(
                    Text(
                        f"查询过大:最多 {MOST_PARTS} 个条件和取值、{DEEPEST} 层嵌套",
                        f"the query is too large: at most {MOST_PARTS} conditions and values, nested {DEEPEST} deep",
                    )
                )

    @property
    def keys(self) -> tuple[Sort, ...]:
        """The whole order, down to the id, which no two findings share."""
        keys: dict[str, Sort] = {}
        for key in (*self.sort, Sort("id", self.sort[-1].descending)):
            keys.setdefault(key.field, key)
        names = list(keys)
        return tuple(keys[name] for name in names[: names.index("id") + 1])


def all_of(parts: Iterable[Condition | None]) -> Condition | None:
    """All of these; None stands for what is always true."""
    given = tuple(part for part in parts if part is not None)
    return And(given) if len(given) > 1 else given[0] if given else None


def one_of(field: str, values: Iterable[Value]) -> Condition | None:
    """The field is one of these; always true when none is given."""
    given = tuple(values)
    return (In(field, given) if len(given) > 1 else Equals(field, given[0])) if given else None


def without_parts(query: Query) -> Query:
    """The query for findings that stand for themselves, unless it speaks of parts: what people and machines are shown."""
    if any(getattr(part, "field", "") == "part_of" for part in parts_of(query.where)):
        return query
    return replace(query, where=all_of([query.where, Equals("part_of", "")]))


def parts_of(condition: Condition | None) -> Iterator[Condition]:
    """The condition and all that it is made of."""
    return (part for part, _ in _walk(condition, 1)) if condition else iter(())


def at(condition: Condition, present: datetime) -> Condition:
    """The same with every age replaced by the moment that it means at `present`."""
    match condition:
        case Range(field, comparison, timedelta() as age):
            return Range(field, _OPPOSITE[comparison], _before(present, age))
        case And(parts) | Or(parts):
            return replace(condition, parts=tuple(at(part, present) for part in parts))
        case Not(part):
            return Not(at(part, present))
    return condition


def matches(condition: Condition, finding: Finding) -> bool:
    """Whether it is true of the finding. Ages must have been replaced by moments."""
    match condition:
        case Equals(field, value):
            return value in FIELDS[field].read(finding)
        case In(field, values):
            return any(value in values for value in FIELDS[field].read(finding))
        case Range(field, comparison, value):
            return any(_compare(comparison, one, value) for one in FIELDS[field].read(finding))
        case Prefix(field, prefix):
            return any(str(one).startswith(prefix) for one in FIELDS[field].read(finding))
        case TextMatch(field, text):
            return any(folded(text) in folded(str(one)) for one in FIELDS[field].read(finding))
        case Exists(field):
            return any(one != "" for one in FIELDS[field].read(finding))
        case And(parts):
            return all(matches(part, finding) for part in parts)
        case Or(parts):
            return any(matches(part, finding) for part in parts)
        case Not(part):
            return not matches(part, finding)


def folded(text: str) -> str:
    """As texts are compared: small letters, and a space for every control character."""
    small = text.lower()
    return small if small.isprintable() else _CONTROL.sub(" ", small)


_CONTROL = re.compile("[\x00-\x1f]")
_OPPOSITE = {
    Comparison.LESS: Comparison.MORE,
    Comparison.AT_MOST: Comparison.AT_LEAST,
    Comparison.MORE: Comparison.LESS,
    Comparison.AT_LEAST: Comparison.AT_MOST,
}


def _walk(condition: Condition, depth: int) -> Iterator[tuple[Condition, int]]:
    waiting = [(condition, depth)]
    while waiting:
        part, depth = waiting.pop()
        yield part, depth
        if isinstance(part, And | Or):
            waiting += [(below, depth + 1) for below in part.parts]
        elif isinstance(part, Not):
            waiting.append((part.part, depth + 1))


def _before(present: datetime, age: timedelta) -> datetime:
    try:
        return present - age
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)


def _compare(comparison: Comparison, one: Value, other: Value) -> bool:
    left, right = _ordinal(one), _ordinal(other)
    match comparison:
        case Comparison.LESS:
            return left < right
        case Comparison.AT_MOST:
            return left <= right
        case Comparison.MORE:
            return left > right
        case Comparison.AT_LEAST:
            return left >= right


def _ordinal(value: Value) -> float:
    """The place of a value in its order; exact for moments of this era, to the microsecond."""
    if isinstance(value, Severity):
        return value.rank
    if isinstance(value, datetime):
        return microseconds(value)
    assert isinstance(value, int)
    return value


def microseconds(moment: datetime) -> int:
    """Since 1970, in UTC."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _require(name: str, operation: str, values: tuple[Value, ...]) -> None:
    """Raises BadInput unless the field takes the operation with these values."""
    field = field_named(name)
    taken = {
        "equals": field.type is not Text,
        "range": field.ordered,
        "prefix": field.type is str,
        "text": field.type is Text,
    }
    if not taken[operation]:
        words = _OPERATIONS[operation]
        raise BadInput(Text(f"字段 {name} 不支持{words.zh}", f"the field {name} takes no {words.en}"))
    for value in values:
        _require_value(field, operation, value)


_OPERATIONS = {
    "equals": Text("等值比较;查文字用 ~", "equality; search texts with ~"),
    "range": Text("大小比较", "comparison by size"),
    "prefix": Text("前缀匹配", "prefix"),
    "text": Text("文字查找;请用 : 或 name*", "text search; use : or name*"),
}


def _require_value(field: Field, operation: str, value: Value) -> None:
    if operation in ("text", "prefix") and not value:
        raise BadInput(Text("要查找的文字不能为空", "there is nothing to look for in an empty text"))
    fits = type(value) is (str if field.type is Text else field.type)
    if isinstance(value, datetime):
        fits = fits and value.utcoffset() is not None
    elif isinstance(value, timedelta):
        fits = field.type is datetime and operation == "range" and value >= timedelta(0)
    elif isinstance(value, str):
        fits = fits and not any("\ud800" <= character <= "\udfff" for character in value)
    elif isinstance(value, int):
        fits = fits and abs(value) < 2**63
    if not fits:
        raise BadInput(
            Text(f"{value!r} 不能作为字段 {field.name} 的值", f"{value!r} is no value of the field {field.name}")
        )
