"""Performs procedures with the real executor and runners, and remembers what was performed."""

from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import pytest

from secops.execution.dialogue import DialogueRunner
from secops.execution.executor import Advanced, Allowance, Boundary, Executor, How, Performed
from secops.execution.fetch import FetchRunner
from secops.execution.journal import Journal, Mode, Run
from secops.execution.local import LocalRunner
from secops.execution.runner import Performs, Runners, failure
from secops.execution.secrets import Secrets
from secops.execution.sql import SqlRunner
from secops.model.step import Consult, Enter, Procedure, Rescan, Result, Trouble
from secops.support.clock import now

Returned = TypeVar("Returned")
LOOPBACK = "127.0.0.1"
_ALLOWANCE = Allowance(timeout_seconds=90)


class Interrupted(BaseException):
    """Stands for the end of the process."""


class Scanner:
    """A rescan whose result the test decides; it remembers what it was asked."""

    def __init__(self, result: Result) -> None:
        self.result = result
        self.asked: list[Rescan] = []

    def perform(self, effect: Rescan, timeout_seconds: float) -> Result:
        self.asked.append(effect)
        return self.result


NO_SCANNER = Scanner(failure(Trouble.INTERNAL, zh="没有", en="none"))


class Performing:
    """Each `run` is a run of its own in one journal. Secrets are files in `folder`; only loopback may be fetched."""

    def __init__(
        self,
        folder: Path,
        scanner: Performs[Rescan] = NO_SCANNER,
        ledgers: Performs[Consult | Enter] | None = None,
        on_advanced: Callable[[Advanced], None] = lambda advanced: None,
    ) -> None:
        self._on_advanced = on_advanced
        local = LocalRunner(Secrets(folder))
        fetch = FetchRunner(lambda host, port: host == LOOPBACK)
        self._runners = Runners(local, local, DialogueRunner(), fetch, scanner, ledgers, sql=SqlRunner())
        self._journal = Journal(folder / "journal.sqlite")
        self._numbers = count(1)
        self.performed: list[Performed] = []
        """Of the last run."""

    def run(self, procedure: Procedure[Returned]) -> Returned:
        return self._run(procedure, Mode.REAL)

    def rehearse(self, procedure: Procedure[Returned]) -> Returned:
        return self._run(procedure, Mode.REHEARSAL)

    def _run(self, procedure: Procedure[Returned], mode: Mode) -> Returned:
        return self._executor(self._begin(mode)).run("s", procedure, _ALLOWANCE)

    def _begin(self, mode: Mode) -> Run:
        run = Run(f"r{next(self._numbers)}", "test", "", mode, now(), {})
        self._journal.begin(run, 1)
        return run

    def _executor(
        self, run: Run, at_boundary: Callable[[Boundary, str], None] = lambda reached, path: None
    ) -> Executor:
        self.performed = []
        return Executor(
            self._journal,
            run.id,
            1,
            run.mode,
            self._runners,
            on_performed=self.performed.append,
            on_advanced=self._on_advanced,
            at_boundary=at_boundary,
        )

    def interrupt_and_resume(
        self, plan: Callable[[], Procedure[Returned]], boundary: Boundary, step_name: str
    ) -> Returned:
        """Run what `plan` gives up to that boundary of that step, as if killed there, and resume the run."""
        run = self._begin(Mode.REAL)

        def at_boundary(reached: Boundary, path: str) -> None:
            if reached is boundary and path == f"s/{step_name}":
                raise Interrupted

        with pytest.raises(Interrupted):
            self._executor(run, at_boundary).run("s", plan(), _ALLOWANCE)
        return self._executor(run).run("s", plan(), _ALLOWANCE)

    def interrupt_everywhere(self, plan: Callable[[], Procedure[Returned]], boundary: Boundary) -> Returned:
        """Run what `plan` gives and resume it until it ends, as if killed at that boundary of each of its steps."""
        run = self._begin(Mode.REAL)
        killed: set[str] = set()

        def at_boundary(reached: Boundary, path: str) -> None:
            if reached is boundary and path not in killed:
                killed.add(path)
                raise Interrupted

        while True:
            try:
                return self._executor(run, at_boundary).run("s", plan(), _ALLOWANCE)
            except Interrupted:
                continue

    @property
    def changed(self) -> list[str]:
        """Names of the changing steps that the last run really performed."""
        return [each.step.name for each in self.performed if each.step.changes and each.how is How.PERFORMED]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._journal.close()
