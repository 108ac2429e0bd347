"""Reads the body of an answer as its head frames it, decoded and bounded whatever the server sends."""

import httptools

from scanners.web.decoding import BrokenEncoding, Decoder, decoder_for
from scanners.web.head import Framing, Head, parser_for
from scanners.web.limits import Limits
from scanners.web.message import Failure, Reason
from secops.model.text import Text

_PIECE_BYTES = 2048
_RATIO_COUNTS_FROM_BYTES = 256 * 1024


class Body:
    """The body of one answer while it comes in. Feed it until `ended`."""

    __slots__ = (
        "_decoder",
        "_encoded_bytes",
        "_framing",
        "_left",
        "_limits",
        "_parser",
        "_wire_bytes",
        "chunks",
        "content",
        "cut",
        "ended",
        "failure",
        "leftover",
    )

    def __init__(self, head: Head, limits: Limits) -> None:
        self.content = bytearray()
        self.ended = head.framing is Framing.NONE or (head.framing is Framing.COUNTED and not head.length)
        self.cut = False
        """Longer than the limit: `content` is its start."""
        self.leftover = False
        """The server sent more than one answer."""
        self.failure: Failure | None = None
        self.chunks = 0
        self._framing = head.framing
        self._left = head.length
        self._limits = limits
        self._wire_bytes = 0
        self._encoded_bytes = 0
        self._decoder: Decoder | None = None if self.ended else self._decoder_of(head.encoding)
        self._parser: httptools.HttpResponseParser | None = None
        if head.framing is Framing.CHUNKED:
            self._parser = parser_for(self)
            self._parser.feed_data(head.raw)

    def feed(self, data: bytes) -> None:
        """Take what came in."""
        if self.ended:
            self.leftover = self.leftover or bool(data)
            return
        self._wire_bytes += len(data)
        if self._framing is Framing.COUNTED:
            self.leftover = len(data) > self._left
            self._take(data[: self._left])
            self._left -= len(data)
            if self._left <= 0:
                self._end()
        elif self._parser is not None:
            self._feed_chunks(data)
        else:
            self._take(data)
        if self._wire_bytes > self._limits.wire_bytes and not self.ended:
            self.fail(Reason.TOO_LARGE, Text("应答体填充过多", "the body is endless padding"))

    def close(self) -> None:
        """The server closed the connection."""
        if self.ended:
            return
        if self._framing is Framing.UNTIL_CLOSE:
            self._end()
        else:
            self.fail(Reason.CUT_SHORT, Text("连接在应答中途断开", "the connection closed in the middle of the answer"))

    def fail(self, reason: Reason, detail: Text) -> None:
        """End it with a failure; the first one counts."""
        self.failure = self.failure or Failure(reason, detail)
        self.ended = True

    def release(self) -> None:
        """Let go of the parser, which holds this object."""
        self._parser = None

    def on_body(self, data: bytes) -> None:
        """Called by the parser of chunks."""
        self._take(data)

    def on_chunk_header(self) -> None:
        """Called by the parser of chunks."""
        self.chunks += 1

    def on_message_begin(self) -> None:
        """Called by the parser of chunks: a second answer, unless it is the head fed at the start."""
        self.leftover = self.ended

    def on_message_complete(self) -> None:
        """Called by the parser of chunks."""
        self._end()

    def _feed_chunks(self, data: bytes) -> None:
        assert self._parser is not None
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            if self.ended:
                self.leftover = True
                return
            why = str(error)[:120]
            self.fail(Reason.GARBAGE, Text(f"分块编码有误:{why}", f"the chunks are broken: {why}"))
        if self.chunks > self._limits.chunks and not self.ended:
            self.fail(Reason.TOO_LARGE, Text("应答被切成过多小块", "the answer comes in too many chunks"))

    def _take(self, data: bytes) -> None:
        if self.ended:
            return
        if self._decoder is None:
            self._keep(data)
            return
        # In small pieces, so that a bomb shows in how little it took to swell.
        for start in range(0, len(data), _PIECE_BYTES):
            if not self._decode(self._decoder, data[start : start + _PIECE_BYTES], data[start:]):
                return

    def _decode(self, decoder: Decoder, piece: bytes, rest: bytes) -> bool:
        """Decode a piece; whether the next one is wanted. `rest` is what is kept when nothing can be decoded."""
        try:
            # One byte more than fits tells a body that is too long from one that just fits.
            out = decoder.feed(piece, self._limits.body_bytes - len(self.content) + 1)
        except BrokenEncoding as error:
            self._broken(error, rest)
            return False
        self._encoded_bytes += len(piece)
        self._keep(out)
        if self._swells():
            self.fail(Reason.TOO_LARGE, Text("应答是压缩炸弹", "the answer is a compression bomb"))
        return not self.ended

    def _keep(self, data: bytes) -> None:
        room = self._limits.body_bytes - len(self.content)
        self.content += data if len(data) <= room else data[:room]
        if len(data) > room:
            self.cut = self.ended = True

    def _swells(self) -> bool:
        made = len(self.content)
        return made >= _RATIO_COUNTS_FROM_BYTES and made > self._limits.compression_ratio * self._encoded_bytes

    def _end(self) -> None:
        if not self.ended and self._decoder and self._decoder.unfinished:
            self.fail(Reason.ENCODING, Text("压缩的应答在中途结束", "the compressed answer ends in the middle"))
        self.ended = True

    def _decoder_of(self, encoding: str) -> Decoder | None:
        try:
            return decoder_for(encoding)
        except BrokenEncoding as error:
            self.failure = _not_as_said(error)
            return None

    def _broken(self, error: BrokenEncoding, data: bytes) -> None:
        """A body that was never encoded is kept as it is; one that breaks later ends there."""
        self._decoder = None
        self.failure = _not_as_said(error)
        if self.content:
            self.ended = True
        else:
            self._keep(data)


def _not_as_said(error: BrokenEncoding) -> Failure:
    return Failure(Reason.ENCODING, Text(f"应答编码有误:{error}", f"the encoding of the body is wrong: {error}"))
