"""A relay before a TCP server whose connections the test can cut, silence and refuse. Lives in the test's event loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class CuttingProxy:
    """`refusing`: new connections are closed at once. `silent`: what the server says is swallowed."""

    target_port: int
    port: int = 0
    refusing: bool = False
    silent: bool = False
    writers: set[asyncio.StreamWriter] = field(default_factory=set)
    accepted: int = 0

    @property
    def endpoint(self) -> str:
        """As clients of HTTP dial it."""
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Reset every connection."""
        for writer in list(self.writers):
            with suppress(RuntimeError):
                writer.transport.abort()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        try:
            if self.refusing:
                return
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            return
        finally:
            if self.refusing:
                writer.transport.abort()
        self.writers |= {writer, far_writer}
        try:
            await asyncio.gather(self._pump(reader, far_writer, says=False), self._pump(far_reader, writer, says=True))
        finally:
            self.writers -= {writer, far_writer}
            for one in (writer, far_writer):
                one.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, says: bool) -> None:
        with suppress(OSError):
            while chunk := await reader.read(1 << 16):
                if not (says and self.silent):
                    writer.write(chunk)
                    await writer.drain()
            writer.transport.abort()


@asynccontextmanager
async def cutting(target_port: int) -> AsyncIterator[CuttingProxy]:
    """Keep one running on a free loopback port."""
    proxy = CuttingProxy(target_port)
    server = await asyncio.start_server(proxy.handle, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.cut()
        await asyncio.sleep(0)
