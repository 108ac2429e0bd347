"""Keeps connections busy: requests wait for the rate of their address, then for a connection, and go.

A lane is one target; a gate is one address, which several lanes may share.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from scanners.endings import OutOfScope, Stopped
from scanners.scope import Address, Guard
from scanners.web.connection import Connection, Flight, Opening, Outbox, timed_out
from scanners.web.dialing import Dialer, NotOpened, failure_of
from scanners.web.head import Heads
from scanners.web.limits import Limits, Patience
from scanners.web.message import Failure, Phase, Reason, Request, Response, Target
from scanners.web.pace import Gate, Pace
from secops.model.text import Text
from secops.support.clock import now as wall_clock

Given = TypeVar("Given")
_SWEEP_SECONDS = 0.05
_IDLE_SECONDS = 15.0
_FRESH_SECONDS = 1.0
"""A request that must not be sent twice goes over a connection that was used this recently, or over a new one."""
_TURNS = 64
"""Requests of one lane after which a connection is given up for the others that wait at the same address."""
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "PROPFIND", "REPORT"})
_UNTOUCHED = frozenset({Reason.CLOSED, Reason.RESET})
_KILLED = Failure(Reason.KILLED, Text("扫描已被紧急停止", "the scan was stopped by the kill switch"))
_GONE = Failure(Reason.CLOSED, Text("连接建立后即被关闭", "the connection was closed as soon as it was open"))
_PAUSED = Failure(
    Reason.PAUSED,
    Text(
        "站点受压或要求等待,未及时恢复,未发送任何数据",
        "the site suffers or asked for peace, too long; nothing was sent",
    ),
)


class Dispatch(Flight):
    """A flight with its destination, as the pool wants it."""

    __slots__ = ("abandoned", "lane", "queued_at", "replayed", "request", "seconds", "urgent")

    def __init__(self, seconds: float, limits: Limits, *, urgent: bool = False) -> None:
        self.limits = limits
        self.seconds = seconds
        """For the exchange, counted from when it leaves the queue."""
        self.urgent = urgent
        """It goes although the site is paused: it asks how the site is."""
        self.abandoned = False
        """Nobody waits for it any more."""

    def aim(self, lane: "Lane", request: Request, wire: bytes) -> None:
        """What is to be sent where."""
        self.lane = lane
        self.request = request
        self.wire = wire
        self.alone = request.raw is not None
        self.head_only = request.method == "HEAD"
        self.replayed = False
        self.queued_at = 0.0
        self.deadline = 0.0

    @property
    def replayable(self) -> bool:
        """Whether sending it twice does what sending it once does."""
        return self.request.method in _IDEMPOTENT and not self.alone

    def start(self) -> None:
        """Its time runs from now on."""
        if not self.deadline:
            self.deadline = monotonic() + self.seconds


class _Queue:
    """What waits at a gate for its token."""

    __slots__ = ("dispatches", "timer")

    def __init__(self) -> None:
        self.dispatches: deque[Dispatch] = deque()
        self.timer: asyncio.TimerHandle | None = None


class Lane:
    """One target."""

    __slots__ = (
        "authority",
        "forwarded",
        "found",
        "gate",
        "heads",
        "idle",
        "origin",
        "queue",
        "resolving",
        "target",
        "waiting",
    )

    def __init__(self, target: Target, forwarded: bool) -> None:
        self.target = target
        self.origin = str(target)
        self.authority = target.authority
        self.forwarded = forwarded
        """Requests are handed to a proxy with the whole URL."""
        self.gate: Gate | None = None
        self.queue = _Queue()
        """The one of the gate, once there is one."""
        self.found: tuple[Address, ...] = ()
        self.heads = Heads()
        self.idle: list[Connection] = []
        self.resolving: list[Dispatch] = []
        self.waiting: deque[Dispatch] = deque()
        """Have their token, and lack a connection."""


class Pool:
    """The connections of one client, in one event loop."""

    def __init__(
        self,
        guard: Guard,
        dialer: Dialer,
        pace: Pace,
        patience: Patience,
        kill_file: Path | None,
    ) -> None:
        self._kill_file = kill_file
        self._guard = guard
        self._dialer = dialer
        self._pace = pace
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._outbox = Outbox()
        self._lanes: dict[Target, Lane] = {}
        self._gates: dict[Address, Gate] = {}
        self._queues: dict[Gate, _Queue] = {}
        self._connections: dict[Connection, None] = {}
        """Open ones, the longest unused first among the idle."""
        self._hungry: dict[Lane, None] = {}
        """Lanes that wait for a connection."""
        self._opening = 0
        self._idle = 0
        self._closed = False
        self._dials: set[asyncio.Task[Any]] = set()
        self._sweep = self._loop.call_later(_SWEEP_SECONDS, self._sweep_once)

    def submit(self, dispatch: Dispatch) -> None:
        """Send it as soon as the rate and the connections allow; its `done` is called exactly once, maybe at once."""
        if self._closed or self._guard.stop.is_set():
            dispatch.done(None, _KILLED)
            return
        lane = dispatch.lane
        gate = lane.gate
        if gate is None:
            self._resolve_first(lane, dispatch)
            return
        now = monotonic()
        queue = lane.queue
        if dispatch.urgent or (not queue.dispatches and not gate.paused and gate.take(now)):
            self._launch(lane, dispatch)
        else:
            dispatch.queued_at = now
            queue.dispatches.append(dispatch)
            self._drain_later(gate, queue, now)

    def lane_of(self, target: Target) -> "Lane":
        """Where requests to a target queue up."""
        lane = self._lanes.get(target)
        if lane is None:
            lane = self._lanes[target] = Lane(target, self._dialer.forwards(target))
        return lane

    def gate_of(self, target: Target) -> Gate | None:
        """What was learned of the address of a target; None before the first request."""
        lane = self._lanes.get(target)
        return lane.gate if lane else None

    def pause(self, gate: Gate) -> None:
        """Send nothing more to an address but what is urgent."""
        gate.paused = True

    def resume(self, gate: Gate) -> None:
        """Go on."""
        gate.paused = False
        self._drain(gate)

    def kill(self) -> None:
        """Stop everything at once: what is under way is broken off, what waits is not sent."""
        for dial in tuple(self._dials):
            dial.cancel()
        for connection in tuple(self._connections):
            if connection.flight is not None:
                connection.fail(_KILLED)
            connection.abort()
        waiting = [dispatch for queue in self._queues.values() for dispatch in queue.dispatches]
        for queue in self._queues.values():
            queue.dispatches.clear()
        for lane in self._lanes.values():
            waiting += [*lane.resolving, *lane.waiting]
            lane.resolving.clear()
            lane.waiting.clear()
        self._hungry.clear()
        for dispatch in waiting:
            dispatch.done(None, _KILLED)

    async def close(self) -> None:
        """Let go of everything; what is not done ends as killed."""
        self._closed = True
        self._sweep.cancel()
        self.kill()
        if self._dials:
            await asyncio.wait(self._dials)
        for queue in self._queues.values():
            if queue.timer is not None:
                queue.timer.cancel()
        # The transports close in the next turn of the loop.
        await asyncio.sleep(0)

    def landed(
        self, connection: Connection, flight: Flight, response: Response | None, failure: Failure | None
    ) -> None:
        """Called by a connection: learn from the answer, give the connection on, tell who asked."""
        assert isinstance(flight, Dispatch)
        lane = connection.lane
        assert isinstance(lane, Lane) and lane.gate is not None
        now = monotonic()
        if response is not None:
            status = response.status
            retry_after = _retry_after(response) if status in (429, 503) else None
            lane.gate.learn(now, status, response.timings.first_byte, retry_after)
        elif failure is not None and failure.reason is not Reason.KILLED:
            if failure.reason in _UNTOUCHED and connection.carried > 1 and flight.replayable and not flight.replayed:
                flight.replayed = True
                self._launch(lane, flight)
                return
            lane.gate.learn_failure(now)
        if not connection.closed:
            self._release(lane, connection, now)
        flight.done(response, failure)

    def lost(self, connection: Connection) -> None:
        """Called by a connection that is gone."""
        if connection not in self._connections:
            return
        del self._connections[connection]
        lane = connection.lane
        assert isinstance(lane, Lane) and lane.gate is not None
        lane.gate.open -= 1
        if connection in lane.idle:
            lane.idle.remove(connection)
            self._idle -= 1
        self._feed()

    # The ways of a dispatch: resolved, given a token, given a connection.

    def _resolve_first(self, lane: Lane, dispatch: Dispatch) -> None:
        lane.resolving.append(dispatch)
        if len(lane.resolving) == 1:
            self._spawn(self._resolve(lane))

    async def _resolve(self, lane: Lane) -> None:
        failure = _KILLED
        try:
            lane.found = await self._dialer.resolve(lane.target)
            lane.gate = self._gate_at(lane.found[0])
            lane.queue = self._queues[lane.gate]
        except NotOpened as error:
            failure = error.failure
        waiting, lane.resolving = lane.resolving, []
        for dispatch in waiting:
            if lane.gate is not None:
                self.submit(dispatch)
            else:
                dispatch.done(None, failure)

    def _gate_at(self, address: Address) -> Gate:
        gate = self._gates.get(address)
        if gate is None:
            gate = self._gates[address] = Gate(str(address), self._pace)
            self._queues[gate] = _Queue()
        return gate

    def _drain_later(self, gate: Gate, queue: _Queue, now: float) -> None:
        if queue.timer is None:
            wait = max(gate.wait_seconds(now), _SWEEP_SECONDS if gate.paused else 0.0005)
            queue.timer = self._loop.call_later(wait, self._drain, gate)

    def _drain(self, gate: Gate) -> None:
        queue, now = self._queues[gate], monotonic()
        if queue.timer is not None:
            queue.timer.cancel()
            queue.timer = None
        dispatches = queue.dispatches
        while dispatches and now - dispatches[0].queued_at > self._patience.queue_seconds:
            dispatches.popleft().done(None, _PAUSED)
        while dispatches and not gate.paused and gate.take(now):
            dispatch = dispatches.popleft()
            self._launch(dispatch.lane, dispatch)
        if dispatches:
            self._drain_later(gate, queue, now)

    def _launch(self, lane: Lane, dispatch: Dispatch) -> None:
        if dispatch.abandoned:
            dispatch.done(None, _KILLED)
            return
        if not (dispatch.alone or dispatch.replayed):
            connection = self._idle_of(lane, dispatch)
            if connection is not None:
                self._send(connection, dispatch)
                return
        if dispatch.urgent or self._may_open(lane):
            # An urgent one gets a connection beyond the limit: those there are may all hang.
            self._dial(lane, dispatch)
        else:
            lane.waiting.append(dispatch)
            self._hungry[lane] = None

    def _idle_of(self, lane: Lane, dispatch: Dispatch) -> Connection | None:
        idle = lane.idle
        while idle:
            connection = idle.pop()
            self._idle -= 1
            if connection.closed:
                continue
            if dispatch.replayable or monotonic() - connection.idle_since < _FRESH_SECONDS:
                return connection
            connection.abort()
        return None

    def _send(self, connection: Connection, dispatch: Dispatch) -> None:
        target, request = dispatch.lane.target, dispatch.request
        if request.raw is None:
            what = f"{request.method} {dispatch.lane.origin}{request.target}"
        else:
            what = f"RAW {dispatch.lane.origin} {request.raw[:200]!r}"
        try:
            self._guard.sending(what, target.host, connection.opening.peer, target.port)
        except (OutOfScope, Stopped) as error:
            connection.abort()
            dispatch.done(None, failure_of(error))
            return
        dispatch.start()
        connection.send(dispatch)

    def _dial(self, lane: Lane, dispatch: Dispatch) -> None:
        """Begin to open a connection, which counts from now on."""
        assert lane.gate is not None
        dispatch.start()
        lane.gate.open += 1
        self._opening += 1
        dial = self._spawn(self._opened(lane, dispatch.deadline))
        dial.add_done_callback(partial(self._dialled, lane, dispatch))

    def _dialled(self, lane: Lane, dispatch: Dispatch, dial: "asyncio.Task[Connection]") -> None:
        """Send over the new connection, or tell why there is none."""
        assert lane.gate is not None
        self._opening -= 1
        error = None if dial.cancelled() else dial.exception()
        connection = None if dial.cancelled() or error is not None else dial.result()
        if connection is not None and not connection.closed and not self._closed:
            self._connections[connection] = None
            self._send(connection, dispatch)
            return
        lane.gate.open -= 1
        failure = _KILLED if dial.cancelled() or self._closed else _GONE
        if isinstance(error, NotOpened):
            failure = error.failure
            lane.gate.learn_failure(monotonic())
        elif error is not None:
            failure = Failure(Reason.BUG, Text(f"程序缺陷:{error!r}", f"our bug: {error!r}"))
        if connection is not None:
            connection.abort()
        dispatch.done(None, failure)
        self._feed()

    async def _opened(self, lane: Lane, deadline: float) -> Connection:
        try:
            async with asyncio.timeout(deadline - monotonic()):
                return await self._open(lane)
        except TimeoutError as error:
            raise NotOpened(timed_out(Phase.TOTAL)) from error

    async def _open(self, lane: Lane) -> Connection:
        began = monotonic()
        # The guard remembers an answer for a while; when it asks anew, the new addresses are checked anew.
        lane.found = await self._dialer.resolve(lane.target)
        opening = Opening(peer="", resolve_seconds=monotonic() - began)
        connection = Connection(self, self._outbox, lane, lane.heads, opening)
        await self._dialer.open(lane.target, lane.found, connection)
        return connection

    def _may_open(self, lane: Lane) -> bool:
        """Whether one more connection may be opened; one that idles elsewhere is given up for it."""
        gate = lane.gate
        assert gate is not None
        if gate.open >= self._pace.connections:
            self._evict(gate)
            return False
        if len(self._connections) + self._opening >= self._pace.total_connections:
            self._evict(None)
            return False
        return True

    def _evict(self, gate: Gate | None) -> None:
        """Close the connection that idles longest; when it is gone, the hungry are fed."""
        if not self._idle:
            return
        for connection in self._connections:
            lane = connection.lane
            assert isinstance(lane, Lane)
            if connection.flight is None and not connection.closed and gate in (None, lane.gate):
                connection.abort()
                return

    def _release(self, lane: Lane, connection: Connection, now: float) -> None:
        """Give a free connection on: to its own lane first, now and then to others at the same address."""
        if self._hungry and (not lane.waiting or connection.carried % _TURNS == 0) and self._starved(lane):
            connection.abort()
        elif lane.waiting:
            self._send(connection, self._next_waiting(lane))
        else:
            connection.idle_since = now
            lane.idle.append(connection)
            self._idle += 1

    def _starved(self, lane: Lane) -> bool:
        """Whether another lane waits for what this one holds."""
        full = len(self._connections) + self._opening >= self._pace.total_connections
        return any(other is not lane and (full or other.gate is lane.gate) for other in self._hungry)

    def _next_waiting(self, lane: Lane) -> Dispatch:
        dispatch = lane.waiting.popleft()
        if not lane.waiting:
            self._hungry.pop(lane, None)
        return dispatch

    def _feed(self) -> None:
        """Open connections for those that wait, each lane in its turn."""
        for lane in tuple(self._hungry):
            if len(self._connections) + self._opening >= self._pace.total_connections:
                return
            if lane.waiting and lane.gate is not None and lane.gate.open < self._pace.connections:
                dispatch = self._next_waiting(lane)
                if lane.waiting:
                    # To the end of the line.
                    self._hungry.pop(lane)
                    self._hungry[lane] = None
                self._dial(lane, dispatch)

    def _sweep_once(self) -> None:
        """Everything that a clock decides, for all connections at once: cheaper than a timer each."""
        self._sweep = self._loop.call_later(_SWEEP_SECONDS, self._sweep_once)
        if self._kill_file is not None and self._kill_file.exists():
            self._guard.stop.set()
        if self._guard.stop.is_set():
            self.kill()
            return
        now = monotonic()
        for connection in tuple(self._connections):
            if connection.flight is not None:
                connection.expire(now, self._patience)
            elif connection.idle_since and now - connection.idle_since > _IDLE_SECONDS:
                connection.abort()

    def _spawn(self, work: Coroutine[Any, Any, Given]) -> "asyncio.Task[Given]":
        task = self._loop.create_task(work)
        self._dials.add(task)
        task.add_done_callback(self._dials.discard)
        return task


def _retry_after(response: Response) -> float | None:
    """Seconds that the server asks us to wait; None when it does not say."""
    value = response.header("retry-after").strip()
    if not value:
        return None
    if value.isdigit():
        return float(value[:9])
    try:
        return max(0.0, (parsedate_to_datetime(value) - wall_clock()).total_seconds())
    except (ValueError, TypeError, IndexError):
        return None
