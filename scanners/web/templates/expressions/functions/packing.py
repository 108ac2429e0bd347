"""Helpers that pack, compress, encrypt and sign."""

import base64
import gzip as gzip_codec
import hashlib
import hmac
import io
import json
import zipfile
import zlib as zlib_codec
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from scanners.web.templates.expressions.functions.encoding import compact_json
from scanners.web.templates.expressions.functions.registry import helper
from scanners.web.templates.expressions.scope import Context
from scanners.web.templates.expressions.values import EvaluationError, Value, as_number, as_text

_LONGEST = 10 * 1024 * 1024
_GZIP, _ZLIB, _BARE = 31, 15, -15
_NONCE = 12


@helper("zip", 2, None)
def zip_archive(*values: Value) -> Value:
    """An archive of pairs of entry name and content."""
    if len(values) % 2:
        raise EvaluationError("zip wants pairs of name and content")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in zip(values[::2], values[1::2], strict=True):
            entry = zipfile.ZipInfo(as_text(name).decode("utf-8", "replace"), (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, as_text(content))
    return packed.getvalue()


@helper("gzip", 1)
def gzip(value: Value) -> Value:
    """Compressed."""
    return gzip_codec.compress(as_text(value), mtime=0)


@helper("zlib", 1)
def zlib(value: Value) -> Value:
    """Compressed."""
    return zlib_codec.compress(as_text(value))


@helper("deflate", 1)
def deflate(value: Value) -> Value:
    """Compressed, without header."""
    codec = zlib_codec.compressobj(wbits=_BARE)
    return codec.compress(as_text(value)) + codec.flush()


def _unpacked(value: Value, form: int) -> bytes:
    codec = zlib_codec.decompressobj(wbits=form)
    try:
        return codec.decompress(as_text(value), _LONGEST)
    except zlib_codec.error as error:
        raise EvaluationError(str(error)) from None


@helper("gzip_decode", 1)
def gzip_decode(value: Value) -> Value:
    """At most 10 MiB."""
    return _unpacked(value, _GZIP)


@helper("zlib_decode", 1)
def zlib_decode(value: Value) -> Value:
    """At most 10 MiB."""
    return _unpacked(value, _ZLIB)


@helper("inflate", 1)
def inflate(value: Value) -> Value:
    """At most 10 MiB."""
    return _unpacked(value, _BARE)


@helper("aes_cbc", 3)
def aes_cbc(value: Value, key: Value, vector: Value) -> Value:
    """Padded by the bytes that tell its length."""
    text = as_text(value)
    missing = 16 - len(text) % 16
    try:
        codec = Cipher(algorithms.AES(as_text(key)), modes.CBC(as_text(vector))).encryptor()
    except ValueError as error:
        raise EvaluationError(str(error)) from None
    return codec.update(text + bytes([missing]) * missing) + codec.finalize()


@helper("aes_gcm", 2, wants_context=True)
def aes_gcm(context: Context, key: Value, value: Value) -> Value:
    """The nonce stands in front."""
    nonce = context.random.randbytes(_NONCE)
    try:
        return nonce + AESGCM(as_text(key)).encrypt(nonce, as_text(value), None)
    except ValueError as error:
        raise EvaluationError(str(error)) from None


@helper("generate_jwt", 2, 4, wants_context=True)
def generate_jwt(context: Context, claims: Value, algorithm: Value, key: Value = b"", ends: Value = None) -> Value:
    """A signed token; algorithms are HS256, HS384, HS512 and none in any spelling."""
    name = as_text(algorithm).decode("utf-8", "replace")
    header = {"alg": _algorithm(name), "typ": "JWT"}
    try:
        parsed = json.loads(as_text(claims))
    except (ValueError, RecursionError) as error:
        raise EvaluationError(f"not JSON: {error}") from None
    if not isinstance(parsed, dict):
        raise EvaluationError("the claims are an object")
    if ends is not None:
        parsed |= _validity(context.now, ends)
    signed = _url_base64(compact_json(header)) + b"." + _url_base64(compact_json(parsed))
    return signed + b"." + _url_base64(_signature(name, as_text(key), signed))


def _algorithm(name: str) -> str:
    """Any spelling of none is kept: servers differ in which one they believe."""
    if name.strip().lower() in ("none", ""):
        return name or "none"
    if name.upper() not in ("HS256", "HS384", "HS512"):
        raise EvaluationError(f"generate_jwt: {name[:20]} is not supported")
    return name.upper()


def _signature(name: str, key: bytes, signed: bytes) -> bytes:
    digest = name.upper().replace("HS", "sha")
    return hmac.new(key, signed, getattr(hashlib, digest)).digest() if digest.startswith("sha") else b""


def _validity(now: datetime, ends: Value) -> dict[str, int]:
    seconds = as_number(ends)
    try:
        last = float(as_text(ends)) if seconds is None else seconds
        age = timedelta(seconds=last) - timedelta(seconds=now.timestamp())
    except (ValueError, OverflowError):
        raise EvaluationError("generate_jwt wants a unix time") from None
    return {"exp": int(last), "iat": int(now.timestamp())} if age > timedelta(seconds=1) else {}


def _url_base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
