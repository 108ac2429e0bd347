"""Performs procedures with the real executor and runners, and remembers what was performed."""

from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from secops.execution.dialogue import DialogueRunner
from secops.execution.executor import Allowance, Executor, How, Performed
from secops.execution.fetch import FetchRunner
from secops.execution.journal import Journal, Mode, Run
from secops.execution.local import LocalRunner
from secops.execution.runner import Performs, Runners, failure
from secops.execution.secrets import Secrets
from secops.model.step import Procedure, Rescan, Result, Trouble
from secops.support.clock import now

Returned = TypeVar("Returned")
LOOPBACK = "127.0.0.1"


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

    def __init__(self, folder: Path, scanner: Performs[Rescan] = NO_SCANNER) -> None:
        local = LocalRunner(Secrets(folder))
        fetch = FetchRunner(lambda host, port: host == LOOPBACK)
        self._runners = Runners(local, local, DialogueRunner(), fetch, scanner)
        self._journal = Journal(folder / "journal.sqlite")
        self._numbers = count(1)
        self.performed: list[Performed] = []
        """Of the last run."""

    def run(self, procedure: Procedure[Returned]) -> Returned:
        return self._run(procedure, Mode.REAL)

    def rehearse(self, procedure: Procedure[Returned]) -> Returned:
        return self._run(procedure, Mode.REHEARSAL)

    def _run(self, procedure: Procedure[Returned], mode: Mode) -> Returned:
        run = Run(f"r{next(self._numbers)}", "test", "", mode, now(), {})
        self._journal.begin(run, 1)
        self.performed = []
        executor = Executor(self._journal, run.id, 1, mode, self._runners, on_performed=self.performed.append)
        return executor.run("s", procedure, Allowance(timeout_seconds=90))

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
