"""Runs playbooks in forked children that kill themselves at a chosen boundary, or halt at some of them until told to go
on. Reads jobs from stdin, one JSON a line.

A process of its own with one thread, so that forking it is safe; everything is imported and built once, so that a child
costs nothing but its work.
"""

import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from playbooks.approvals import Approval
from playbooks.schema import StepSpec
from secops.execution.executor import Boundary
from secops.model.step import Command, Effect, Result
from secops.service.home import Home
from secops.service.running import Watchers, resume, start


class Ledger:
    """Every command that changes the served link, written down when it was really performed."""

    def __init__(self, inner: Any, file: Path) -> None:
        self._inner = inner
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def perform(self, effect: Effect, timeout_seconds: float) -> Result:
        result: Result = self._inner.perform(effect, timeout_seconds)
        if isinstance(effect, Command) and effect.argv[:2] == ("mv", "-T") and effect.argv[-1].endswith("/current"):
            with self._file.open("a") as stream:
                stream.write("moved the link over\n")
        return result


class Killer:
    """Counts boundaries and ends the process at the wanted one, as a power cut would; halts at some in a row."""

    def __init__(self, at: int | None, halts: "tuple[int, int] | None", seen: Path) -> None:
        self._at = at
        self._halts = halts
        """The first one to halt at, and the first one after it not to."""
        self._count = 0
        self._seen = seen.open("a")

    def __call__(self, boundary: Boundary, path: str) -> None:
        self._count += 1
        self._seen.write(f"{boundary} {path}\n")
        self._seen.flush()
        if self._count == self._at:
            os.kill(os.getpid(), signal.SIGKILL)
        if self._halts and self._halts[0] <= self._count < self._halts[1]:
            print(f"halted {self._count}", flush=True)
            sys.stdin.readline()


def agree(step: StepSpec, missing: int) -> Approval:
    return Approval("tester", f"{step.id}, {missing} missing")


def work(job: dict[str, Any]) -> None:
    folder = Path(job["home"])
    with Home(folder) as home:
        home.runners = Ledger(home.runners, Path(job["ledger"]))  # type: ignore[misc, assignment]
        watchers = Watchers(agree, at_boundary=Killer(job["kill_at"], job["halts"], Path(job["seen"])))
        if job["verb"] == "resume":
            ended = resume(home, job["run"], watchers=watchers)
        else:
            finding = home.store.get(job["finding"])
            ended = start(
                home, home.library.get(job["playbook"]), {}, finding=finding, run_id=job["run"], watchers=watchers
            )
        Path(job["result"]).write_text(f"{ended.run.state}: {ended.run.because.en}")


def warm_up(job: dict[str, Any]) -> bool:
    """Build the parsers of playbooks and inventories, half of what a child does, once for all of them."""
    with Home(Path(job["home"])) as home:
        home.library.get(job["playbook"])
        home.inventory  # noqa: B018
    return True


def main() -> None:
    warm = False
    for line in sys.stdin:
        job = json.loads(line)
        warm = warm or warm_up(job)
        child = os.fork()
        if child == 0:
            try:
                work(job)
            except BaseException:
                Path(job["result"]).write_text(traceback.format_exc())
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
