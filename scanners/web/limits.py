"""How much and how long is accepted of a server."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of an answer is accepted."""

    head_bytes: int = 256 * 1024
    header_lines: int = 1000
    interim_answers: int = 8
    body_bytes: int = 4 * 1024 * 1024
    """Decoded; a longer body is cut here, which is no failure."""
    compression_ratio: int = 200
    """A body that swells more, once decoded to 256 KiB, is a bomb."""
    chunks: int = 100_000

    @property
    def wire_bytes(self) -> int:
        """Of a body before decoding: what is more can only be padding."""
        return 2 * self.body_bytes + 1024 * 1024


@dataclass(frozen=True, slots=True)
class Patience:
    """How long each phase of an exchange may take."""

    resolve_seconds: float = 5.0
    connect_seconds: float = 5.0
    """Also for the dialogue with a proxy."""
    tls_seconds: float = 5.0
    first_byte_seconds: float = 15.0
    head_seconds: float = 10.0
    """From the first byte to the end of the headers."""
    idle_seconds: float = 5.0
    """Without a single byte of a body."""
    total_seconds: float = 30.0
    """For everything from the first packet to the last byte, redirects included."""
    queue_seconds: float = 300.0
    """For a request that waits because its site suffers."""
