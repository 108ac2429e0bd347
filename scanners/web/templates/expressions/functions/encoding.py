"""Helpers that encode and decode, and turn numbers into text and back."""

import base64 as base64_codec
import binascii
import html
import ipaddress
import json
import re
import struct
from urllib.parse import quote_plus, unquote_to_bytes

from scanners.web.templates.expressions.functions.registry import helper
from scanners.web.templates.expressions.values import (
    EvaluationError,
    Value,
    as_bytes,
    as_number,
    as_string,
    as_text,
    as_whole,
)

_BAD_PERCENT = re.compile(rb"%(?![0-9a-fA-F]{2})")
_LINE = 76


@helper("base64", 1, costly=True)
def base64(value: Value) -> Value:
    """Standard alphabet, one line."""
    return base64_codec.b64encode(as_text(value))


@helper("base64_py", 1, costly=True)
def base64_py(value: Value) -> Value:
    """In lines of 76 characters, each with its line feed, as favicon hashes are taken."""
    encoded = base64_codec.b64encode(as_text(value))
    return b"".join(encoded[at : at + _LINE] + b"\n" for at in range(0, len(encoded), _LINE)) or b"\n"


@helper("base64_decode", 1)
def base64_decode(value: Value) -> Value:
    """Standard alphabet; line breaks are passed over."""
    try:
        return base64_codec.b64decode(as_text(value).translate(None, b"\r\n"), validate=True)
    except binascii.Error as error:
        raise EvaluationError(str(error)) from None


@helper("url_encode", 1)
def url_encode(value: Value) -> Value:
    """As in a query: a space becomes `+`."""
    return quote_plus(as_text(value), safe="").encode()


@helper("url_decode", 1)
def url_decode(value: Value) -> Value:
    """As in a query."""
    text = as_text(value)
    if _BAD_PERCENT.search(text):
        raise EvaluationError("url_decode: bad percent sign")
    return unquote_to_bytes(text.replace(b"+", b" "))


@helper("hex_encode", 1)
def hex_encode(value: Value) -> Value:
    """Lower case."""
    return as_text(value).hex().encode()


@helper("hex_decode", 1)
def hex_decode(value: Value) -> Value:
    """Two digits a byte, nothing between them."""
    try:
        return binascii.unhexlify(as_text(value))
    except binascii.Error as error:
        raise EvaluationError(str(error)) from None


@helper("html_escape", 1)
def html_escape(value: Value) -> Value:
    """The five characters that end text or an attribute."""
    escaped = html.escape(as_string(as_text(value)), quote=True)
    return as_bytes(escaped.replace("&quot;", "&#34;").replace("&#x27;", "&#39;"))


@helper("html_unescape", 1)
def html_unescape(value: Value) -> Value:
    """Every entity."""
    return as_bytes(html.unescape(as_string(as_text(value))))


@helper("to_number", 1)
def to_number(value: Value) -> Value:
    """A decimal number."""
    text = as_text(value)
    if not re.fullmatch(rb"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?", text):
        raise EvaluationError(f"not a number: {text[:40]!r}")
    return float(text)


@helper("dec_to_hex", 1)
def dec_to_hex(value: Value) -> Value:
    """Lower case, no prefix."""
    number = as_number(value)
    if number is None or number != number or abs(number) == float("inf"):
        raise EvaluationError("dec_to_hex wants a number")
    return format(int(number), "x").encode()


def _to_decimal(value: Value, prefix: bytes, base: int) -> Value:
    text = as_text(value)
    try:
        return float(int(text.removeprefix(prefix), base))
    except ValueError:
        raise EvaluationError(f"not a number: {text[:40]!r}") from None


@helper("hex_to_dec", 1)
def hex_to_dec(value: Value) -> Value:
    """With or without `0x`."""
    return _to_decimal(value, b"0x", 16)


@helper("oct_to_dec", 1)
def oct_to_dec(value: Value) -> Value:
    """With or without `0o`."""
    return _to_decimal(value, b"0o", 8)


@helper("bin_to_dec", 1)
def bin_to_dec(value: Value) -> Value:
    """With or without `0b`."""
    return _to_decimal(value, b"0b", 2)


@helper("json_minify", 1)
def json_minify(value: Value) -> Value:
    """An object without white space, keys in order."""
    try:
        parsed = json.loads(as_text(value))
    except (ValueError, RecursionError) as error:
        raise EvaluationError(f"not JSON: {error}") from None
    if not isinstance(parsed, dict):
        raise EvaluationError("json_minify wants an object")
    return compact_json(parsed)


def compact_json(parsed: object) -> bytes:
    """Keys in order, no white space, and nothing that a page could take for markup."""
    text = json.dumps(parsed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return as_bytes(text)


@helper("json_prettify", 1)
def json_prettify(value: Value) -> Value:
    """Indented by four spaces, keys as they came."""
    try:
        return as_bytes(json.dumps(json.loads(as_text(value)), indent=4, ensure_ascii=False))
    except (ValueError, RecursionError) as error:
        raise EvaluationError(f"not JSON: {error}") from None


@helper("unpack", 2)
def unpack(layout: Value, value: Value) -> Value:
    """One packed number by its layout, as `>I`."""
    try:
        unpacked = struct.unpack(as_string(as_text(layout)), as_text(value))[0]
    except (struct.error, IndexError) as error:
        raise EvaluationError(f"unpack: {error}") from None
    return unpacked if isinstance(unpacked, bytes | bool) else float(unpacked)


@helper("xor", 2, None)
def xor(*values: Value) -> Value:
    """Of texts of one length."""
    texts = [as_text(value) for value in values]
    if len({len(text) for text in texts}) != 1:
        raise EvaluationError("xor wants texts of one length")
    result = 0
    for text in texts:
        result ^= int.from_bytes(text, "big")
    return result.to_bytes(len(texts[0]), "big")


@helper("ip_format", 2)
def ip_format(value: Value, form: Value) -> Value:
    """Another spelling of an IPv4 address: 1 as it is, 2 and 3 octal, 4 hexadecimal, 5 one number, 11 short."""
    try:
        address = ipaddress.IPv4Address(as_string(as_text(value)))
    except ValueError as error:
        raise EvaluationError(str(error)) from None
    octets = address.packed
    written = {
        1: str(address),
        2: ".".join(f"0{octet:o}" if octet else "0" for octet in octets),
        4: ".".join(f"0x{octet:x}" for octet in octets),
        5: str(int(address)),
        6: f"0x{int(address):x}",
        11: f"{octets[0]}.{octets[1]}.{octets[2] * 256 + octets[3]}",
    }.get(as_whole(form))
    if written is None:
        raise EvaluationError("ip_format: this form is not supported")
    return written.encode()
