"""One program on a remote host, over one channel of a warm SSH connection.

Paramiko's own `exec_command` waits without limit for the host's reply, and fabric's `run` starts three threads that
sleep and poll; here the request is sent and everything that follows is awaited at once, in the calling thread.
"""

import shlex
import threading
import time
from collections.abc import Mapping
from enum import Enum, auto

from paramiko import Channel, Message, SSHException, Transport
from paramiko.common import cMSG_CHANNEL_REQUEST

from secops.execution.output import Output

KILL_AFTER_SECONDS = 2
_CHUNK_BYTES = 1 << 16
_FEED_BYTES = 1 << 13
"""Small enough to fit the socket's buffer, so that a frozen host does not hold us up past the deadline."""
_LINGER_SECONDS = 0.5
"""How long a stream may stay open after the program ended: a daemon that it started may hold it for ever."""
_LOOK_AGAIN_SECONDS = 0.1
_FEED_AGAIN_SECONDS = 0.005


class Ending(Enum):
    """How the conversation with a remote program ended."""

    EXITED = auto()
    SIGNALLED = auto()
    OUT_OF_TIME = auto()
    LOST = auto()
    """The connection broke; the program may have run, or may still run until the host's `timeout` ends it."""
    NOT_STARTED = auto()
    """The host refuses to run commands."""


def command_line(argv: tuple[str, ...], env: Mapping[str, str], seconds: float) -> str:
    """What the login shell of the host is given: every word quoted, so that it only starts the program.

    The program runs under the host's `timeout` (coreutils), which ends its process group when time is up even when
    the connection or this process is gone by then: TERM to all of it, and KILL when the program itself is still there
    after that; what ignored TERM and lost its parent to it runs on.
    """
    limited = ("timeout", "-k", str(KILL_AFTER_SECONDS), f"{max(seconds, 0.01):.2f}")
    settings = ("env", *(f"{name}={value}" for name, value in env.items())) if env else ()
    return shlex.join((*limited, *settings, *argv))


class RemoteProgram:
    """Feeds and drains one program until it ends; owns its channel."""

    def __init__(
        self, transport: Transport, channel: Channel, line: str, stdin: str, output: Output | None = None
    ) -> None:
        self._transport = transport
        self._channel = channel
        self._line = line
        self._pending = memoryview(stdin.encode(errors="surrogateescape"))
        self._bell = _Bell()
        self._input_open = True
        self.output = output or Output()
        self.errors = Output()

    @property
    def exit_code(self) -> int:
        """-1 when the host did not say."""
        return self._channel.exit_status

    def run(self, deadline: float) -> Ending:
        """Start it and stay with it until it ends, or the deadline (monotonic clock)."""
        try:
            self._start()
            if not self._exchange(deadline):
                return Ending.OUT_OF_TIME
        except (SSHException, OSError, EOFError):
            return Ending.LOST
        finally:
            # Ends the program's input and breaks its output pipe; the program itself is ended by `timeout`.
            self._channel.close()
        return self._ending()

    def _start(self) -> None:
        self._channel.in_buffer.set_event(self._bell)
        self._channel.in_stderr_buffer.set_event(self._bell)
        self._channel.settimeout(0.0)
        request = Message()
        request.add_byte(cMSG_CHANNEL_REQUEST)
        request.add_int(self._channel.remote_chanid)
        request.add_string("exec")
        request.add_boolean(True)
        request.add_string(self._line)
        self._transport._send_user_message(request)  # type: ignore[attr-defined]

    def _exchange(self, deadline: float) -> bool:
        """Feed and drain until the program ended and its streams did too, or linger; False when time is up first."""
        has_ended = False
        while True:
            self._bell.rearm()
            over = self._channel.closed or (self._channel.eof_received and self._channel.exit_status_ready())
            if not has_ended and self._channel.exit_status_ready():
                has_ended = True
                deadline = min(deadline, time.monotonic() + _LINGER_SECONDS)
            moved = self._drain() | self._feed()
            if over and not moved:
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return has_ended
            if not moved:
                self._bell.wait(min(left, _FEED_AGAIN_SECONDS if self._pending else _LOOK_AGAIN_SECONDS))

    def _drain(self) -> bool:
        moved = False
        if self._channel.recv_ready():
            self.output.add(self._channel.recv(_CHUNK_BYTES))
            moved = True
        if self._channel.recv_stderr_ready():
            self.errors.add(self._channel.recv_stderr(_CHUNK_BYTES))
            moved = True
        return moved

    def _feed(self) -> bool:
        """A program that does not want its input has closed it, or ended: that is no failure."""
        if not self._input_open or self._channel.closed:
            return False
        moved = False
        try:
            if self._pending and self._channel.send_ready():
                self._pending = self._pending[self._channel.send(bytes(self._pending[:_FEED_BYTES])) :]
                moved = True
            if not self._pending:
                self._channel.shutdown_write()
                self._input_open = False
        except TimeoutError:
            return moved
        except OSError:
            self._pending = self._pending[:0]
            self._input_open = False
        return moved

    def _ending(self) -> Ending:
        if self._channel.exit_status >= 0:
            return Ending.EXITED
        if not self._connection_lives():
            return Ending.LOST
        return Ending.SIGNALLED if self._channel.event_ready else Ending.NOT_STARTED

    def _connection_lives(self) -> bool:
        """A channel learns of a broken connection a moment before the connection admits it."""
        give_up = time.monotonic() + _LOOK_AGAIN_SECONDS
        while self._transport.is_active() and time.monotonic() < give_up:
            time.sleep(_FEED_AGAIN_SECONDS)
        return self._transport.is_active()


class _Bell(threading.Event):
    """Rung by either stream of a channel. Each stream clears it when itself is empty, which would lose the other's."""

    def clear(self) -> None:
        """Not on a stream's word."""

    def rearm(self) -> None:
        """Silence, before looking at the streams."""
        super().clear()
