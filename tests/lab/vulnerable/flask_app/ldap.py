"""A small directory with search filters (RFC 4515), for want of a server."""

import re

_PEOPLE = (
    {"uid": "li", "mail": "li@lab.example", "objectclass": "person", "cn": "Li"},
    {"uid": "wang", "mail": "wang@lab.example", "objectclass": "person", "cn": "Wang"},
    {"uid": "printer", "mail": "printer@lab.example", "objectclass": "device", "cn": "Printer"},
)


class BadFilter(ValueError):
    """The filter cannot be read."""


def escaped(value: str) -> str:
    """A value as it must stand in a filter."""
    return re.sub(r"[\\*()\0]", lambda found: f"\\{ord(found[0]):02x}", value)


def search(text: str) -> list[str]:
    """The mail addresses of the entries that fit; what stands behind the first filter is ignored, as servers do."""
    matches, _ = _filter(text, 0)
    return [entry["mail"] for entry in _PEOPLE if matches(entry)]


def _filter(text: str, at: int):
    if text[at : at + 1] != "(":
        raise BadFilter(f"Missing '(' at {at} in {text}")
    sign = text[at + 1 : at + 2]
    if sign and sign in "&|!":
        parts, at = [], at + 2
        while text[at : at + 1] == "(":
            part, at = _filter(text, at)
            parts.append(part)
        return _combined(sign, parts), _closed(text, at)
    found = re.compile(r"([A-Za-z]+)=((?:[^()\\]|\\[0-9a-fA-F]{2})*)").match(text, at + 1)
    if not found:
        raise BadFilter(f"Bad search filter at {at} in {text}")
    name, value = found[1].lower(), found[2]
    # A star stands for anything; an escaped one for itself.
    pieces = [
        re.escape(re.sub(r"\\([0-9a-fA-F]{2})", lambda hit: chr(int(hit[1], 16)), piece)) for piece in value.split("*")
    ]
    pattern = re.compile(".*".join(pieces))
    return (lambda entry: name in entry and bool(pattern.fullmatch(entry[name]))), _closed(text, found.end())


def _closed(text: str, at: int) -> int:
    if text[at : at + 1] != ")":
        raise BadFilter(f"Missing ')' at {at} in {text}")
    return at + 1


def _combined(sign: str, parts: list):
    if sign == "&":
        return lambda entry: all(part(entry) for part in parts)
    if sign == "|":
        return lambda entry: any(part(entry) for part in parts)
    return lambda entry: not parts[0](entry)
