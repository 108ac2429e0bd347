"""The values of the expression language and how they turn into text.

Text is bytes throughout, as it is in templates' home: pages need not be valid in any encoding, lengths count bytes, and
hashes are taken of what was received.
"""

from decimal import Decimal
from typing import TypeAlias

Value: TypeAlias = "bytes | float | bool | list[Value] | None"


class EvaluationError(Exception):
    """An expression has no value here: a variable is missing, or an operator met a type that it cannot use."""


def as_text(value: Value) -> bytes:
    """What a helper sees when it wants text; numbers without exponent, nothing for None."""
    if isinstance(value, bytes):
        return value
    if value is None:
        return b""
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, list):
        return b"[" + b" ".join(as_text(item) for item in value) + b"]"
    return plain_number(value).encode()


def as_printed(value: Value) -> bytes:
    """What `+` makes of a value beside text; very large and very small numbers get an exponent."""
    if value is None:
        return b"<nil>"
    if isinstance(value, float) and value != 0 and not 1e-4 <= abs(value) < 1e21:
        mantissa, _, exponent = repr(value).partition("e")
        return f"{mantissa.removesuffix('.0')}e{int(exponent):+03d}".encode() if exponent else repr(value).encode()
    return as_text(value)


def plain_number(number: float) -> str:
    """The shortest decimal form that reads back the same, never with an exponent."""
    if number != number or number in (float("inf"), float("-inf")):
        return {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}[str(number)]
    if number == int(number):
        return str(int(number))
    return format(Decimal(repr(number)), "f")


def as_number(value: Value) -> float | None:
    """The number that a value is, not what its text says; None when it is something else."""
    return value if isinstance(value, float) else None


def as_whole(value: Value) -> int:
    """The whole number that the text of a value says."""
    try:
        return int(as_text(value))
    except ValueError:
        raise EvaluationError(f"not a whole number: {as_text(value)[:40]!r}") from None


def same(left: Value, right: Value) -> bool:
    """Equality without conversion: a number never equals the text that spells it."""
    return type(left) is type(right) and left == right


def as_string(text: bytes) -> str:
    """Text for functions that need characters; bytes that are no UTF-8 survive the way back."""
    return text.decode("utf-8", "surrogateescape")


def as_bytes(text: str) -> bytes:
    """The way back of `as_string`."""
    return text.encode("utf-8", "surrogateescape")


def lower(text: bytes) -> bytes:
    """Lower case by Unicode's rules."""
    return text.lower() if text.isascii() else as_bytes(as_string(text).lower())


def upper(text: bytes) -> bytes:
    """Upper case by Unicode's rules."""
    return text.upper() if text.isascii() else as_bytes(as_string(text).upper())
