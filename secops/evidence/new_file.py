"""A file that is there completely or not at all, and never in the place of another."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from secops.model.text import Text
from secops.support.errors import BadInput, Incomplete
from secops.support.system_words import why


class AlreadyThere(BadInput):
    """A file of that name exists; it was left alone."""

    def __init__(self, path: Path) -> None:
        super().__init__(Text(f"{path} 已存在,不会覆盖", f"{path} is already there and is not overwritten"))


class NewFile:
    """A file while it is written, under a name of its own."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._file = file

    def write(self, content: bytes) -> None:
        """Append. Raises Incomplete when the disk refuses."""
        with _disk_may_refuse(self._path):
            self._file.write(content)


@contextmanager
def new_file(path: Path, mode: int = 0o600) -> Iterator[NewFile]:
    """Write `path` under a name beside it; on a clean exit it is on disk and appears at once.

    Raises AlreadyThere, before or after writing, and Incomplete when the disk refuses. A process killed in between
    leaves a `.NAME.*.part` file, which is safe to delete.
    """
    if path.exists() or path.is_symlink():
        raise AlreadyThere(path)
    with _disk_may_refuse(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:60]}.", suffix=".part")
    part, file = Path(name), os.fdopen(handle, "wb")
    try:
        yield NewFile(path, file)
        with _disk_may_refuse(path):
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
            _appear(part, path)
    finally:
        with suppress(OSError):  # what could not be flushed has been said already
            file.close()
        part.unlink(missing_ok=True)


def _appear(part: Path, path: Path) -> None:
    # A link fails when the name is taken, where a rename would silently replace the other writer's file.
    try:
        os.link(part, path)
    except FileExistsError as error:
        raise AlreadyThere(path) from error
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _disk_may_refuse(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        said = why(error)
        raise Incomplete(Text(f"无法写入 {path}:{said.zh}", f"{path} cannot be written: {said.en}")) from error
