"""Helpers that cut, join and change text."""

from scanners.web.templates.expressions.functions.registry import helper
from scanners.web.templates.expressions.regexes import Regex
from scanners.web.templates.expressions.values import (
    EvaluationError,
    Value,
    as_bytes,
    as_string,
    as_text,
    as_whole,
    lower,
    same,
    upper,
)

_LONGEST = 16 * 1024 * 1024


@helper("len", 1)
def length(value: Value) -> Value:
    """Bytes of text, items of a list."""
    return float(len(value) if isinstance(value, list) else len(as_text(value)))


@helper("index", 2)
def index(value: Value, position: Value) -> Value:
    """One item, or one byte of text."""
    at = as_whole(position)
    items = value if isinstance(value, list) else as_text(value)
    if not 0 <= at < len(items):
        raise EvaluationError("index out of range")
    return items[at] if isinstance(items, list) else items[at : at + 1]


@helper("to_upper", 1, costly=True)
def to_upper(value: Value) -> Value:
    """Upper case."""
    return upper(as_text(value))


@helper("to_lower", 1, costly=True)
def to_lower(value: Value) -> Value:
    """Lower case."""
    return lower(as_text(value))


@helper("to_title", 1, 2)
def to_title(value: Value, _language: Value = None) -> Value:
    """Each word with a capital."""
    return as_bytes(as_string(as_text(value)).title())


@helper("to_string", 1)
def to_string(value: Value) -> Value:
    """The text of any value."""
    return as_text(value)


@helper("concat", 0, None)
def concat(*values: Value) -> Value:
    """All one after the other."""
    return b"".join(as_text(value) for value in values)


@helper("join", 2, None)
def join(separator: Value, *values: Value) -> Value:
    """The items of one list, or all further arguments."""
    if len(values) == 1:
        if not isinstance(values[0], list):
            raise EvaluationError("join wants a list or several elements")
        values = tuple(values[0])
    elif any(isinstance(value, list) for value in values):
        raise EvaluationError("join wants one list only")
    return as_text(separator).join(as_text(value) for value in values)


@helper("split", 2, 3)
def split(value: Value, separator: Value, count: Value = b"") -> Value:
    """By a separator, or into pieces of so many characters when the second argument is a number."""
    text = as_text(value)
    if count == b"":
        try:
            return _chunks(text, int(as_text(separator)))
        except ValueError:
            return list(_pieces(text, as_text(separator), -1))
    return list(_pieces(text, as_text(separator), as_whole(count)))


def _pieces(text: bytes, separator: bytes, count: int) -> list[bytes]:
    if count == 0:
        return []
    if not separator:
        characters = as_string(text)
        cut = len(characters) if count < 0 else min(count, len(characters)) - 1
        pieces = [as_bytes(character) for character in characters[:cut]]
        return [*pieces, as_bytes(characters[cut:])] if cut < len(characters) else pieces
    return text.split(separator, -1 if count < 0 else count - 1)


def _chunks(text: bytes, size: int) -> Value:
    characters = as_string(text)
    if size <= 0 or size >= len(text):
        return [text]
    return [as_bytes(characters[start : start + size]) for start in range(0, len(characters), size)]


@helper("repeat", 2)
def repeat(value: Value, count: Value) -> Value:
    """So many times."""
    times, text = as_whole(count), as_text(value)
    if times < 0 or times * len(text) > _LONGEST:
        raise EvaluationError("repeat: count out of range")
    return text * times


@helper("replace", 3)
def replace(value: Value, old: Value, new: Value) -> Value:
    """Every occurrence."""
    return _bounded_replace(as_text(value), as_text(old), as_text(new))


def _bounded_replace(text: bytes, old: bytes, new: bytes) -> bytes:
    if len(new) > len(old) and len(text) + (len(text) + 1) * len(new) > _LONGEST and text.count(old) > 1000:
        raise EvaluationError("replace: the result would be too long")
    return text.replace(old, new)


@helper("replace_regex", 3)
def replace_regex(value: Value, pattern: Value, new: Value) -> Value:
    """Every match; `$1` and `${1}` stand for groups."""
    return Regex(as_string(as_text(pattern))).replaced(as_text(value), as_text(new))


@helper("remove_bad_chars", 2)
def remove_bad_chars(value: Value, bad: Value) -> Value:
    """Without any of these characters."""
    unwanted = set(as_string(as_text(bad)))
    return as_bytes("".join(one for one in as_string(as_text(value)) if one not in unwanted))


@helper("reverse", 1)
def reverse(value: Value) -> Value:
    """Last character first."""
    return as_bytes(as_string(as_text(value))[::-1])


@helper("trim", 2)
def trim(value: Value, characters: Value) -> Value:
    """Without these characters at both ends."""
    return as_bytes(as_string(as_text(value)).strip(as_string(as_text(characters))))


@helper("trim_left", 2)
def trim_left(value: Value, characters: Value) -> Value:
    """Without these characters at the start."""
    return as_bytes(as_string(as_text(value)).lstrip(as_string(as_text(characters))))


@helper("trim_right", 2)
def trim_right(value: Value, characters: Value) -> Value:
    """Without these characters at the end."""
    return as_bytes(as_string(as_text(value)).rstrip(as_string(as_text(characters))))


@helper("trim_space", 1)
def trim_space(value: Value) -> Value:
    """Without white space at both ends."""
    return as_bytes(as_string(as_text(value)).strip())


@helper("trim_prefix", 2)
def trim_prefix(value: Value, prefix: Value) -> Value:
    """Without this start."""
    return as_text(value).removeprefix(as_text(prefix))


@helper("trim_suffix", 2)
def trim_suffix(value: Value, suffix: Value) -> Value:
    """Without this end."""
    return as_text(value).removesuffix(as_text(suffix))


@helper("substr", 2, 3)
def substr(value: Value, start: Value, end: Value = None) -> Value:
    """Bytes from `start` up to `end`."""
    text, first = as_text(value), as_whole(start)
    last = len(text) if end is None else as_whole(end)
    if not text or not 0 <= first <= last <= len(text):
        raise EvaluationError("substr: positions out of range")
    return text[first:last]


@helper("sort", 1, None)
def sort(*values: Value) -> Value:
    """The characters of one text, or several texts."""
    if len(values) == 1:
        return as_bytes("".join(sorted(as_string(as_text(values[0])))))
    return list[Value](sorted(as_text(value) for value in values))


@helper("uniq", 1, None)
def uniq(*values: Value) -> Value:
    """Each character, or each text, once."""
    if len(values) == 1:
        return as_bytes("".join(dict.fromkeys(as_string(as_text(values[0])))))
    return list[Value](dict.fromkeys(as_text(value) for value in values))


@helper("count", 2)
def count(value: Value, part: Value) -> Value:
    """How often a text occurs in another."""
    return float(as_text(value).count(as_text(part)))


@helper("contains", 2)
def contains(value: Value, part: Value) -> Value:
    """Whether a text occurs in another."""
    return as_text(part) in as_text(value)


@helper("contains_all", 1, None)
def contains_all(value: Value, *parts: Value) -> Value:
    """Whether all occur."""
    text = as_text(value)
    return all(as_text(part) in text for part in parts)


@helper("contains_any", 1, None)
def contains_any(value: Value, *parts: Value) -> Value:
    """Whether one of them occurs."""
    text = as_text(value)
    return any(as_text(part) in text for part in parts)


@helper("starts_with", 2, None)
def starts_with(value: Value, *prefixes: Value) -> Value:
    """Whether it begins with one of them."""
    return as_text(value).startswith(tuple(as_text(prefix) for prefix in prefixes))


@helper("ends_with", 2, None)
def ends_with(value: Value, *suffixes: Value) -> Value:
    """Whether it ends with one of them."""
    return as_text(value).endswith(tuple(as_text(suffix) for suffix in suffixes))


@helper("line_starts_with", 2, None)
def line_starts_with(value: Value, *prefixes: Value) -> Value:
    """Whether one of its lines begins with one of them."""
    wanted = tuple(as_text(prefix) for prefix in prefixes)
    return any(line.startswith(wanted) for line in as_text(value).split(b"\n"))


@helper("line_ends_with", 2, None)
def line_ends_with(value: Value, *suffixes: Value) -> Value:
    """Whether one of its lines ends with one of them."""
    wanted = tuple(as_text(suffix) for suffix in suffixes)
    return any(line.endswith(wanted) for line in as_text(value).split(b"\n"))


@helper("equals_any", 2)
def equals_any(value: Value, listed: Value) -> Value:
    """Whether it is one of a list."""
    return isinstance(listed, list) and any(same(value, item) for item in listed)


@helper("regex", 2)
def regex(pattern: Value, value: Value) -> Value:
    """Whether a regular expression matches somewhere."""
    return Regex(as_string(as_text(pattern))).found_in(as_text(value))


@helper("regex_any", 2)
def regex_any(value: Value, patterns: Value) -> Value:
    """Whether one of a list of regular expressions matches."""
    listed = patterns if isinstance(patterns, list) else []
    return any(Regex(as_string(as_text(pattern))).found_in(as_text(value)) for pattern in listed)


@helper("regex_all", 2)
def regex_all(value: Value, patterns: Value) -> Value:
    """Whether all of a list of regular expressions match."""
    listed = patterns if isinstance(patterns, list) else []
    return all(Regex(as_string(as_text(pattern))).found_in(as_text(value)) for pattern in listed)


@helper("padding", 4)
def padding(value: Value, filler: Value, size: Value, side: Value) -> Value:
    """Filled up to `size` bytes at the side named `prefix` or `suffix`; never cut."""
    text, fill = as_text(value), as_text(filler)
    try:
        wanted = int(float(as_text(size)))
    except (ValueError, OverflowError):
        raise EvaluationError("padding: not a length") from None
    if not fill or side not in (b"prefix", b"suffix") or not 0 < wanted <= _LONGEST:
        raise EvaluationError("padding wants a filler, a length, and prefix or suffix")
    missing = max(0, wanted - len(text))
    filled = (fill * (missing // len(fill) + 1))[:missing]
    return filled + text if side == b"prefix" else text + filled
