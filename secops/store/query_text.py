"""Queries as people write them: `severity>=high and not (check:tls or title~"弱口令") sort -last_seen`.

    field:value  field!=value  field<value …  field in (a, b)  field:begin*  field:*  title~words  words  @saved
    and  or  not  ( )  sort field, -field

Words without a field are looked for in title and reason. A day (`2026-11-01`) is that whole day in local time; an age
(`last_seen<7d`) counts back from the present. Full-width punctuation is read like its ASCII twin.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import NoReturn, TypeVar

from secops.model.text import Text
from secops.store.query import (
    DEEPEST,
    FIELDS,
    WORST_FIRST,
    And,
    Comparison,
    Condition,
    Equals,
    Exists,
    Field,
    In,
    Not,
    Or,
    Prefix,
    Query,
    Range,
    Sort,
    TextMatch,
    Value,
    field_named,
)
from secops.support import clock
from secops.support.durations import parse_duration
from secops.support.errors import BadInput
from secops.support.located import BadFile, Problem, excerpt, lines_of
from secops.support.misfits import BadValue
from secops.support.suggestions import did_you_mean

_Item = TypeVar("_Item")
Saved = Callable[[str], str]
"""The text that was saved under a name. Raises BadInput when there is none."""

LONGEST = 20_000
"""Characters of a query."""
_KEYWORDS = frozenset({"and", "or", "not", "in", "sort"})
_OPERATORS = {":": ":", "=": ":", "!=": "!=", "~": "~", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_WIDE = str.maketrans("\uff1a\uff1d\uff01\uff1c\uff1e\uff5e\uff08\uff09\uff0c", ":=!<>~(),")
_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | "(?P<quoted>(?:[^"\\]|\\.)*)"(?P<star>\*?)
  | @(?P<name>[\w.-]+)
  | (?P<operator>[!<>\uff01\uff1c\uff1e][=\uff1d]|[:=~<>\uff1a\uff1d\uff5e\uff1c\uff1e])
  | (?P<mark>[(),\uff08\uff09\uff0c])
  | (?P<word>[^\s"(),:=~<>!\uff08\uff09\uff0c\uff1a\uff1d\uff5e\uff1c\uff1e\uff01]+)
    """,
    re.VERBOSE | re.DOTALL,
)
_VALUE = re.compile(r'[^\s"(),\uff08\uff09\uff0c]+')
_BARE = re.compile(r"[\w./+#%-][\w./+#%@-]*")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms"))


def parse(text: str, saved: Saved | None = None) -> Query:
    """The query. Raises BadFile with line, column and caret when it cannot be read."""
    return _Parser(text, saved or _none_saved, ()).query()


def to_text(query: Query) -> str:
    """The text that `parse` reads back as the same query."""
    where = _print(query.where) if query.where else ""
    keys = ", ".join(("-" if key.descending else "") + key.field for key in query.sort)
    order = "" if query.sort == WORST_FIRST else f"sort {keys}"
    return " ".join(filter(None, (where, order)))


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    """quoted, name, operator, mark, word or end."""
    text: str
    start: int
    end: int
    star: bool = False

    def says(self, word: str) -> bool:
        return self.text.lower() == word and self.kind in ("word", "mark")


class _Parser:
    """Recursive descent over the text; each method leaves the position after what it read."""

    def __init__(self, text: str, saved: Saved, within: tuple[str, ...]) -> None:
        self._text = text
        self._saved = saved
        self._within = within
        self._position = 0
        self._depth = 0
        if len(text) > LONGEST:
            self._fail(0, Text(f"查询超过 {LONGEST} 个字符", f"the query is longer than {LONGEST} characters"))

    def query(self) -> Query:
        where = None if self._next().kind == "end" or self._next().says("sort") else self._either()
        sort: tuple[Sort, ...] = WORST_FIRST
        if self._next().says("sort"):
            self._take()
            sort = tuple(self._listed(self._sort_key))
        found = self._next()
        if found.kind != "end":
            if found.says(")"):
                self._fail(found.start, Text('多余的 ")"', 'this ")" closes nothing'))
            self._fail(found.start, Text("此处应是 and、or 或 sort", "here must stand `and`, `or` or `sort`"))
        with self._located(0):
            return Query(where, sort)

    def _either(self) -> Condition:
        parts = [self._both()]
        while self._next().says("or"):
            self._take()
            parts.append(self._both())
        return Or(tuple(parts)) if len(parts) > 1 else parts[0]

    def _both(self) -> Condition:
        parts = [self._single()]
        while self._next().says("and"):
            self._take()
            parts.append(self._single())
        return And(tuple(parts)) if len(parts) > 1 else parts[0]

    def _single(self) -> Condition:
        token = self._take()
        self._depth += 1
        if self._depth > DEEPEST:
            self._fail(token.start, Text(f"嵌套超过 {DEEPEST} 层", f"nested deeper than {DEEPEST}"))
        found = self._condition(token)
        self._depth -= 1
        return found

    def _condition(self, token: _Token) -> Condition:
        if token.says("not"):
            return Not(self._single())
        if token.says("("):
            inner = self._either()
            if not self._take().says(")"):
                self._fail(token.start, Text('这个 "(" 没有配对的 ")"', 'this "(" is never closed'))
            return inner
        if token.kind == "name":
            return self._expanded(token)
        if token.kind not in ("word", "quoted") or (token.kind == "word" and token.text.lower() in _KEYWORDS):
            self._fail(token.start, Text("此处应是一个条件", "a condition is expected here"))
        after = self._next()
        if token.kind == "word" and after.kind == "operator":
            self._take()
            return self._compared(token, after)
        if token.kind == "word" and after.says("in") and self._marks_at(after.end):
            self._take()
            return self._listed_values(token)
        with self._located(token.start):
            return TextMatch("text", token.text)

    def _compared(self, name: _Token, operator: _Token) -> Condition:
        with self._located(name.start):
            field = field_named(name.text)
        sign = _OPERATORS[operator.text.translate(_WIDE)]
        value = self._value()
        if value.star and sign not in (":", "!="):
            self._refuse_star(value)
        with self._located(operator.start if _mismatched(field, sign) else value.start):
            if sign in (":", "!="):
                equal = _equal(field, value)
                return equal if sign == ":" else Not(equal)
            if sign == "~":
                return TextMatch(field.name, value.text)
            return _bounded(field, Comparison(sign), value.text)

    def _listed_values(self, name: _Token) -> Condition:
        with self._located(name.start):
            field = field_named(name.text)
        opening = self._take()
        values = tuple(self._listed(lambda: self._read(field)))
        if not self._take().says(")"):
            self._fail(opening.start, Text('这个 "(" 没有配对的 ")"', 'this "(" is never closed'))
        with self._located(name.start):
            return In(field.name, values)

    def _read(self, field: Field) -> Value:
        token = self._value()
        if token.star:
            self._refuse_star(token)
        with self._located(token.start):
            return _value_of(field, token.text)

    def _refuse_star(self, token: _Token) -> NoReturn:
        self._fail(token.end - 1, Text("* 只能用在 : 之后", "a * has a meaning only after a colon"))

    def _sort_key(self) -> Sort:
        token = self._take()
        with self._located(token.start):
            return Sort(token.text.removeprefix("-"), token.text.startswith("-"))

    def _expanded(self, token: _Token) -> Condition:
        """What was saved under the name; its order is left out."""
        with self._located(token.start):
            if token.text in self._within:
                raise BadInput(Text(f"@{token.text} 引用了它自己", f"@{token.text} refers to itself"))
            where = _Parser(self._saved(token.text), self._saved, (*self._within, token.text)).query().where
            if where is None:
                raise BadInput(Text(f"@{token.text} 没有条件", f"@{token.text} holds no condition"))
            return where

    def _listed(self, read: Callable[[], _Item]) -> Iterator[_Item]:
        yield read()
        while self._next().says(","):
            self._take()
            yield read()

    def _value(self) -> _Token:
        """A quoted text, or all up to a space, comma or bracket: values may hold colons and signs."""
        self._skip_space()
        found = _VALUE.match(self._text, self._position)
        if not found:
            token = self._take()
            if token.kind != "quoted":
                self._fail(token.start, Text("此处应是一个值", "a value is expected here"))
            return token
        self._position = found.end()
        star = found.group().endswith("*")
        return _Token("word", found.group().removesuffix("*"), found.start(), found.end(), star)

    def _marks_at(self, position: int) -> bool:
        return self._text[position:].lstrip()[:1] in ("(", "\uff08")

    def _skip_space(self) -> None:
        while self._text[self._position : self._position + 1].isspace():
            self._position += 1

    def _take(self) -> _Token:
        token = self._next()
        self._position = token.end
        return token

    def _next(self) -> _Token:
        self._skip_space()
        start = self._position
        if start >= len(self._text):
            return _Token("end", "", start, start)
        found = _TOKEN.match(self._text, start)
        if not found:
            if self._text[start] == '"':
                self._fail(start, Text("这个引号没有结束", "this quote never ends"))
            self._fail(start, Text("看不懂这个字符", "this character means nothing here"))
        kind = next(kind for kind in ("quoted", "name", "operator", "mark", "word") if found[kind] is not None)
        text = found[kind]
        if kind == "quoted":
            text = re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)
        elif kind == "mark":
            text = text.translate(_WIDE)
        return _Token(kind, text, start, found.end(), bool(found["star"]))

    @contextmanager
    def _located(self, position: int) -> Iterator[None]:
        """Give an error without a place the place where its cause stands."""
        try:
            yield
        except BadFile:
            raise
        except (BadInput, BadValue) as error:
            self._fail(position, error.text)

    def _fail(self, position: int, text: Text) -> NoReturn:
        before, lines = lines_of(self._text[:position]), lines_of(self._text)
        line, column = len(before), len(before[-1]) + 1
        name = "@" + self._within[-1] if self._within else "query"
        raise BadFile([Problem(name, line, column, text, excerpt(lines, line, column))])


def _none_saved(name: str) -> str:
    raise BadInput(Text(f"没有保存过名为 {name} 的查询", f"no query was saved as {name}"))


def _mismatched(field: Field, sign: str) -> bool:
    """Whether the operator, not the value, is what is wrong."""
    return (field.type is Text) != (sign == "~") or (sign[0] in "<>" and not field.ordered)


def _equal(field: Field, token: _Token) -> Condition:
    if token.star:
        return Prefix(field.name, token.text) if token.text else Exists(field.name)
    if field.type is Text:
        return TextMatch(field.name, token.text)
    if field.type is datetime and _DAY.fullmatch(token.text):
        start, end = _day(token.text)
        return And((Range(field.name, Comparison.AT_LEAST, start), Range(field.name, Comparison.LESS, end)))
    return Equals(field.name, _value_of(field, token.text))


def _bounded(field: Field, comparison: Comparison, text: str) -> Condition:
    """`> day` begins when the day is over, and `<= day` ends then."""
    if field.type is datetime and _DAY.fullmatch(text):
        start, end = _day(text)
        if comparison is Comparison.MORE:
            return Range(field.name, Comparison.AT_LEAST, end)
        if comparison is Comparison.AT_MOST:
            return Range(field.name, Comparison.LESS, end)
        return Range(field.name, comparison, start)
    if field.type is datetime and text[:1].isdigit() and "-" not in text:
        return Range(field.name, comparison, _age(text))
    return Range(field.name, comparison, _value_of(field, text))


def _age(text: str) -> timedelta:
    try:
        return timedelta(milliseconds=round(parse_duration(text) * 1000))
    except OverflowError:
        raise BadInput(Text("时长太大", "the duration is too long")) from None


def _day(text: str) -> tuple[datetime, datetime]:
    """When the day begins and ends here."""
    try:
        day = date.fromisoformat(text)
        return datetime.combine(day, time()).astimezone(), datetime.combine(day + timedelta(1), time()).astimezone()
    except (ValueError, OverflowError):
        raise BadInput(Text(f"没有 {text} 这一天", f"there is no day {text}")) from None


def _value_of(field: Field, text: str) -> Value:
    """The value that the text means for the field. Raises BadInput."""
    if field.type is datetime:
        return _moment(text)
    if field.type is int:
        if not re.fullmatch(r"\d{1,18}", text, re.ASCII):
            raise BadInput(Text(f"{field.name} 是一个整数", f"{field.name} is a whole number"))
        return int(text)
    if issubclass(field.type, StrEnum):
        choices = [one.value for one in field.type]
        if text not in choices:
            hint, all_choices = did_you_mean(text, choices), ", ".join(choices)
            raise BadInput(
                Text(
                    f'{field.name} 没有取值 "{text}"{hint.zh};可用:{all_choices}',
                    f'{field.name} is never "{text}"{hint.en}; it is one of: {all_choices}',
                )
            )
        chosen: Value = field.type(text)
        return chosen
    return text


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise BadInput(
            Text(
                "时间写作 2026-11-01 或 2026-11-01T08:00:00Z;用 < 或 > 比较时也可写多久以前,如 7d",
                "a time is written 2026-11-01 or 2026-11-01T08:00:00Z, or with < and > as an age like 7d",
            )
        ) from None


def _print(condition: Condition) -> str:
    match condition:
        case Equals(field, value):
            return f"{field}:{_shown(value)}"
        case In(field, values):
            return f"{field} in ({', '.join(map(_shown, values))})"
        case Range(field, comparison, value):
            return f"{field}{comparison.value}{_shown(value)}"
        case Prefix(field, prefix):
            return f"{field}:{_shown(prefix)}*"
        case TextMatch(field, text):
            return f"{field}~{_shown(text)}"
        case Exists(field):
            return f"{field}:*"
        case And(parts):
            return " and ".join(_inner(part) if isinstance(part, And | Or) else _print(part) for part in parts)
        case Or(parts):
            return " or ".join(_inner(part) if isinstance(part, Or) else _print(part) for part in parts)
        case Not(part):
            return f"not {_inner(part) if isinstance(part, And | Or) else _print(part)}"


def _inner(condition: Condition) -> str:
    return f"({_print(condition)})"


def _shown(value: Value) -> str:
    if isinstance(value, datetime):
        return clock.to_text(value)
    if isinstance(value, timedelta):
        return _age_text(value)
    text = str(value)
    if _BARE.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _age_text(age: timedelta) -> str:
    rest = age // timedelta(milliseconds=1)
    parts = []
    for size, unit in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


assert frozenset(FIELDS).isdisjoint(_KEYWORDS), "a field named like a keyword could not be written"
