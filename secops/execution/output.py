"""What a program wrote, kept up to a limit, and the result that its end amounts to."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from secops.execution.runner import failure
from secops.model.step import Command, Result, Trouble
from secops.support.language import say

LIMIT_BYTES = 4 << 20
"""Of each stream; what exceeds it is read and dropped, so that the program is not held up."""
NOT_FOUND = 127
"""The exit code by which shells, `env` and `timeout` say that there is no such program."""


Overhears = Callable[[str], bool]
"""Is told each line of a program that runs, with its end (`\r`, `\n`, both or none); whether the line was for it and
is to be kept nowhere."""
_overhears: ContextVar[Overhears | None] = ContextVar("overhears", default=None)
_LINE_END = re.compile(rb"\r\n|\r|\n")
_LONGEST_LINE_BYTES = 1 << 16


@contextmanager
def overheard(by: Overhears) -> Iterator[None]:
    """Whatever this thread runs meanwhile, by whichever runner, is overheard."""
    token = _overhears.set(by)
    try:
        yield
    finally:
        _overhears.reset(token)


class Output:
    """Gathers one stream."""

    __slots__ = ("_chunks", "_open_line", "_overhears", "_room", "dropped_bytes")

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self._chunks: list[bytes] = []
        self._room = limit_bytes
        self._overhears = _overhears.get()
        self._open_line = b""
        self.dropped_bytes = 0

    def add(self, chunk: bytes) -> None:
        """Keep what fits, and is not for who overhears."""
        if self._overhears:
            for piece in self._lines(chunk):
                if not self._overhears(piece.decode(errors="replace")):
                    self._keep(piece)
            return
        self._keep(chunk)

    def _lines(self, chunk: bytes) -> Iterator[bytes]:
        """The lines that ended, each with its end; the open one is held back, unless it is long."""
        text, start = self._open_line + chunk, 0
        for end in _LINE_END.finditer(text):
            yield text[start : end.end()]
            start = end.end()
        self._open_line = text[start:]
        if len(self._open_line) > _LONGEST_LINE_BYTES:
            self._keep(self._open_line)
            self._open_line = b""

    def _keep(self, chunk: bytes) -> None:
        if len(chunk) <= self._room:
            self._chunks.append(chunk)
            self._room -= len(chunk)
            return
        self._chunks.append(chunk[: self._room])
        self.dropped_bytes += len(chunk) - self._room
        self._room = 0

    def text(self) -> str:
        """As UTF-8; what is not becomes the replacement character."""
        if self._overhears and self._open_line:
            last, self._open_line = self._open_line, b""
            if not self._overhears(last.decode(errors="replace")):
                self._keep(last)
        return b"".join(self._chunks).decode(errors="replace")


class Poured(Output):
    """Hands a stream on as it comes, and keeps nothing of it."""

    __slots__ = ("_into",)

    def __init__(self, into: Callable[[bytes], None]) -> None:
        super().__init__()
        self._into = into

    def add(self, chunk: bytes) -> None:
        self._into(chunk)


def ended(command: Command, exit_code: int, output: Output, errors: Output, seconds: float) -> Result:
    """The program ran to its end. `exit_code` is negative when a signal ended it."""
    ok = exit_code in command.good_exit_codes
    notes = [dropped_note(output, errors)]
    error_text = errors.text()
    if not ok:
        notes.insert(0, _why(command, exit_code, error_text))
    return Result(
        ok=ok,
        output=output.text(),
        error_output=error_text,
        exit_code=exit_code,
        trouble=Trouble.NONE if ok else Trouble.FAILED,
        reason="; ".join(filter(None, notes)),
        seconds=seconds,
    )


def timed_out(
    command: Command, timeout_seconds: float, output: Output, errors: Output, seconds: float, exit_code: int = 0
) -> Result:
    """The program did not end in time."""
    return failure(
        Trouble.TIMEOUT,
        zh=f"{command.argv[0]} 在 {timeout_seconds:g} 秒内未结束,已被终止",
        en=f"{command.argv[0]} did not end within {timeout_seconds:g} s and was stopped",
        seconds=seconds,
        output=output.text(),
        error_output=errors.text(),
        exit_code=exit_code,
    )


def not_installed(program: str, seconds: float) -> Result:
    """There is no such program."""
    return failure(
        Trouble.FAILED, zh=f"未安装:{program}", en=f"not installed: {program}", seconds=seconds, exit_code=NOT_FOUND
    )


def dropped_note(output: Output, errors: Output) -> str:
    """How much was dropped; empty when nothing was."""
    dropped = output.dropped_bytes + errors.dropped_bytes
    if not dropped:
        return ""
    limit = f"{LIMIT_BYTES >> 20} MiB"
    return say(
        zh=f"输出超过 {limit},其余 {dropped} 字节已丢弃",
        en=f"output over {limit}: the other {dropped} bytes were dropped",
    )


def _why(command: Command, exit_code: int, error_text: str) -> str:
    """The exit code and the last line of complaint."""
    lines = error_text.strip().splitlines()
    detail = f": {lines[-1].strip()[:300]}" if lines else ""
    program = command.argv[0]
    if exit_code < 0:
        return say(zh=f"{program} 被信号终止{detail}", en=f"{program} was ended by a signal{detail}")
    return say(zh=f"{program} 的退出码为 {exit_code}{detail}", en=f"{program} ended with exit code {exit_code}{detail}")
