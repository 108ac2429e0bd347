"""A reach to loopback for the tests of checks and scans."""

import asyncio
import subprocess
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

from scanners.check import Check
from scanners.reach import Patience, Reach, Shell
from scanners.scan import Limits, pairs_of, scan
from scanners.scope import Guard, Touch, scope_of
from secops.model.city import Asset, AssetKind
from secops.model.outcome import Evaluation
from secops.model.step import Result, Trouble
from secops.model.text import Text
from secops.support.clock import now

Given = TypeVar("Given")
QUICK = Patience(connect_seconds=1.0, idle_seconds=0.5, total_seconds=2.0)


@dataclass
class Trail:
    """What the audit hook was told."""

    touches: list[Touch] = field(default_factory=list)

    def sent(self) -> list[str]:
        """What was sent, to which address."""
        return [f"{touch.what} {touch.address}" for touch in self.touches if touch.refused is None]


def guard(
    *networks: str, trail: Trail | None = None, stop: threading.Event | None = None, hosts: frozenset[str] = frozenset()
) -> Guard:
    """A guard of 127.0.0.1 or the named networks, valid for a day."""
    scope = scope_of(networks or ("127.0.0.1/32",), "tester", now() + timedelta(days=1), hosts=hosts)
    return Guard(scope, audit=(trail or Trail()).touches.append, stop=stop)


def reaching(
    work: Callable[[Reach], Coroutine[Any, Any, Given]],
    *,
    through: Guard | None = None,
    patience: Patience = QUICK,
    shell: Shell | None = None,
    authorities: str = "",
) -> Given:
    """Run a coroutine with a reach of its own."""

    async def run() -> Given:
        async with Reach(through or guard(), shell=shell, patience=patience, authorities=authorities) as reach:
            return await work(reach)

    return asyncio.run(run())


def evaluate(
    check: Check[Any], asset: Asset, reach: Reach, baselines: Any = None, limits: Limits | None = None
) -> Coroutine[Any, Any, tuple[Evaluation, ...]]:
    """Scan one asset with one check."""
    return scan(pairs_of([("s1", asset)], [check]), reach, baselines=baselines, limits=limits)


def website(url: str, name: str = "site") -> Asset:
    """A website of the inventory."""
    return Asset(id=name, kind=AssetKind.WEBSITE, name=Text("网站", "site"), centre="c1", url=url)


def page(url: str, name: str = "page") -> Asset:
    """A page of the inventory."""
    return Asset(id=name, kind=AssetKind.PAGE, name=Text("页面", "page"), centre="c1", url=url)


class LocalShell:
    """Runs commands on this machine, whatever the host."""

    def run(self, host: Asset, argv: tuple[str, ...], timeout_seconds: float) -> Result:
        """The result, as a shell over ssh would give it."""
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout_seconds, check=False)
        except (FileNotFoundError, PermissionError):
            return Result(ok=False, exit_code=127, trouble=Trouble.FAILED, reason="not found")
        trouble = Trouble.NONE if done.returncode == 0 else Trouble.FAILED
        return Result(done.returncode == 0, done.stdout, done.stderr, done.returncode, trouble)
