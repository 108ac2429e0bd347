"""Talks to unix sockets of this machine: one line out, an answer back until the other end closes."""

import re
import socket
import time

from secops.execution.dial import left
from secops.execution.output import LIMIT_BYTES
from secops.execution.runner import failure
from secops.model.step import Dialogue, Result, Trouble
from secops.support.system_words import why

_CHUNK_BYTES = 1 << 16


class DialogueRunner:
    """As HAProxy's runtime socket wants it."""

    def perform(self, effect: Dialogue, timeout_seconds: float) -> Result:
        """As `Performs.perform`."""
        started = time.monotonic()
        if "\n" in effect.line:
            return failure(
                Trouble.REFUSED,
                zh="发往套接字的内容必须是一行",
                en="what is sent to a socket must be one line",
            )
        answer = bytearray()
        try:
            _converse(effect, answer, started + timeout_seconds)
        except OSError as error:
            return _failed(effect, error, answer, timeout_seconds, time.monotonic() - started)
        return _judged(effect, answer.decode(errors="replace"), time.monotonic() - started)


def _converse(dialogue: Dialogue, answer: bytearray, deadline: float) -> None:
    """Fill `answer` up to the limit; what came before an error stays in it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
        channel.settimeout(left(deadline))
        channel.connect(dialogue.socket)
        channel.sendall(dialogue.line.encode() + b"\n")
        while len(answer) < LIMIT_BYTES:
            channel.settimeout(left(deadline))
            chunk = channel.recv(min(_CHUNK_BYTES, LIMIT_BYTES - len(answer)))
            if not chunk:
                return
            answer += chunk


def _judged(dialogue: Dialogue, answer: str, seconds: float) -> Result:
    if re.search(dialogue.expect, answer):
        return Result(ok=True, output=answer, seconds=seconds)
    shown = answer.strip()[:300]
    return failure(
        Trouble.FAILED,
        zh=f"对“{dialogue.line}”的应答不含 {dialogue.expect!r}:{shown}",
        en=f"the answer to {dialogue.line!r} does not match {dialogue.expect!r}: {shown}",
        seconds=seconds,
        output=answer,
    )


def _failed(dialogue: Dialogue, error: OSError, answer: bytearray, timeout_seconds: float, seconds: float) -> Result:
    text = answer.decode(errors="replace")
    if isinstance(error, TimeoutError):
        return failure(
            Trouble.TIMEOUT,
            zh=f"套接字 {dialogue.socket} 在 {timeout_seconds:g} 秒内没有答完",
            en=f"the socket {dialogue.socket} did not finish its answer within {timeout_seconds:g} s",
            seconds=seconds,
            output=text,
        )
    said = why(error)
    return failure(
        Trouble.UNREACHABLE,
        zh=f"套接字 {dialogue.socket} 无法使用:{said.zh}",
        en=f"the socket {dialogue.socket} cannot be used: {said.en}",
        seconds=seconds,
        output=text,
    )
