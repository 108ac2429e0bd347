"""Observations as canonical JSON: stored, approved as a baseline, and judged again later without the target."""

from functools import cache
from typing import Any

import orjson
from pydantic import TypeAdapter

from scanners.check import Baseline, Check


@cache
def _adapter(observed_type: type) -> TypeAdapter[Any]:
    return TypeAdapter(observed_type)


def to_bytes(check: Check[Any], observed: Any) -> bytes:
    """The same bytes for equal observations. Raises TypeError for anything but the check's own type."""
    if not isinstance(observed, check.observed_type):
        raise TypeError(f"observe gave {type(observed).__name__}, not {check.observed_type.__name__}")
    plain = _adapter(check.observed_type).dump_python(observed, mode="json", warnings="error")
    return orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)


def from_bytes(check: Check[Any], stored: bytes) -> Any:
    """The observation that `to_bytes` wrote. Raises ValueError when it does not fit the check's present type."""
    return _adapter(check.observed_type).validate_json(stored)


def baseline_from(check: Check[Any], approved: tuple[bytes, str] | None) -> Baseline[Any] | None:
    """The baseline as `judge` takes it; None when none was approved or the check uses none."""
    if approved is None or not check.uses_baseline:
        return None
    stored, approved_by = approved
    return Baseline(from_bytes(check, stored), approved_by)
