"""Templates as they were read, in one file for each source, so that the next start does not read YAML again.

An entry counts only when the digests of the file and of its payload files are still the same, and when this very reader
wrote it. An archive that is the same as a whole is not even opened. A cache that is damaged or cannot be written is no
cache; nothing fails for it.
"""

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import orjson

from scanners.web.templates.model import Refused, Template
from scanners.web.templates.rows import from_row, row_of

_DAMAGED = (KeyError, TypeError, ValueError, IndexError)


def digest_of(content: bytes) -> str:
    """Of the content of a file."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _reader_version() -> str:
    """Of the code that reads templates: whatever is changed there, nothing old is taken for right."""
    digest = hashlib.blake2b(digest_size=16)
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """What was read of one file."""

    digest: str
    payload_files: tuple[tuple[str, str], ...]
    """Names and digests of the files that it names; an empty digest for one that is not there."""
    found: Template | Refused | None
    """None for a file that is no template."""


class Cache:
    """The entries of one source: a line that names the reader, the digest of an archive and how many there are, then a
    line for each file, in their order; read when it is asked for.
    """

    def __init__(self, file: Path, archive: str) -> None:
        self._file, self._archive = file, archive
        self._was = ""
        self._stored = self._used = 0

    @classmethod
    def of(cls, folder: Path, label: str, archive: str = "") -> "Cache":
        """The cache of the source of that name; `archive` is the digest of it as a whole, when it is a file."""
        return cls(folder / f"templates-{digest_of(label.encode())}.jsonl", archive)

    def whole(self) -> list[Template | Refused] | None:
        """Everything that is in the archive; None when it is another one by now, or the cache is not whole."""
        try:
            with self._file.open("rb") as stream:
                version, was, count = _head(stream.readline())
                if not self._archive or (version, was) != (_reader_version(), self._archive):
                    return None
                # Line by line: all of them at once are a good part of the memory of a scan.
                read = [from_row(orjson.loads(line)[3]) for line in stream]
        except (OSError, *_DAMAGED):
            return None
        return [found for found in read if found is not None] if len(read) == count else None

    @cached_property
    def _lines(self) -> dict[str, bytes]:
        try:
            with self._file.open("rb") as stream:
                version, self._was, self._stored = _head(stream.readline())
                return {_name_of(line): line for line in stream} if version == _reader_version() else {}
        except (OSError, ValueError):
            return {}

    def entry(self, name: str, digest: str) -> Entry | None:
        """The entry of a file when its content is still the same."""
        line = self._lines.pop(name, None)
        try:
            row = orjson.loads(line) if line else None
            if not row or row[1] != digest:
                return None
            entry = Entry(digest, tuple((file, was) for file, was in row[2]), from_row(row[3]))
        except _DAMAGED:
            return None
        self._used += 1
        return entry

    def keep(self, entries: Mapping[str, Entry]) -> None:
        """Write the entries, when they are not the same that were read."""
        if self._used == len(entries) == self._stored and self._was == self._archive:
            return
        part = self._file.with_suffix(f".{os.getpid()}.part")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as stream:
                stream.write(f"{_reader_version()} {self._archive} {len(entries)}\n".encode())
                for name, one in sorted(entries.items()):
                    stream.write(orjson.dumps([name, one.digest, one.payload_files, row_of(one.found)]) + b"\n")
            part.replace(self._file)
        except (OSError, TypeError):
            with suppress(OSError):
                part.unlink(missing_ok=True)


def _head(line: bytes) -> tuple[str, str, int]:
    """The reader, the archive, and how many entries there are. Raises ValueError."""
    version, archive, count = line.decode().rstrip("\n").split(" ")
    return version, archive, int(count)


def _name_of(line: bytes) -> str:
    """The name stands first in its line; it is the only part that is read before it is wanted."""
    end = line.index(b'","', 2)
    name: str = orjson.loads(line[1 : end + 1])
    return name
