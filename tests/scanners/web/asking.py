"""A scanning client to loopback for tests, and servers that record what came in byte for byte."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from scanners.safety import Safety
from scanners.scope import Guard
from scanners.web.client import Client
from scanners.web.limits import Limits, Patience
from scanners.web.loop import run as run_fast
from scanners.web.message import Answer, Request, Target
from scanners.web.pace import Pace
from tests.hostile.servers import Listener, listening
from tests.scanners.reaching import guard

Given = TypeVar("Given")
BRISK = Patience(
    resolve_seconds=1,
    connect_seconds=0.5,
    tls_seconds=0.5,
    first_byte_seconds=0.5,
    head_seconds=0.5,
    idle_seconds=0.4,
    total_seconds=1.5,
)
FAST = Pace(most=1e6, start=1e6, least=1e6)
GET = Request("GET", "/")


def asking(
    work: Callable[[Client], Coroutine[Any, Any, Given]],
    *,
    through: Guard | None = None,
    profile: Safety = Safety.INTRUSIVE,
    pace: Pace = FAST,
    patience: Patience = BRISK,
    limits: Limits | None = None,
    runner: Callable[[Coroutine[Any, Any, Given]], Given] = run_fast,
    **options: Any,
) -> Given:
    """Run a coroutine with a client of its own, in the loop that scans run in."""

    async def run() -> Given:
        async with Client(
            through or guard(), profile=profile, pace=pace, patience=patience, limits=limits, **options
        ) as client:
            return await work(client)

    return runner(run())


def at(server: Listener, scheme: str = "http") -> Target:
    """The target of a listener."""
    return Target(scheme, server.host, server.port)


def outcome(answer: Answer) -> str:
    """An answer in a word: the status, or the reason and the phase why there is none."""
    if answer.failure is not None:
        return " ".join(filter(None, (answer.failure.reason.value, answer.failure.phase.value)))
    assert answer.response is not None
    return str(answer.response.status)


@dataclass
class Recorder:
    """What came in over each connection."""

    received: list[bytearray] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)
    """One per request, the last one again and again."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Record, and answer whenever the sender falls silent for a moment."""
        came = bytearray()
        self.received.append(came)
        count = 0
        while True:
            piece = await reader.read(65536)
            if not piece:
                return
            came += piece
            writer.write(self.answers[min(count, len(self.answers) - 1)])
            count += 1
            await writer.drain()

    @property
    def bytes(self) -> list[bytes]:
        """Per connection."""
        return [bytes(came) for came in self.received]


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@asynccontextmanager
async def recording(*answers: bytes, host: str = "127.0.0.1") -> AsyncIterator[tuple[Listener, Recorder]]:
    """A server that records."""
    recorder = Recorder(answers=list(answers) or [OK])
    async with listening(recorder.serve, host=host) as server:
        yield server, recorder
