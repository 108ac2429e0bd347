"""Durations as people write them: `30s`, `5m`, `2h`, `1d`, `1h30m`. A bare number has no unit and is refused."""

import re

from secops.model.text import Text
from secops.support.misfits import BadValue

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def parse_duration(text: str) -> float:
    """Seconds. Raises BadValue for anything but a sequence of numbers with units."""
    if not isinstance(text, str) or not re.fullmatch(rf"(?:{_PART.pattern})+", text):
        raise BadValue(Text("时长需要单位,如 30s、5m、2h、1d", "a duration needs a unit, like 30s, 5m, 2h or 1d"))
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))


def format_duration(seconds: float) -> str:
    """The shortest text that reads back as about `seconds`, e.g. `1h30m`, `2.5s`."""
    if seconds < 60:
        return f"{seconds:.3g}s"
    parts = []
    rest = round(seconds)
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts[:2])
