"""The audit log of a scan: one JSON line for everything that was sent or refused, in order."""

import asyncio
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import orjson

from scanners.scope import Touch

_FLUSH_SECONDS = 0.2
"""What a killed process may lose, at most."""
_FLUSH_LINES = 512
_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z


class AuditLog:
    """Appends to a file: give `record` to the guard as its audit. Lines are written in batches."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        self._waiting: list[Touch] = []
        self._lock = threading.Lock()
        self._broken: OSError | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def record(self, touch: Touch) -> None:
        """Take one line; it is on its way to the disk 0.2 s later. Raises OSError once a line could not be written."""
        if self._broken is not None:
            raise self._broken
        waiting = self._waiting
        waiting.append(touch)
        if len(waiting) == 1:
            self._flush_soon()
        elif len(waiting) >= _FLUSH_LINES:
            self.flush()

    def flush(self) -> None:
        """Write what waits. Raises OSError: a scan that cannot be audited must not go on."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
            if waiting:
                try:
                    self._file.write(b"".join(map(_line, waiting)))
                except OSError as error:
                    self._broken = error
                    raise

    def close(self) -> None:
        """Write what waits, and let go of the file."""
        if not self._file.closed:
            self.flush()
            self._file.close()

    def _flush_soon(self) -> None:
        try:
            asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self._flush_late)
        except RuntimeError:
            self.flush()

    def _flush_late(self) -> None:
        if not self._file.closed:
            with suppress(OSError):
                self.flush()  # The next line finds out.


def _line(touch: Touch) -> bytes:
    # As a dict: half the time of the dataclass itself.
    fields = {
        "at": touch.at,
        "what": touch.what,
        "host": touch.host,
        "address": touch.address,
        "port": touch.port,
        "refused": touch.refused,
    }
    try:
        return orjson.dumps(fields, option=_OPTIONS)
    except (TypeError, orjson.JSONEncodeError):
        # Text that is not Unicode: half of a surrogate pair in a target.
        fields["what"] = touch.what.encode("utf-8", "backslashreplace").decode()
        return orjson.dumps(fields, option=_OPTIONS)
