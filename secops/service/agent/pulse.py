"""The dead man's switch of an entry: a sign of life that the entry itself asks for, several times a second.

It is given by the same loop that guards the cluster. When that loop is frozen, or its process gone, there is silence, and
HAProxy closes by itself what it was led to. A word over the runtime socket would need somebody alive to say it.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from secops.coordination.lease_times import Clock, boot_clock
from secops.model.text import Text
from secops.support.errors import BadInput

_BEAT_SECONDS = 0.1
_GAP_SECONDS = 1.0
"""A loop that stood still for longer has missed something."""
_SETTLE_SECONDS = 2.0
"""After that, before life is told of again: everything has been looked at anew by then."""
_REQUEST_SECONDS = 1.0
_PATH = "/pulse/"


class Pulse:
    """Begins with `run`, which goes on until it is cancelled. Answers `GET /pulse/CLUSTER`: 200 alive, 503 not, 404 unknown."""

    def __init__(
        self, address: str, port: int, guards: Callable[[str], bool | None], clock: Clock = boot_clock
    ) -> None:
        """`guards` tells whether the cluster's state is known here; None for a cluster that is none."""
        self._address = address
        self._port = port
        self._guards = guards
        self._clock = clock
        self._beat_at = clock()
        self._steady_from = 0.0

    @property
    def steady(self) -> bool:
        """Whether the loop goes on, and has for a while since it last stood still."""
        return self._clock() - self._beat_at <= _GAP_SECONDS and self._clock() >= self._steady_from

    async def run(self) -> None:
        """Listen and beat. Raises BadInput when nobody can listen there."""
        try:
            server = await asyncio.start_server(self._answer, self._address, self._port, reuse_address=True)
        except OSError as error:
            where = f"{self._address}:{self._port}"
            raise BadInput(Text(f"无法监听 {where}:{error}", f"{where} cannot be listened on: {error}")) from None
        async with server:
            while True:
                self._beat()
                await asyncio.sleep(_BEAT_SECONDS)

    def _beat(self) -> None:
        moment = self._clock()
        if moment - self._beat_at > _GAP_SECONDS:
            self._steady_from = moment + _SETTLE_SECONDS
        self._beat_at = moment

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ValueError, TimeoutError):
            async with asyncio.timeout(_REQUEST_SECONDS):
                line = (await reader.readline()).decode("latin-1").split(" ")
                status = self._status(line[1] if len(line) > 1 else "")
                writer.write(f"HTTP/1.0 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
                await writer.drain()
        writer.close()

    def _status(self, path: str) -> str:
        guards = self._guards(path.removeprefix(_PATH)) if path.startswith(_PATH) else None
        if guards is None:
            return "404 Not Found"
        return "200 OK" if guards and self.steady else "503 Service Unavailable"
