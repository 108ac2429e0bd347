"""Helpers that draw at random, by the seed of the run."""

import ipaddress

from scanners.web.templates.expressions.functions.registry import helper
from scanners.web.templates.expressions.scope import Context
from scanners.web.templates.expressions.values import EvaluationError, Value, as_number, as_text

_DIGITS = b"1234567890"
_LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LONGEST = 1024 * 1024


def _drawn(context: Context, alphabet: bytes, length: Value) -> bytes:
    number = as_number(length)
    if number is None or not 0 <= number <= _LONGEST or not alphabet:
        raise EvaluationError("a length, and characters to choose from, are wanted")
    return bytes(context.random.choices(alphabet, k=int(number)))


def _chosen(given: Value, usual: bytes) -> bytes:
    alphabet = as_text(given)
    return alphabet if alphabet.strip() else usual


@helper("rand_char", 0, 1, wants_context=True)
def rand_char(context: Context, alphabet: Value = b"") -> Value:
    """One letter or digit."""
    return _drawn(context, _chosen(alphabet, _LETTERS + _DIGITS), 1.0)


@helper("rand_base", 1, 3, wants_context=True)
def rand_base(context: Context, length: Value, alphabet: Value = b"", _unused: Value = b"") -> Value:
    """Letters and digits, or the characters given."""
    return _drawn(context, _chosen(alphabet, _LETTERS + _DIGITS), length)


@helper("rand_text_alphanumeric", 1, 2, wants_context=True)
def rand_text_alphanumeric(context: Context, length: Value, without: Value = b"") -> Value:
    """Letters and digits."""
    return _drawn(context, (_LETTERS + _DIGITS).translate(None, as_text(without)), length)


@helper("rand_text_alpha", 1, 2, wants_context=True)
def rand_text_alpha(context: Context, length: Value, without: Value = b"") -> Value:
    """Letters."""
    return _drawn(context, _LETTERS.translate(None, as_text(without)), length)


@helper("rand_text_numeric", 1, 2, wants_context=True)
def rand_text_numeric(context: Context, length: Value, without: Value = b"") -> Value:
    """Digits."""
    return _drawn(context, _DIGITS.translate(None, as_text(without)), length)


@helper("rand_int", 0, 2, wants_context=True)
def rand_int(context: Context, lowest: Value = 0.0, end: Value = 2147483647.0) -> Value:
    """A whole number from `lowest` up to, but not including, `end`."""
    first, last = as_number(lowest), as_number(end)
    if first is None or last is None or int(last) <= int(first):
        raise EvaluationError("rand_int wants a range")
    return float(context.random.randrange(int(first), int(last)))


@helper("rand_ip", 1, None, wants_context=True)
def rand_ip(context: Context, *networks: Value) -> Value:
    """An address of one of the networks."""
    chosen = as_text(context.random.choice(networks)).decode("utf-8", "replace")
    try:
        network = ipaddress.ip_network(chosen, strict=False)
    except ValueError as error:
        raise EvaluationError(str(error)) from None
    return str(network[context.random.randrange(network.num_addresses)]).encode()
