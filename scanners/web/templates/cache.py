"""Templates as they were read, in one file for each source, so that the next start does not read YAML again.

An entry counts only when the digests of the file and of its payload files are still the same, and when this very reader
wrote it. A cache that is damaged or cannot be written is no cache; nothing fails for it.
"""

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import orjson

from scanners.web.templates.model import Refused, Template
from scanners.web.templates.rows import from_row, row_of


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
    """The entries of one source: a line that names the reader, then a line for each file, read when it is asked for."""

    def __init__(self, file: Path, lines: dict[str, bytes]) -> None:
        self._file, self._lines = file, lines
        self._stored, self._used = len(lines), 0

    @classmethod
    def of(cls, folder: Path, label: str) -> "Cache":
        """The cache of the source of that name."""
        file = folder / f"templates-{digest_of(label.encode())}.jsonl"
        try:
            version, *lines = file.read_bytes().splitlines()
            if version != _reader_version().encode():
                return cls(file, {})
            return cls(file, {_name_of(line): line for line in lines})
        except (OSError, ValueError):
            return cls(file, {})

    def entry(self, name: str, digest: str) -> Entry | None:
        """The entry of a file when its content is still the same."""
        line = self._lines.pop(name, None)
        try:
            row = orjson.loads(line) if line else None
            if not row or row[1] != digest:
                return None
            entry = Entry(digest, tuple((file, was) for file, was in row[2]), from_row(row[3]))
        except (KeyError, TypeError, ValueError, IndexError):
            return None
        self._used += 1
        return entry

    def keep(self, entries: Mapping[str, Entry]) -> None:
        """Write the entries, when they are not the same that were read."""
        if self._used == len(entries) == self._stored:
            return
        part = self._file.with_suffix(f".{os.getpid()}.part")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as stream:
                stream.write(_reader_version().encode() + b"\n")
                for name, one in entries.items():
                    stream.write(orjson.dumps([name, one.digest, one.payload_files, row_of(one.found)]) + b"\n")
            part.replace(self._file)
        except (OSError, TypeError):
            with suppress(OSError):
                part.unlink(missing_ok=True)


def _name_of(line: bytes) -> str:
    """The name stands first in its line; it is the only part that is read before it is wanted."""
    end = line.index(b'","', 2)
    name: str = orjson.loads(line[1 : end + 1])
    return name
