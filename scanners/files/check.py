"""The contract of a check of trees: it reads files, one after the other, and says what is bad in them.

Other than a `Check` it looks at a tree wherever that stands, a restored copy above all; it opens no connection to a
target. One file in this folder, found by itself.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import ClassVar

import scanners.files
from secops.model.text import Text
from secops.support.plugins import plugins_in

_SMALL_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Means:
    """What the service has for looking at trees. A check whose means are missing is not set up."""

    rules: Path | None = None
    """Folder of YARA rules."""
    cache: Path | None = None
    """Folder for compiled rules; None: they are compiled by every process."""
    clamd: str = ""
    """Unix socket of clamd."""
    pages: tuple[str, ...] = ()
    """URLs that the tree is served under: what leads there is not foreign."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may cost; one that asks for more is named as not looked at, and then the tree is not clean."""

    file_bytes: int = 1024 * 1024 * 1024
    file_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Which rules a tree was scanned with."""

    digest: str
    """Changes when a rule does."""
    date: datetime | None = None
    """When the newest rule was written, where that is known."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """One bad thing in one file."""

    rule: str
    path: str
    """Relative to the tree, as `shown` writes it."""
    reason: Text


@dataclass(slots=True)
class TreeFile:
    """One regular file of a tree, open. Its name may be any bytes; `path` opens it whatever the name."""

    descriptor: int
    shown: str
    """Relative to the tree, for people."""
    size_bytes: int
    _content: bytes | None = field(default=None, repr=False)

    @property
    def path(self) -> str:
        """A path that leads to this very file while it is open."""
        return f"/proc/self/fd/{self.descriptor}"

    def content(self, most_bytes: int) -> bytes:
        """The first bytes of the file. Small files are read once for all checks."""
        if self._content is None and self.size_bytes <= _SMALL_BYTES:
            self._content = os.pread(self.descriptor, _SMALL_BYTES, 0)
        return os.pread(self.descriptor, most_bytes, 0) if self._content is None else self._content[:most_bytes]


class NotLooked(Exception):
    """A file, or the tree, could not be looked at; the sentence says why."""

    def __init__(self, reason: Text) -> None:
        super().__init__(reason.en)
        self.reason = reason


class Look(ABC):
    """One check, ready for one tree."""

    rules: RuleSet

    @abstractmethod
    def wants(self, file: TreeFile) -> bool:
        """Whether the check has anything to say of such a file."""

    @abstractmethod
    def suspicions(self, file: TreeFile, limits: Limits) -> Iterable[Suspicion]:
        """What is bad in the file. Raises NotLooked when that could not be found out."""


class TreeCheck(ABC):
    """A kind of look at trees."""

    name: ClassVar[str]
    title: ClassVar[Text]
    describes: ClassVar[Text]

    @abstractmethod
    def begin(self, means: Means) -> Look | None:
        """A look at a tree, None when the check is not set up.

        Raises NotLooked when it is set up and cannot be done now, BadInput when its rules are wrong.
        """


@cache
def tree_checks() -> Mapping[str, TreeCheck]:
    """Every check of trees that there is, by name."""
    return plugins_in(scanners.files, TreeCheck)


def shown(name: bytes) -> str:
    """A path of any bytes as one line of text."""
    text = name.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
    return "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in text)
