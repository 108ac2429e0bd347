"""Helpers that tell, write and read the time, by the clock that the run was given."""

import re
from datetime import datetime, timedelta

from scanners.web.templates.expressions.functions.registry import helper
from scanners.web.templates.expressions.scope import Context
from scanners.web.templates.expressions.values import EvaluationError, Value, as_bytes, as_number, as_string, as_text

_LONGEST_WAIT = 120
_PERCENT = re.compile("%([A-Za-z])")
_BY_LETTER = {
    "Y": "%Y",
    "y": "%Y",
    "M": "%m",
    "D": "%d",
    "d": "%d",
    "H": "%H",
    "h": "%H",
    "m": "%M",
    "S": "%S",
    "s": "%S",
}
_PIECE = re.compile(
    "January|Jan|Monday|Mon|MST|2006|-07:00|-0700|-07|Z07:00|Z0700|01|02|03|04|05|06|_2|15|PM|pm|[.,]0+|[.,]9+|1|2|3|4|5"
)
_WRITTEN = {
    "January": "%B", "Jan": "%b", "Monday": "%A", "Mon": "%a", "MST": "%Z", "2006": "%Y", "01": "%m", "02": "%d",
    "03": "%I", "04": "%M", "05": "%S", "06": "%y", "15": "%H", "PM": "%p", "-0700": "%z",
}  # fmt: skip
_LAYOUTS = (
    "2006-01-02T15:04:05Z07:00",
    "2006-01-02 15:04:05 Z07:00",
    "2006-01-02 15:04:05",
    "2006-01-02 15:04 Z07:00",
    "2006-01-02 15:04",
    "2006-01-02 Z07:00",
    "2006-01-02",
)


@helper("unix_time", 0, 1, wants_context=True)
def unix_time(context: Context, seconds: Value = 0.0) -> Value:
    """Seconds since 1970, so many seconds from now."""
    return float(int(context.now.timestamp() + (as_number(seconds) or 0.0)))


@helper("date_time", 1, 2, wants_context=True)
def date_time(context: Context, layout: Value, moment: Value = None) -> Value:
    """Now or a unix time, written as `%Y-%M-%D %H:%m:%S` or by the reference time `2006-01-02 15:04:05`."""
    wanted, when = as_string(as_text(layout)), _moment(context, moment)
    if not _PERCENT.search(wanted):
        return as_bytes(_PIECE.sub(lambda piece: _written(piece[0], when), wanted))
    if any(letter not in _BY_LETTER for letter in _PERCENT.findall(wanted)):
        raise EvaluationError(f"date_time: unknown letter in {wanted[:40]}")
    return as_bytes(_PERCENT.sub(lambda piece: when.strftime(_BY_LETTER[piece[1]]), wanted))


def _moment(context: Context, moment: Value) -> datetime:
    if moment is None:
        return context.now
    try:
        return datetime.fromtimestamp(int(float(as_text(moment))), context.now.tzinfo)
    except (ValueError, OverflowError, OSError):
        raise EvaluationError("date_time wants a unix time") from None


def _written(piece: str, when: datetime) -> str:
    if piece in _WRITTEN:
        return when.strftime(_WRITTEN[piece])
    if piece[0] in ".,":
        digits = f"{when.microsecond * 1000:09d}"[: len(piece) - 1]
        return piece[0] + digits if "0" in piece else (piece[0] + digits.rstrip("0")).rstrip(piece[0])
    if piece.endswith(("07:00", "0700", "-07")):
        return _zone(piece, when)
    short = {"1": when.month, "2": when.day, "3": (when.hour - 1) % 12 + 1, "4": when.minute, "5": when.second}
    return {"_2": f"{when.day:2d}", "pm": when.strftime("%p").lower()}.get(piece) or str(short[piece])


def _zone(piece: str, when: datetime) -> str:
    offset = when.utcoffset() or timedelta()
    if piece.startswith("Z") and not offset:
        return "Z"
    minutes = abs(int(offset.total_seconds())) // 60
    sign = "-" if offset < timedelta() else "+"
    colon = ":" if ":" in piece else ""
    return f"{sign}{minutes // 60:02d}" + ("" if piece == "-07" else f"{colon}{minutes % 60:02d}")


@helper("to_unix_time", 1, 2)
def to_unix_time(value: Value, layout: Value = None) -> Value:
    """Seconds since 1970 of a written time; without a zone it is UTC."""
    text = as_string(as_text(value))
    try:
        return float(int(float(text)))
    except (ValueError, OverflowError):
        pass
    for tried in _LAYOUTS if layout is None else (as_string(as_text(layout)),):
        try:
            return float(int(_read(text, tried).timestamp()))
        except ValueError:
            continue
    raise EvaluationError(f"not a time: {text[:40]}")


def _read(text: str, layout: str) -> datetime:
    pattern, last = "", 0
    for piece in _PIECE.finditer(layout):
        form = _WRITTEN.get(piece[0], "%z" if "07" in piece[0] else None)
        if form is None:
            raise ValueError("this layout cannot be read")
        pattern += layout[last : piece.start()].replace("%", "%%") + form
        last = piece.end()
    read = datetime.strptime(text, pattern + layout[last:].replace("%", "%%"))
    return read if read.tzinfo else datetime.fromisoformat(read.isoformat() + "+00:00")


@helper("wait_for", 1, wants_context=True)
def wait_for(context: Context, seconds: Value) -> Value:
    """Ask for a pause before the request that says it; at most two minutes."""
    wanted = as_number(seconds)
    if wanted is None or not 0 <= wanted <= _LONGEST_WAIT:
        raise EvaluationError("wait_for wants up to 120 seconds")
    context.wait_seconds += wanted
    return True


@helper("print_debug", 1, None)
def print_debug(*_values: Value) -> Value:
    """Nothing: it exists for authors of templates."""
    return True
