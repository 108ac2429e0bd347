"""What templates need of a listener that hears whether the scanned system calls back."""

from dataclasses import dataclass
from typing import Protocol


class OutOfBand(Protocol):
    """Names addresses of the listener. Pure: hearing is done by whoever performs a `Listen`."""

    def address(self, token: str) -> str:
        """Where a call would be heard as `token`: a host, with port or path when need be, without scheme."""


@dataclass(frozen=True, slots=True)
class Interaction:
    """One call that was heard."""

    token: str
    protocol: str
    """`http`, `dns` …"""
    request: bytes
    response: bytes = b""
    peer: str = ""


@dataclass(frozen=True, slots=True)
class Listen:
    """Wait for calls with these tokens; answered with a tuple of Interaction, empty when none came in time."""

    tokens: tuple[str, ...]
