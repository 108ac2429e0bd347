"""Doing: one act at a time, by the executor and under a journal of its own, void as soon as a newer publication is read."""

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import Executor as Threads
from contextlib import suppress

from backup.failover.situation import Act, ActKind
from secops.coordination.lease_times import Clock, boot_clock
from secops.execution.executor import Allowance, Executor
from secops.execution.journal import Journal, Mode, Run, RunState
from secops.execution.runner import Runner
from secops.model.cluster import Cluster
from secops.model.decision import Decision
from secops.model.step import Procedure, ProcedureFailed, Step, each_step
from secops.model.text import Text
from secops.service.agent.remembering import Remembering
from secops.support.clock import now
from secops.support.errors import Incomplete, JindunError

_ALLOWANCE = Allowance(timeout_seconds=48 * 3600)
"""Longer than any step may take by itself; a newer publication ends an act between two steps."""
_PAUSE_SECONDS = 0.5
PLAYBOOK = "failover"
"""Under which the acts of agents stand in their journal."""


class Void(JindunError):
    """What was being done is no longer wanted."""

    exit_code = 3


class Doer:
    """Acts on one thing: the own member, or the own entry."""

    def __init__(
        self,
        cluster: Cluster,
        plan: Callable[[Act], Procedure[None]],
        still_wanted: Callable[[Act], bool],
        remembering: Remembering,
        journal: Journal,
        runner: Runner,
        threads: Threads,
        on_done: Callable[[str, bool], None],
        clock: Clock = boot_clock,
    ) -> None:
        """`still_wanted` is asked before each change; `on_done` is told the run and whether it succeeded."""
        self._cluster = cluster
        self._plan = plan
        self._still_wanted = still_wanted
        self._remembering = remembering
        self._journal = journal
        self._runner = runner
        self._threads = threads
        self._on_done = on_done
        self._clock = clock
        self._not_before = 0.0
        self._work: asyncio.Task[None] | None = None
        self.ended_at = 0.0
        """When the last act ended, by the clock."""

    @property
    def busy(self) -> bool:
        """Whether an act is under way."""
        return self._work is not None and not self._work.done()

    def begin(self, decision: Decision[Act]) -> None:
        """Begin the act, unless one is under way or has just failed."""
        if not self.busy and self._clock() >= self._not_before:
            self._work = asyncio.create_task(self._do(decision))

    async def settle(self) -> None:
        """Wait until nothing is under way."""
        if self._work:
            await asyncio.wait([self._work])

    async def _do(self, decision: Decision[Act]) -> None:
        run = f"{now():%Y%m%d-%H%M%S}-{self._cluster.id}-{decision.action.kind}-{secrets.token_hex(2)}"
        done = await asyncio.get_running_loop().run_in_executor(self._threads, self._perform, run, decision)
        self.ended_at = self._clock()
        if not done:
            self._not_before = self.ended_at + _PAUSE_SECONDS
        self._on_done(run, done)

    def _perform(self, name: str, decision: Decision[Act]) -> bool:
        """In a thread. What goes wrong is in the journal; when that cannot be written, nothing was done."""
        act, token = decision.action, decision.action.version.number
        with suppress(Incomplete):
            self._remembering.before(act)
            if act.kind is ActKind.RENOUNCE:
                return True
            inputs = {"cluster": self._cluster.id, "epoch": act.version.epoch, "member": act.member, "system": ""}
            run = Run(name, PLAYBOOK, act.kind, Mode.REAL, now(), inputs, "agent", because=decision.because)
            self._journal.begin(run, token)
            failed = self._execute(name, token, act)
            state = RunState.FAILED if failed else RunState.SUCCEEDED
            self._journal.set_state(name, token, state, failed or decision.because)
            return failed is None
        return False

    def _execute(self, run: str, token: int, act: Act) -> Text | None:
        """Why it failed."""

        def wanted(step: Step) -> Step:
            if step.changes and not self._still_wanted(act):
                raise Void(
                    Text("已有更新的发布,不再继续", "a newer publication makes this void; it was not gone on with")
                )
            return step

        try:
            executor = Executor(self._journal, run, token, Mode.REAL, self._runner)
            executor.run(act.kind, each_step(self._plan(act), wanted), _ALLOWANCE)
        except ProcedureFailed as error:
            return Text(error.zh, error.en)
        except JindunError as error:
            return error.text
        return None
