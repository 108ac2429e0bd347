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
from secops.service.agent.probing import ask
from secops.service.agent.remembering import Remembering
from secops.support.clock import now
from secops.support.errors import JindunError

_ALLOWANCE = Allowance(timeout_seconds=48 * 3600)
"""Longer than any step may take by itself; a newer publication ends an act between two steps."""
_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
FENCES = (ActKind.STOP, ActKind.STOP_RECEIVER, ActKind.CLOSE_ENTRY)
"""They make harmless and promise nothing: done also when nothing can be written down."""
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
        self._failed: tuple[Act | None, int] = (None, 0)
        """The act that failed last, and how often in a row."""
        self._work: asyncio.Task[None] | None = None
        self.ended_at = 0.0
        """When the last act ended, by the clock."""

    @property
    def busy(self) -> bool:
        """Whether an act is under way."""
        return self._work is not None and not self._work.done()

    def begin(self, decision: Decision[Act]) -> None:
        """Begin the act, unless one is under way or this one has just failed; another one need not wait."""
        if not self.busy and (self._clock() >= self._not_before or decision.action != self._failed[0]):
            self._work = asyncio.create_task(self._do(decision))

    async def settle(self) -> None:
        """Wait until nothing is under way."""
        if self._work:
            await asyncio.wait([self._work])

    async def _do(self, decision: Decision[Act]) -> None:
        run = f"{now():%Y%m%d-%H%M%S}-{self._cluster.id}-{decision.action.kind}-{secrets.token_hex(2)}"
        done = await asyncio.get_running_loop().run_in_executor(self._threads, self._perform, run, decision)
        self.ended_at = self._clock()
        self._note_failure(None if done else decision.action)
        self._on_done(run, done)

    def _note_failure(self, act: Act | None) -> None:
        """The same act is tried again after a pause that grows; a fence always soon."""
        times = self._failed[1] + 1 if act and act == self._failed[0] else 1
        longest = _PAUSE_SECONDS if act and act.kind in FENCES else _LONGEST_PAUSE_SECONDS
        self._failed = (act, times)
        self._not_before = self.ended_at + min(longest, _PAUSE_SECONDS * 2 ** min(times - 1, 10))

    def _perform(self, name: str, decision: Decision[Act]) -> bool:
        """In a thread. What goes wrong is in the journal; when that cannot be written, nothing is done but fences."""
        act = decision.action
        with suppress(JindunError):
            self._remembering.before(act)
            return self._under_journal(name, decision)
        return act.kind in FENCES and self._bare(act)

    def _bare(self, act: Act) -> bool:
        """Without a journal."""
        try:
            ask(each_step(self._plan(act), self._guard(act)), self._runner, may_change=True)
        except (ProcedureFailed, JindunError):
            return False
        return True

    def _under_journal(self, name: str, decision: Decision[Act]) -> bool:
        """Raises Incomplete when the journal cannot be written; the act may have been done by then."""
        act, token = decision.action, decision.action.version.number
        if act.kind is ActKind.RENOUNCE:
            return True
        inputs = {"cluster": self._cluster.id, "epoch": act.version.epoch, "member": act.member, "system": ""}
        run = Run(name, PLAYBOOK, act.kind, Mode.REAL, now(), inputs, "agent", because=decision.because)
        self._journal.begin(run, token)
        failed = self._execute(name, token, act)
        state = RunState.FAILED if failed else RunState.SUCCEEDED
        self._journal.set_state(name, token, state, failed or decision.because)
        return failed is None

    def _guard(self, act: Act) -> Callable[[Step], Step]:
        """Lets a step through while its act is wanted: also what only waits ends at once, for what is newer to be done."""

        def wanted(step: Step) -> Step:
            if not self._still_wanted(act):
                raise Void(
                    Text("已有更新的发布,不再继续", "a newer publication makes this void; it was not gone on with")
                )
            return step

        return wanted

    def _execute(self, run: str, token: int, act: Act) -> Text | None:
        """Why it failed. Raises JindunError for a fence whose journal cannot be written."""
        try:
            executor = Executor(self._journal, run, token, Mode.REAL, self._runner)
            executor.run(act.kind, each_step(self._plan(act), self._guard(act)), _ALLOWANCE)
        except ProcedureFailed as error:
            return Text(error.zh, error.en)
        except JindunError as error:
            if act.kind in FENCES and not isinstance(error, Void):
                raise
            return error.text
        return None
