"""A pipe between what writes in a thread of its own and what reads here."""

import os
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from secops.execution.runner import failure
from secops.model.step import Result, Trouble


class Pipe:
    """`write` runs in a thread while `stream` is read; use it in `with`, and read `result` afterwards.

    When the reader has enough, what is still written is read and dropped until the writer ends by itself or by its
    deadline; it never waits for a reader that is gone.
    """

    def __init__(self, write: Callable[[Callable[[bytes], None]], Result]) -> None:
        self._write = write
        self.result = failure(Trouble.INTERNAL, zh="尚未结束", en="it has not ended")
        reader, self._writer = os.pipe()
        self.stream = os.fdopen(reader, "rb")
        self._thread = threading.Thread(target=self._run, name="pipe", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            while self.stream.read(1 << 20):
                pass
        self.stream.close()
        self._thread.join()

    def _run(self) -> None:
        try:
            self.result = self._write(self._put)
        except BrokenPipeError:
            self.result = failure(Trouble.INTERNAL, zh="无人读取", en="nobody reads any more")
        except Exception as error:
            # It is a result like any other, as it would be of `Runners`.
            self.result = failure(Trouble.INTERNAL, zh=f"内部错误:{error}", en=f"internal error: {error}")
        finally:
            os.close(self._writer)

    def _put(self, chunk: bytes) -> None:
        waiting = memoryview(chunk)
        while waiting:
            waiting = waiting[os.write(self._writer, waiting) :]
