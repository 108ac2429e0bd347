"""What of a site may be asked for, and when: the parts of an authorisation that concern requests, not addresses."""

import posixpath
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from urllib.parse import unquote
from zoneinfo import ZoneInfo

_DECODINGS = 3
"""A server decodes a path once, sometimes twice; a path that changes still after that is not judged but refused."""


@dataclass(frozen=True, slots=True)
class Window:
    """Hours in which scanning is allowed, every week; one that ends before it begins lasts past midnight."""

    begins: time
    ends: time
    days: frozenset[int] = frozenset()
    """On which it begins, Monday is 0; empty: every day."""
    zone: str = "UTC"
    """Where its clock hangs, e.g. `Asia/Shanghai`."""

    def holds(self, moment: datetime) -> bool:
        """Whether the moment lies in it."""
        here = moment.astimezone(ZoneInfo(self.zone))
        clock = here.time()
        if self.begins < self.ends:
            return self.begins <= clock < self.ends and self._begins_on(here)
        if clock >= self.begins:
            return self._begins_on(here)
        return clock < self.ends and self._begins_on(here - timedelta(days=1))

    def _begins_on(self, day: datetime) -> bool:
        return not self.days or day.weekday() in self.days

    def __str__(self) -> str:
        days = ",".join(map(str, sorted(self.days))) or "*"
        return f"{self.begins:%H:%M}–{self.ends:%H:%M} {self.zone} ({days})"


def lies_below(target: str, paths: tuple[str, ...]) -> bool:
    """Whether a request-target lies below one of the paths however a server may read it.

    Servers differ in when they decode, in what `..`, `//`, `\\` and `;` mean: every reading must lie inside.
    """
    readings = _readings(target)
    return bool(readings) and all(any(_is_below(reading, path) for path in paths) for reading in readings)


def _readings(target: str) -> set[str]:
    """The paths that a request-target may mean; none when it means no path or never stops being encoded."""
    path = _path_of(target)
    if not path.startswith("/"):
        return set()
    found = set()
    for _ in range(_DECODINGS):
        slashed = path.replace("\\", "/")
        found |= {path, _normal(path), _normal(slashed), _normal(_without_parameters(slashed))}
        decoded = unquote(path, errors="surrogateescape")
        if decoded == path:
            return found
        path = decoded
    return set()


def _path_of(target: str) -> str:
    if not target.startswith("/") and "://" in target:
        target = "/" + target.split("://", 1)[1].partition("/")[2]
    return target.partition("?")[0].partition("#")[0]


def _normal(path: str) -> str:
    return "/" + posixpath.normpath("/" + path).lstrip("/")


def _without_parameters(path: str) -> str:
    return "/".join(segment.partition(";")[0] for segment in path.split("/"))


def _is_below(path: str, allowed: str) -> bool:
    base = allowed.rstrip("/")
    return path == base or path.startswith(base + "/")
