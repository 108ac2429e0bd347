"""Tells the router how the lines between the places are."""

import json
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from secops.lab.places import CLIENT, PLACES
from secops.model.text import Text
from secops.support.errors import Incomplete

_PATIENCE_SECONDS = 5.0
_SAME_CITY_MS = 1.0
_FAR_MS = 15.0
"""One way: round trips of about 2 ms in the city and 31 ms to the remote centre."""


@dataclass(frozen=True, slots=True)
class Line:
    """One direction between two places, as the router has it."""

    source: str
    target: str
    cut: bool
    delay_ms: float
    jitter_ms: float
    loss_percent: float
    kbit: float
    passed: int
    dropped: int


def lines(router: Path) -> list[Line]:
    """Every direction. Raises Incomplete when the router does not answer."""
    return _tell(router, {"show": True})


def change(router: Path, source: str, target: str, **values: float | bool) -> None:
    """Set `cut`, `delay_ms`, `jitter_ms`, `loss_percent` or `kbit` of one direction."""
    _tell(router, {"from": source, "to": target, **values})


def heal(router: Path) -> None:
    """Every line as it was in the beginning."""
    for source in PLACES:
        for target in PLACES:
            if source != target:
                delay = usual_delay_ms(source, target)
                change(router, source, target, cut=False, delay_ms=delay, jitter_ms=0, loss_percent=0, kbit=0)


def usual_delay_ms(source: str, target: str) -> float:
    """One way; the clients live in the city of the first two centres."""
    return _FAR_MS if "c3" in (source, target) else _SAME_CITY_MS / 2 if CLIENT in (source, target) else _SAME_CITY_MS


def _tell(router: Path, message: dict[str, Any]) -> list[Line]:
    try:
        with socket.socket(socket.AF_UNIX) as channel:
            channel.settimeout(_PATIENCE_SECONDS)
            channel.connect(str(router))
            channel.sendall(json.dumps(message).encode() + b"\n")
            answer = channel.makefile().readline()
        return [_line(each) for each in json.loads(answer)]
    except (OSError, ValueError) as error:
        raise Incomplete(Text(f"广域网路由器没有应答:{error}", f"the WAN router does not answer: {error}")) from None


def _line(told: dict[str, Any]) -> Line:
    names = ("cut", "delay_ms", "jitter_ms", "loss_percent", "kbit", "passed", "dropped")
    return Line(told["from"], told["to"], **{name: told[name] for name in names})
