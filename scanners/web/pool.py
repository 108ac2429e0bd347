"""Keeps connections busy: requests wait for the rate of their address, then for a connection, and go."""

import asyncio
from collections.abc import Coroutine
from email.utils import parsedate_to_datetime
from functools import partial
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from scanners.endings import OutOfScope, Stopped
from scanners.scope import Address, Guard
from scanners.web.connection import Connection, Flight, Opening, Outbox, timed_out
from scanners.web.dialing import Dialer, NotOpened, failure_of
from scanners.web.lane import Dispatch, Lane, Queue
from scanners.web.limits import Patience
from scanners.web.message import Failure, Phase, Reason, Response, Target
from scanners.web.pace import Gate, Pace
from secops.model.text import Text
from secops.support.clock import now as wall_clock

Given = TypeVar("Given")
_SWEEP_SECONDS = 0.05
_FORGETS = 0.9
"""What is left of a lateness from one sweep to the next."""
_IDLE_SECONDS = 15.0
_FRESH_SECONDS = 1.0
"""A request that must not be sent twice goes over a connection that was used this recently, or over a new one."""
_TURNS = 64
"""Requests of one lane after which a connection is given up for the others that wait at the same address."""
_LOOKS = 8
"""Queues that are looked at when a place is free; the others have their turn next time."""
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
        self._queues: dict[Address, Queue] = {}
        self._connections: dict[Connection, None] = {}
        self._hungry: dict[Queue, None] = {}
        """Those with hungry lanes, the next one first."""
        self._opening = 0
        self._idle = 0
        self._closed = False
        self._dials: set[asyncio.Task[Any]] = set()
        self._sweep_due = monotonic() + _SWEEP_SECONDS
        self._sweep = self._loop.call_later(_SWEEP_SECONDS, self._sweep_once)
        self.late_seconds = 0.0
        """How late this process has been of late: so much of what an answer took may be our own."""

    def submit(self, dispatch: Dispatch) -> None:
        """Send it as soon as the rate and the connections allow; its `done` is called exactly once, maybe at once."""
        if self._closed or self._guard.stop.is_set():
            dispatch.done(None, _KILLED)
            return
        lane = dispatch.lane
        queue = lane.queue
        if queue is None:
            self._resolve_first(lane, dispatch)
            return
        now, gate = monotonic(), queue.gate
        if dispatch.urgent or (not queue.dispatches and not gate.paused and gate.take(now)):
            self._launch(lane, dispatch)
        else:
            dispatch.queued_at = now
            queue.dispatches.append(dispatch)
            self._drain_later(queue, now)

    def lane_of(self, target: Target) -> "Lane":
        """Where requests to a target queue up."""
        lane = self._lanes.get(target)
        if lane is None:
            lane = self._lanes[target] = Lane(target, self._dialer.forwards(target))
        return lane

    def gate_of(self, target: Target) -> Gate | None:
        """What was learned of the address of a target; None before the first request."""
        lane = self._lanes.get(target)
        return lane.queue.gate if lane and lane.queue else None

    def pause(self, gate: Gate) -> None:
        """Send nothing more to an address but what is urgent."""
        gate.paused = True

    def resume(self, gate: Gate) -> None:
        """Go on."""
        gate.paused = False
        for queue in self._queues.values():
            if queue.gate is gate:
                self._drain(queue)

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
            queue.hungry.clear()
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
        lane, now = flight.lane, monotonic()
        assert lane.queue is not None
        gate = lane.queue.gate
        if response is not None:
            status = response.status
            retry_after = _retry_after(response) if status in (429, 503) else None
            gate.learn(now, status, max(0.0, response.timings.first_byte - self.late_seconds), retry_after)
        elif failure is not None and failure.reason is not Reason.KILLED:
            if failure.reason in _UNTOUCHED and connection.carried > 1 and flight.replayable and not flight.replayed:
                flight.replayed = True
                self._launch(lane, flight)
                return
            gate.learn_failure(now)
        if not connection.closed:
            self._release(lane, connection, now)
        flight.done(response, failure)

    def lost(self, connection: Connection) -> None:
        """Called by a connection that is gone."""
        if connection not in self._connections:
            return
        del self._connections[connection]
        lane = connection.lane
        assert isinstance(lane, Lane)
        _gate(lane).open -= 1
        if connection in lane.idle:
            lane.idle.remove(connection)
            self._idle -= 1
        self._feed(lane.queue)

    # The ways of a dispatch: resolved, given a token, given a connection.

    def _resolve_first(self, lane: Lane, dispatch: Dispatch) -> None:
        lane.resolving.append(dispatch)
        if len(lane.resolving) == 1:
            self._spawn(self._resolve(lane))

    async def _resolve(self, lane: Lane) -> None:
        failure, began = _KILLED, monotonic()
        try:
            lane.found = await self._dialer.resolve(lane.target)
            lane.resolve_seconds = monotonic() - began
            lane.queue = self._queue_at(lane.found[0])
        except NotOpened as error:
            failure = error.failure
        waiting, lane.resolving = lane.resolving, []
        for dispatch in waiting:
            if lane.queue is not None:
                self.submit(dispatch)
            else:
                dispatch.done(None, failure)

    def _queue_at(self, address: Address) -> Queue:
        queue = self._queues.get(address)
        if queue is None:
            queue = self._queues[address] = Queue(Gate(str(address), self._pace))
        return queue

    def _drain_later(self, queue: Queue, now: float) -> None:
        if queue.timer is None:
            wait = max(queue.gate.wait_seconds(now), _SWEEP_SECONDS if queue.gate.paused else 0.0005)
            queue.timer = self._loop.call_later(wait, self._drain, queue)

    def _drain(self, queue: Queue) -> None:
        gate, now = queue.gate, monotonic()
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
            self._drain_later(queue, now)

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
            self._wait(lane, dispatch)

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
        except OSError as error:
            # What cannot be put on record is not sent, now or later.
            self._guard.stop.set()
            connection.abort()
            why = Text(f"审计日志无法写入,扫描已停止:{error}", f"the audit cannot be written, all is stopped: {error}")
            dispatch.done(None, Failure(Reason.KILLED, why))
            return
        dispatch.start()
        connection.send(dispatch)

    def _dial(self, lane: Lane, dispatch: Dispatch) -> None:
        """Begin to open a connection, which counts from now on."""
        dispatch.start()
        _gate(lane).open += 1
        self._opening += 1
        dial = self._spawn(self._opened(lane, dispatch.deadline))
        dial.add_done_callback(partial(self._dialled, lane, dispatch))

    def _dialled(self, lane: Lane, dispatch: Dispatch, dial: "asyncio.Task[Connection]") -> None:
        """Send over the new connection, or tell why there is none."""
        self._opening -= 1
        error = None if dial.cancelled() else dial.exception()
        connection = None if dial.cancelled() or error is not None else dial.result()
        if connection is not None and not connection.closed and not self._closed:
            self._connections[connection] = None
            self._send(connection, dispatch)
            return
        _gate(lane).open -= 1
        failure = _KILLED if dial.cancelled() or self._closed else _GONE
        if isinstance(error, NotOpened):
            failure = error.failure
            _gate(lane).learn_failure(monotonic())
        elif error is not None:
            failure = Failure(Reason.BUG, Text(f"程序缺陷:{error!r}", f"our bug: {error!r}"))
        if connection is not None:
            connection.abort()
        dispatch.done(None, failure)
        self._feed(lane.queue)

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
        opening = Opening(peer="", resolve_seconds=monotonic() - began + lane.resolve_seconds)
        lane.resolve_seconds = 0.0
        connection = Connection(self, self._outbox, lane, lane.heads, opening)
        await self._dialer.open(lane.target, lane.found, connection)
        return connection

    @property
    def _full(self) -> bool:
        return len(self._connections) + self._opening >= self._pace.total_connections

    def _may_open(self, lane: Lane) -> bool:
        """Whether one more connection may be opened; one that idles elsewhere is given up for it."""
        gate = _gate(lane)
        if gate.open >= self._pace.connections:
            self._evict(gate)
            return False
        if self._full:
            self._evict(None)
            return False
        return True

    def _evict(self, gate: Gate | None) -> None:
        """Close the connection that idles longest; when it is gone, the hungry are fed."""
        if not self._idle:
            return
        idle = (one for one in self._connections if one.flight is None and not one.closed)
        fitting = (one for one in idle if gate is None or _gate(_lane(one)) is gate)
        oldest = min(fitting, key=lambda one: one.idle_since, default=None)
        if oldest is not None:
            oldest.abort()

    def _release(self, lane: Lane, connection: Connection, now: float) -> None:
        """Give a free connection on: to its own lane first, now and then to others that wait for it."""
        waiting = lane.waiting
        if not self._hungry:
            self._keep(lane, connection, now)
        elif (not waiting or connection.carried % _TURNS == 0) and self._starves(lane):
            connection.abort()
        elif waiting and (waiting[0].alone or waiting[0].replayed):
            connection.abort()  # These want one of their own, which they get when this one is gone.
        elif waiting:
            self._send(connection, self._next_waiting(lane))
        else:
            self._keep(lane, connection, now)

    def _keep(self, lane: Lane, connection: Connection, now: float) -> None:
        connection.idle_since = now
        lane.idle.append(connection)
        self._idle += 1

    def _starves(self, lane: Lane) -> bool:
        """Whether another lane waits for what this one holds."""
        queue = lane.queue
        assert queue is not None
        others = len(queue.hungry) - (lane in queue.hungry)
        return others > 0 or (self._full and len(self._hungry) > (queue in self._hungry))

    def _wait(self, lane: Lane, dispatch: Dispatch) -> None:
        assert lane.queue is not None
        lane.waiting.append(dispatch)
        lane.queue.hungry[lane] = None
        self._hungry[lane.queue] = None

    def _next_waiting(self, lane: Lane) -> Dispatch:
        """The first that waits in a lane; the lane goes to the end of the line."""
        queue = lane.queue
        assert queue is not None
        dispatch = lane.waiting.popleft()
        queue.hungry.pop(lane, None)
        if lane.waiting:
            queue.hungry[lane] = None
        if not queue.hungry:
            self._hungry.pop(queue, None)
        return dispatch

    def _feed(self, queue: Queue | None) -> None:
        """A place is free at a queue, or in the whole: open connections for those that wait."""
        if queue is not None and queue.hungry:
            self._feed_one(queue)
        for hungry in tuple(islice(self._hungry, _LOOKS)):
            # To the end of the line, whether it can be fed or not.
            self._hungry.pop(hungry)
            self._hungry[hungry] = None
            self._feed_one(hungry)

    def _feed_one(self, queue: Queue) -> None:
        while queue.hungry and not self._full and queue.gate.open < self._pace.connections:
            lane = next(iter(queue.hungry))
            self._dial(lane, self._next_waiting(lane))

    def _sweep_once(self) -> None:
        """Everything that a clock decides, for all connections at once: cheaper than a timer each."""
        self._sweep = self._loop.call_later(_SWEEP_SECONDS, self._sweep_once)
        now = monotonic()
        self.late_seconds = max(now - self._sweep_due, _FORGETS * self.late_seconds)
        self._sweep_due = now + _SWEEP_SECONDS
        if self._kill_file is not None and self._kill_file.exists():
            self._guard.stop.set()
        if self._guard.stop.is_set():
            self.kill()
            return
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


def _lane(connection: Connection) -> Lane:
    lane = connection.lane
    assert isinstance(lane, Lane)
    return lane


def _gate(lane: Lane) -> Gate:
    assert lane.queue is not None
    return lane.queue.gate


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
