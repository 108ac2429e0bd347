"""Runs a scan in the fastest event loop that is installed."""

import asyncio
from collections.abc import Coroutine
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeVar

Given = TypeVar("Given")
_uvloop: Any = import_module("uvloop") if find_spec("uvloop") else None


def run(work: Coroutine[Any, Any, Given]) -> Given:
    """Like `asyncio.run`, with uvloop when there is one."""
    factory = _uvloop.new_event_loop if _uvloop is not None else None
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(work)
