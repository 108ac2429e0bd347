"""Helpers that hash."""

import hashlib
import hmac as hmac_codec
import struct

from scanners.web.templates.expressions.functions.registry import helper
from scanners.web.templates.expressions.values import EvaluationError, Value, as_text

_LONGEST_HASHED = 4 * 1024 * 1024


@helper("md5", 1, costly=True)
def md5(value: Value) -> Value:
    """Hexadecimal."""
    return hashlib.md5(as_text(value), usedforsecurity=False).hexdigest().encode()


@helper("sha1", 1, costly=True)
def sha1(value: Value) -> Value:
    """Hexadecimal."""
    return hashlib.sha1(as_text(value), usedforsecurity=False).hexdigest().encode()


@helper("sha256", 1, costly=True)
def sha256(value: Value) -> Value:
    """Hexadecimal."""
    return hashlib.sha256(as_text(value)).hexdigest().encode()


@helper("sha512", 1, costly=True)
def sha512(value: Value) -> Value:
    """Hexadecimal."""
    return hashlib.sha512(as_text(value)).hexdigest().encode()


@helper("hmac", 3)
def hmac(algorithm: Value, value: Value, key: Value) -> Value:
    """Hexadecimal; the algorithm is sha1, sha256 or sha512."""
    name = as_text(algorithm).decode("utf-8", "replace").replace("-", "")
    if name not in ("sha1", "sha256", "sha512"):
        raise EvaluationError(f"hmac: unknown algorithm {name[:20]}")
    return hmac_codec.new(as_text(key), as_text(value), name).hexdigest().encode()


@helper("mmh3", 1, costly=True)
def mmh3(value: Value) -> Value:
    """MurmurHash3, 32 bits, seed 0, as signed decimal text."""
    text = as_text(value)
    if len(text) > _LONGEST_HASHED:
        raise EvaluationError("mmh3: no icon is that large")
    unsigned = murmur3(text)
    return str(unsigned - (1 << 32) if unsigned >> 31 else unsigned).encode()


def murmur3(data: bytes) -> int:
    """MurmurHash3 x86, 32 bits, seed 0. One step is written out twice: this loop runs over whole pages."""
    state, whole = 0, len(data) & ~3
    for (block,) in struct.iter_unpack("<I", data[:whole]):
        block = block * 0xCC9E2D51 & 0xFFFFFFFF
        state ^= (block << 15 | block >> 17) * 0x1B873593 & 0xFFFFFFFF
        state = (state << 13 & 0xFFFFFFFF | state >> 19) * 5 + 0xE6546B64 & 0xFFFFFFFF
    if whole < len(data):
        block = int.from_bytes(data[whole:], "little") * 0xCC9E2D51 & 0xFFFFFFFF
        state ^= (block << 15 & 0xFFFFFFFF | block >> 17) * 0x1B873593 & 0xFFFFFFFF
    state ^= len(data)
    state = (state ^ state >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    state = (state ^ state >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    return state ^ state >> 16
