"""Look at a tree that comes as a tar stream from elsewhere: one file at a time lies here, nameless, and is then gone."""

import os
import tarfile
import tempfile
import time
from collections.abc import Sequence
from typing import IO

from scanners.files.check import Limits, Look, Means, shown
from scanners.files.look import Looked, begin_looks, checks_named, everywhere, look_at_file
from secops.model.text import Text

_LIMITS = Limits()
_CHUNK_BYTES = 1 << 20


def look_at_stream(
    stream: IO[bytes], means: Means, checks: Sequence[str] = (), limits: Limits = _LIMITS, seconds: float = 900.0
) -> tuple[Looked, ...]:
    """As `look_at_tree`. Whatever is wrong with the stream leaves the rest of the tree not looked at."""
    deadline = time.monotonic() + seconds
    looks, looked = begin_looks(checks_named(checks), means, named=bool(checks))
    if looks:
        try:
            with tarfile.open(fileobj=stream, mode="r|", errors="surrogateescape") as archive:
                _look_at_members(archive, looks, looked, limits, deadline)
        except (tarfile.TarError, EOFError, ValueError, OSError) as error:
            broken = Text(f"传来的目录树中断或损坏:{error}", f"what came of the tree is cut short or broken: {error}")
            everywhere(looked, ".", broken)
    return tuple(looked.values())


def _look_at_members(
    archive: tarfile.TarFile, looks: dict[str, Look], looked: dict[str, Looked], limits: Limits, deadline: float
) -> None:
    for member in archive:
        # Else every name of the tree would be remembered.
        archive.members = []  # type: ignore[attr-defined]
        name = shown(os.fsencode(member.name.removeprefix("./")))
        if time.monotonic() > deadline:
            late = Text("扫描时间已用完,其余文件未检查", "time was up; the files after this one were not looked at")
            everywhere(looked, name, late)
            return
        if not member.isreg():
            continue
        with tempfile.TemporaryFile(prefix="jindun-scan-") as file:
            if member.size > limits.file_bytes:
                # It is refused for its size, which a hole has too.
                file.truncate(member.size)
            else:
                _take_out(archive, member, file)
            look_at_file(file.fileno(), name, looks, looked, limits)


def _take_out(archive: tarfile.TarFile, member: tarfile.TarInfo, file: IO[bytes]) -> None:
    content = archive.extractfile(member)
    assert content is not None, "it is a regular file"
    while chunk := content.read(_CHUNK_BYTES):
        file.write(chunk)
    file.flush()
