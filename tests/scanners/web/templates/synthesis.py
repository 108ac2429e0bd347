"""Answers made for a template by rules of their own: one that satisfies a block, and others that each break one condition.

Nothing of the engine is used to decide what should match: words are looked for with `in`, patterns with the standard
library's `re`, and expressions of a few plain forms are taken apart here. What cannot be made so is passed over.
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, cast

from scanners.web.message import Response
from scanners.web.templates.model import Block, Matcher, MatcherKind
from tests.scanners.web.templates.answering import response

_HEADER_LINE = re.compile(r"([A-Za-z][A-Za-z0-9-]*): *(\S[^\r\n]*)")
_NUMBERED = re.compile(r"(body|header|all_headers|response|status_code|content_type|location|set_cookie|server)_(\d+)")
_PARTS = {"body", "header", "all_headers", "response"}
_SINGLE_HEADERS = {
    "content_type": "Content-Type",
    "location": "Location",
    "set_cookie": "Set-Cookie",
    "server": "Server",
}
_OTHER_STATUSES = (200, 404, 500, 302, 401, 418)
_PATTERN_TRIES = 6


class CannotMake(Exception):
    """No answer can be made by these rules; the message is the feature that is in the way."""


@dataclass(frozen=True)
class Condition:
    """One thing that an answer must have, or must not have."""

    feature: str
    step: int
    """0: the current answer, whichever it is."""
    part: str
    text: bytes = b""
    pattern: str = ""
    fold: bool = False
    negative: bool = False
    statuses: tuple[int, ...] = ()

    def holds(self, answer: "Draft") -> bool:
        """Told without the engine."""
        if self.part == "status":
            return (answer.status in self.statuses) is not self.negative
        there = answer.text(self.part)
        if there is None:
            return False
        if self.pattern:
            found = re.search(self.pattern, there.decode("latin-1")) is not None
        else:
            found = (self.text.lower() in there.lower()) if self.fold else (self.text in there)
        return found is not self.negative


@dataclass
class Draft:
    """An answer that is being made."""

    status: int | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: list[bytes] = field(default_factory=list)

    def add(self, condition: Condition) -> None:
        """Make a condition hold, if it is one that wants something there."""
        if condition.part == "status":
            if not condition.negative:
                if self.status is not None and self.status not in condition.statuses:
                    raise CannotMake("two statuses")
                self.status = self.status if self.status is not None else condition.statuses[0]
        elif not condition.negative:
            self._put(condition.part, condition.text)

    def _put(self, part: str, text: bytes) -> None:
        if part in ("body", "response"):
            self.body.append(text)
            return
        if b"\r" in text or b"\n" in text:
            raise CannotMake("lines in a header")
        written = text.decode("latin-1")
        if part in _SINGLE_HEADERS:
            if written != written.strip():
                raise CannotMake("spaces around a header")
            self.headers.append((_SINGLE_HEADERS[part], written))
            return
        line = _HEADER_LINE.fullmatch(written)
        self.headers.append((line[1], line[2].rstrip()) if line else ("X-Made", f"|{written}|"))

    def response(self) -> Response:
        """The answer."""
        return response(self.status or 200, b"\n".join(self.body), self.headers, reason="Made")

    def text(self, part: str) -> bytes | None:
        """A part as it ought to be."""
        body = b"\n".join(self.body)
        if part == "body":
            return body
        named = [
            ("-".join(word.capitalize() for word in name.split("-")), value.strip()) for name, value in self.headers
        ]
        if part in _SINGLE_HEADERS:
            values = [value for name, value in named if name == _SINGLE_HEADERS[part]]
            return " ".join(values).encode("latin-1") if values else None
        lines = [
            f"HTTP/1.1 {self.status or 200} Made",
            *(f"{name}: {value}" for name, value in sorted(named, key=lambda one: one[0])),
        ]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        return head + body if part == "response" else head


@dataclass(frozen=True)
class Trial:
    """Answers for each step of a block, and whether the block must match."""

    feature: str
    matches: bool
    answers: tuple[Response, ...]


def trials(block: Block) -> Iterator[Trial]:
    """One answer that satisfies a block for each way to do so, and near misses. Raises CannotMake."""
    groups = [_conditions(matcher) for matcher in block.matchers]
    ways = [[one for group in groups for one in group]] if block.every_matcher else groups
    for way in ways[:6]:
        made = _satisfying(block, way, groups)
        if made is not None:
            features = sorted({one.feature for one in way})
            yield Trial(" + ".join(features), True, _responses(made))
            yield from _near_misses(block, way, groups)


def _steps(block: Block) -> int:
    return len(block.paths or block.raws)


def _satisfying(block: Block, way: list[Condition], groups: list[list[Condition]]) -> list[Draft] | None:
    drafts = _drafts(block, way)
    # Something that is wanted may hold what must not be there, or two wishes may stand against each other.
    return drafts if _held(block, way, drafts) else None


def _drafts(block: Block, way: list[Condition]) -> list[Draft]:
    drafts = [Draft() for _ in range(_steps(block))]
    for condition in way:
        if condition.step > len(drafts):
            raise CannotMake("step out of range")
        for draft in [drafts[condition.step - 1]] if condition.step else drafts:
            draft.add(condition)
    statuses = {status for one in way if one.part == "status" and one.negative for status in one.statuses}
    for draft in drafts:
        if draft.status is None:
            draft.status = next(status for status in _OTHER_STATUSES if status not in statuses)
    return drafts


def _held(block: Block, way: list[Condition], drafts: list[Draft]) -> bool:
    return all(one.holds(drafts[one.step - 1 if one.step else -1]) for one in way)


def _near_misses(block: Block, way: list[Condition], groups: list[list[Condition]]) -> Iterator[Trial]:
    for index, broken in enumerate(way):
        rest = way[:index] + way[index + 1 :]
        try:
            drafts = _drafts(block, [*rest, replace(broken, negative=not broken.negative)])
        except CannotMake:
            continue
        steps = [drafts[broken.step - 1]] if broken.step else drafts
        if any(broken.holds(draft) for draft in steps):
            continue
        if not block.every_matcher and any(
            all(one.holds(draft) for one in group)
            for group in groups
            for draft in drafts
            if all(not c.step for c in group)
        ):
            continue
        if not block.every_matcher and any(one.step for group in groups for one in group):
            continue
        yield Trial(f"without {broken.feature}", False, _responses(drafts))


def _responses(drafts: list[Draft]) -> tuple[Response, ...]:
    return tuple(draft.response() for draft in drafts)


def _conditions(matcher: Matcher) -> list[Condition]:
    if matcher.kind is MatcherKind.STATUS:
        feature = "status negative" if matcher.negative else "status"
        return [Condition(feature, 0, "status", negative=matcher.negative, statuses=matcher.numbers)]
    if matcher.kind is MatcherKind.DSL:
        sources = matcher.values if matcher.every else matcher.values[:1]
        if matcher.negative:
            raise CannotMake("dsl negative")
        if len(matcher.values) > 1 and not matcher.every and any("!" in source for source in matcher.values):
            # Another one holds by what is missing.
            raise CannotMake("dsl or")
        return [condition for source in sources for condition in _dsl(source)]
    step, part = _place(matcher.part)
    wanted = _choices(matcher)
    feature = f"{matcher.kind} {part}" + (" and" if matcher.every and len(matcher.values) > 1 else "")
    feature += " case-insensitive" if matcher.case_insensitive else ""
    if matcher.negative:
        if matcher.every and len(wanted) > 1:
            raise CannotMake("negative and")
        feature += " negative"
    elif not matcher.every:
        wanted = wanted[:1]
    return [
        replace(one, feature=feature, step=step, part=part, negative=matcher.negative, fold=matcher.case_insensitive)
        for one in wanted
    ]


def _place(part: str) -> tuple[int, str]:
    numbered = _NUMBERED.fullmatch(part)
    step, name = (int(numbered[2]), numbered[1]) if numbered else (0, part)
    if name not in _PARTS | _SINGLE_HEADERS.keys():
        raise CannotMake(f"part {name}")
    return step, name


def _choices(matcher: Matcher) -> list[Condition]:
    blank = Condition("", 0, "")
    if matcher.kind is MatcherKind.WORD:
        if any("{{" in word or "§" in word for word in matcher.values):
            raise CannotMake("placeholder in a word")
        if any(not word for word in matcher.values):
            raise CannotMake("empty word")
        return [replace(blank, text=word.encode()) for word in matcher.values]
    if matcher.kind is MatcherKind.BINARY:
        return [replace(blank, text=bytes.fromhex(value)) for value in matcher.values]
    if matcher.kind is MatcherKind.REGEX:
        return [_pattern(value) for value in matcher.values]
    raise CannotMake(f"matcher {matcher.kind}")


# Patterns: a sample is drawn from the standard library's own parse tree, and tried with `re`.

_FLAGS = re.compile(r"\(\?([a-zA-Z]+)\)")


def _pattern(source: str) -> Condition:
    python = source.replace("\\z", "\\Z")
    flags = "".join(sorted({flag for found in _FLAGS.findall(python) for flag in found if flag in "ims"}))
    python = (f"(?{flags})" if flags else "") + _FLAGS.sub("", python)
    if not python.isascii() or "[[:" in python or "\\Q" in python:
        raise CannotMake("regex of another syntax")
    # `$` is the very end here, and before a last line feed there.
    python = re.sub(r"(?<!\\)\$(?=$|\))", r"\\Z", python) if "m" not in flags else python
    try:
        compiled = re.compile(python)
        tree = cast(Any, re)._parser.parse(python)
    except (re.error, OverflowError, RecursionError):
        raise CannotMake("regex of another syntax") from None
    for attempt in range(_PATTERN_TRIES):
        sample = _sample(tree, random.Random(f"{source}{attempt}"), {})
        if compiled.search(sample) and sample and "\n" not in sample and sample.isascii():
            return Condition("", 0, "", text=sample.encode(), pattern=python)
    raise CannotMake("regex without sample")


def _sample(tree: Any, chance: random.Random, groups: dict[int, str]) -> str:
    return "".join(_piece(str(kind), value, chance, groups) for kind, value in tree)


def _piece(kind: str, value: Any, chance: random.Random, groups: dict[int, str]) -> str:
    if kind == "LITERAL":
        return chr(value)
    if kind == "NOT_LITERAL":
        return "x" if value != ord("x") else "y"
    if kind == "ANY":
        return chance.choice("abc1 ")
    if kind == "IN":
        return _member(value, chance)
    if kind in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        low, high, inner = value
        times = min(int(high), max(int(low), chance.choice((int(low), int(low) + 1))))
        return "".join(_sample(inner, chance, groups) for _ in range(times))
    if kind == "SUBPATTERN":
        groups[value[0] or 0] = _sample(value[3], chance, groups)
        return groups[value[0] or 0]
    if kind == "BRANCH":
        return _sample(chance.choice(value[1]), chance, groups)
    if kind == "AT":
        return ""
    raise CannotMake(f"regex {kind.lower()}")


_CLASSES = {"CATEGORY_DIGIT": "0123456789", "CATEGORY_WORD": "abz_09", "CATEGORY_SPACE": " ", "CATEGORY_NOT_SPACE": "ab1",
            "CATEGORY_NOT_DIGIT": "ab-", "CATEGORY_NOT_WORD": "- ."}  # fmt: skip


def _member(members: Any, chance: random.Random) -> str:
    ranges: list[str] = []
    negated = str(members[0][0]) == "NEGATE"
    for kind, value in members[1:] if negated else members:
        if str(kind) == "LITERAL":
            ranges.append(chr(value))
        elif str(kind) == "RANGE":
            ranges.append("".join(map(chr, range(value[0], min(value[1], value[0] + 90) + 1))))
        elif str(kind) == "CATEGORY":
            ranges.append(_CLASSES[str(value)])
    listed = "".join(ranges)
    if negated:
        return next(one for one in "xqz7#~_kJ @!" if one not in listed)
    return chance.choice(listed)


# Expressions: conjunctions of a few plain forms.

_STRING = r"""(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')"""
_VARIABLE = r"(body|header|all_headers|response|content_type|location|set_cookie|server)(?:_(\d+))?"
_STATUS = re.compile(r"status_code(?:_(\d+))?\s*(==|!=)\s*(\d+)")
_HAS = re.compile(
    rf"(!?)\s*(contains|contains_all|contains_any)\(\s*(?:(to_?lower)\(\s*{_VARIABLE}\s*\)|{_VARIABLE})\s*,(.*)\)"
)
_STRINGS = re.compile(rf"\s*{_STRING}\s*(,|$)", re.DOTALL)


def _dsl(source: str) -> Iterator[Condition]:
    for text in _split(source):
        yield from _plain(text.strip())


def _split(source: str) -> list[str]:
    """At each `&&` outside of strings and brackets."""
    pieces, depth, quote, last, position = [], 0, "", 0, 0
    while position < len(source):
        character = source[position]
        if quote:
            position += character == "\\"
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character in "()":
            depth += 1 if character == "(" else -1
        elif source.startswith("&&", position) and depth == 0:
            pieces.append(source[last:position])
            last = position = position + 2
            continue
        elif source.startswith("||", position) and depth == 0:
            raise CannotMake("dsl or")
        position += 1
    return [*pieces, source[last:]]


def _plain(text: str) -> Iterator[Condition]:
    if text.startswith("(") and text.endswith(")") and "||" not in text and text.count("(") == 1:
        yield from _dsl(text[1:-1])
        return
    if status := _STATUS.fullmatch(text):
        negative = status[2] == "!="
        feature = "dsl status_code" + ("_N" if status[1] else "") + (" !=" if negative else "")
        yield Condition(feature, int(status[1] or 0), "status", negative=negative, statuses=(int(status[3]),))
        return
    has = _HAS.fullmatch(text)
    if has is None:
        raise CannotMake("dsl other")
    negated, function, lowered = bool(has[1]), has[2], bool(has[3])
    part, step = (has[4], has[5]) if lowered else (has[6], has[7])
    words = _listed(has[8])
    if lowered and any(word != word.lower() for word in words):
        raise CannotMake("dsl never true")
    feature = f"dsl {function}" + (" lowered" if lowered else "") + (" _N" if step else "") + (" !" if negated else "")
    if negated and function == "contains_all" and len(words) > 1:
        raise CannotMake("dsl !contains_all")
    chosen = words[:1] if function == "contains_any" and not negated else words
    for word in chosen:
        yield Condition(feature, int(step or 0), part, text=word.encode(), fold=lowered, negative=negated)


def _listed(text: str) -> list[str]:
    words, position = [], 0
    while position < len(text):
        found = _STRINGS.match(text, position)
        if found is None:
            raise CannotMake("dsl other")
        word = re.sub(r"\\(.)", r"\1", found[1] if found[1] is not None else found[2], flags=re.DOTALL)
        if "{{" in word or not word:
            raise CannotMake("dsl placeholder")
        words.append(word)
        position = found.end()
    return words
