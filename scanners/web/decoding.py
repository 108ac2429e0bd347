"""Undoes the Content-Encoding of a body piece by piece, never making more than it was asked for."""

import zlib
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

_GZIP_MEMBER = b"\x1f\x8b"
_brotli: Any = import_module("brotli") if find_spec("brotli") else None


class BrokenEncoding(ValueError):
    """The bytes are not what the Content-Encoding says, or it is one that we cannot undo."""


class Decoder(Protocol):
    """One encoding of one body."""

    @property
    def unfinished(self) -> bool:
        """The bytes so far end in the middle of the encoded stream."""
        ...

    def feed(self, data: bytes, room: int) -> bytes:
        """At most `room` decoded bytes; what would come after is dropped. Raises BrokenEncoding."""
        ...


def accepted_encodings() -> str:
    """What a request may say in Accept-Encoding."""
    return "gzip, deflate, br" if _bounds_brotli() else "gzip, deflate"


def decoder_for(encoding: str) -> Decoder | None:
    """The decoder of a Content-Encoding in lower case; None for a body that is sent as it is. Raises BrokenEncoding."""
    name = encoding.strip()
    if name in ("", "identity"):
        return None
    if name in ("gzip", "x-gzip", "deflate"):
        return _Inflate(bare_allowed=name == "deflate")
    if name == "br" and _bounds_brotli():
        return _Brotli()
    raise BrokenEncoding(f"encoding {name[:60]!r} cannot be undone")


def _bounds_brotli() -> bool:
    """Whether a brotli is installed that can be told to stop: older ones swell a kilobyte to gigabytes."""
    return _brotli is not None and hasattr(_brotli.Decompressor, "can_accept_more_data")


class _Inflate:
    """gzip of any number of members, and deflate with or without its zlib header."""

    def __init__(self, bare_allowed: bool) -> None:
        self._bare_allowed = bare_allowed
        self._engine = zlib.decompressobj(wbits=47)
        self._begun = False

    @property
    def unfinished(self) -> bool:
        return self._begun and not self._engine.eof

    def feed(self, data: bytes, room: int) -> bytes:
        try:
            out = self._inflate(data, room)
            while self._engine.eof and len(out) < room and self._engine.unused_data.startswith(_GZIP_MEMBER):
                rest = self._engine.unused_data
                self._engine = zlib.decompressobj(wbits=31)
                out += self._engine.decompress(rest, room - len(out))
        except zlib.error as error:
            raise BrokenEncoding(str(error)) from error
        return out

    def _inflate(self, data: bytes, room: int) -> bytes:
        if self._engine.eof or room <= 0:
            return b""
        try:
            out = self._engine.decompress(data, room)
        except zlib.error:
            if self._begun or not self._bare_allowed:
                raise
            self._engine = zlib.decompressobj(wbits=-15)
            out = self._engine.decompress(data, room)
        self._begun = True
        return out


class _Brotli:
    def __init__(self) -> None:
        self._engine: Any = _brotli.Decompressor()
        self._begun = False

    @property
    def unfinished(self) -> bool:
        return self._begun and not self._engine.is_finished()

    def feed(self, data: bytes, room: int) -> bytes:
        if room <= 0 or self._engine.is_finished():
            return b""
        self._begun = True
        try:
            out: bytes = self._engine.process(data, output_buffer_limit=room)
        except _brotli.error as error:
            raise BrokenEncoding(str(error) or "broken brotli") from error
        return out[:room]
