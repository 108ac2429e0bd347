"""Runs commands on the machine of the service."""

import errno
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping

from secops.execution.output import NOT_FOUND, Output, ended, not_installed, timed_out
from secops.execution.runner import failure
from secops.execution.secrets import SecretRefused, Secrets, Unlocked
from secops.model.step import Command, Result, Trouble
from secops.model.text import Text
from secops.support.system_words import why

_INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR")
_CHUNK_BYTES = 1 << 16
_TERMINATE_SECONDS = 1.0
"""Between TERM and KILL."""
_LINGER_SECONDS = 0.5
"""How long a stream may stay open after the program ended: a daemon that it started may hold it for ever."""


class LocalRunner:
    """Each program gets a session of its own; when time is up, all of that process group is ended: TERM, then KILL.

    A process that the program leaves running when it ends in time (a daemon) is left alone.
    """

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def perform(self, effect: Command, timeout_seconds: float) -> Result:
        """As `Performs.perform`."""
        started = time.monotonic()
        try:
            unlocked = self._secrets.unlock(effect)
        except SecretRefused as refusal:
            return failure(Trouble.REFUSED, zh=refusal.text.zh, en=refusal.text.en)
        return unlocked.redact(_run(effect, unlocked, timeout_seconds, started))


def _run(command: Command, unlocked: Unlocked, timeout_seconds: float, started: float) -> Result:
    try:
        process = _start(command, unlocked)
    except (OSError, ValueError) as error:
        return _did_not_start(command, unlocked, error, time.monotonic() - started)
    conversation = _Conversation(process, unlocked.stdin)
    try:
        in_time = conversation.until_ended(started + timeout_seconds)
    finally:
        conversation.close()
    seconds = time.monotonic() - started
    output, errors = conversation.output, conversation.errors
    if not in_time:
        return timed_out(command, timeout_seconds, output, errors, seconds, process.returncode)
    return ended(command, process.returncode, output, errors, seconds)


def _start(command: Command, unlocked: Unlocked) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        command.argv,
        stdin=subprocess.PIPE if unlocked.stdin else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_environment(unlocked.env),
        bufsize=0,
        start_new_session=True,
    )


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    """Little of our own, so that a run does not depend on who started the service."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {**inherited, **given}


def _did_not_start(command: Command, unlocked: Unlocked, error: Exception, seconds: float) -> Result:
    program = command.argv[0] if command.argv else ""
    path = _environment(unlocked.env).get("PATH")
    missing = isinstance(error, OSError) and error.errno == errno.ENOENT
    if missing and shutil.which(program, path=path) is None:
        return not_installed(program, seconds)
    said = why(error) if isinstance(error, OSError) else Text(str(error), str(error))
    return failure(
        Trouble.FAILED,
        zh=f"无法启动 {program}:{said.zh}",
        en=f"{program} cannot be started: {said.en}",
        seconds=seconds,
        exit_code=NOT_FOUND - 1,
    )


class _Conversation:
    """Feeds and drains one process until it ends."""

    def __init__(self, process: "subprocess.Popen[bytes]", stdin: str) -> None:
        self._process = process
        self._pending = memoryview(stdin.encode(errors="surrogateescape"))
        self.output = Output()
        self.errors = Output()
        self._ended = os.pidfd_open(process.pid)
        self._poll = select.poll()
        self._poll.register(self._ended, select.POLLIN)
        assert process.stdout and process.stderr
        self._streams = {process.stdout.fileno(): self.output, process.stderr.fileno(): self.errors}
        for stream in self._streams:
            self._poll.register(stream, select.POLLIN)
        if process.stdin:
            os.set_blocking(process.stdin.fileno(), False)
            self._poll.register(process.stdin.fileno(), select.POLLOUT)

    def until_ended(self, deadline: float) -> bool:
        """Whether the program ended by itself before the deadline; if not, its process group has been ended."""
        if self._exchange(deadline):
            self._process.wait()
            return True
        self._kill(signal.SIGTERM)
        self._exchange(time.monotonic() + _TERMINATE_SECONDS)
        self._kill(signal.SIGKILL)
        self._process.wait()
        return False

    def close(self) -> None:
        """Let go of everything; a process that still runs (we were interrupted) is ended."""
        if self._process.returncode is None:
            self._kill(signal.SIGKILL)
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream:
                stream.close()
        os.close(self._ended)

    def _kill(self, number: signal.Signals) -> None:
        """The leader has not been waited for, so its number cannot belong to others yet."""
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):
            return

    def _exchange(self, deadline: float) -> bool:
        """Feed and drain until the program ended and its streams did too, or linger; False when time is up first."""
        has_ended = False
        while self._streams or not has_ended:
            left = deadline - time.monotonic()
            if left <= 0:
                return has_ended
            for descriptor, _event in self._poll.poll(left * 1000):
                if descriptor == self._ended:
                    has_ended = True
                    self._poll.unregister(descriptor)
                    deadline = min(deadline, time.monotonic() + _LINGER_SECONDS)
                elif descriptor in self._streams:
                    self._drain(descriptor)
                else:
                    self._feed(descriptor)
        return True

    def _drain(self, descriptor: int) -> None:
        chunk = os.read(descriptor, _CHUNK_BYTES)
        if chunk:
            self._streams[descriptor].add(chunk)
            return
        self._poll.unregister(descriptor)
        del self._streams[descriptor]

    def _feed(self, descriptor: int) -> None:
        """A program that does not want its input has closed it, or ended: that is no failure."""
        try:
            self._pending = self._pending[os.write(descriptor, self._pending[:_CHUNK_BYTES]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._pending = self._pending[:0]
        if not self._pending:
            self._poll.unregister(descriptor)
            assert self._process.stdin
            self._process.stdin.close()
