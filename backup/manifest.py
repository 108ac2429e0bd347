"""A manifest says what a tree of files holds: for each path its type, mode, size, SHA-256 and link target.

Owners, times and extended attributes are left out: a restore by an ordinary user cannot bring them back.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from secops.model.text import Text

_HEADER = "jindun manifest 1"
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_SHOWN = 3


class Kind(StrEnum):
    """What an entry is. Sockets are not listed: no copy can hold them."""

    FILE = "file"
    DIRECTORY = "directory"
    LINK = "link"
    PIPE = "pipe"
    DEVICE = "device"
    CHANGING = "changing"
    """It changed while the copy was taken; nothing can be compared with it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One path below the root of the tree; the root itself is not listed, so that trees under two roots compare."""

    path: str
    """As `path_text` writes it, relative to the root."""
    kind: Kind
    mode: int = 0
    """Permission bits."""
    size_bytes: int = 0
    """0 for anything but a file."""
    digest: str = ""
    """SHA-256 of a file's content, hexadecimal; empty when the engine knows no such hash: it is not compared."""
    target: str = ""
    """Of a link, as `path_text` writes it."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The entries of a tree, sorted by path."""

    entries: tuple[Entry, ...]

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> "Manifest":
        """The manifest of entries in any order."""
        return cls(tuple(sorted(entries, key=lambda entry: entry.path)))

    @property
    def text(self) -> str:
        """The whole manifest as lines, one per entry; `from_text` reads it back."""
        return "\n".join((_HEADER, *map(_line, self.entries))) + "\n"

    @classmethod
    def from_text(cls, text: str) -> "Manifest":
        """The manifest that `text` wrote; ValueError when it was not."""
        header, *lines = text.removesuffix("\n").split("\n")
        if header != _HEADER:
            raise ValueError("not a manifest of this version")
        return cls(tuple(map(_entry, lines)))

    @property
    def digest(self) -> str:
        """SHA-256 of the text, hexadecimal: equal for equal trees, wherever they stand."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def size_bytes(self) -> int:
        """Of all files together."""
        return sum(entry.size_bytes for entry in self.entries)


class Change(StrEnum):
    """How a tree departs from its manifest at one path."""

    CHANGED = "changed"
    MISSING = "missing"
    EXTRA = "extra"


@dataclass(frozen=True, slots=True)
class Difference:
    """One path at which the actual tree is not as expected, and the sentence that says how."""

    path: str
    change: Change
    because: Text


def compare(expected: Manifest, actual: Manifest) -> tuple[Difference, ...]:
    """Every difference, by path. Paths that were changing when the expected manifest was taken are passed over."""
    wanted = {entry.path: entry for entry in expected.entries}
    found = {entry.path: entry for entry in actual.entries}
    differences = (_difference(path, wanted.get(path), found.get(path)) for path in sorted(wanted | found))
    return tuple(difference for difference in differences if difference)


def is_manifest(text: str) -> bool:
    """Whether `Manifest.text` wrote it."""
    return text.startswith(_HEADER + "\n")


def steady(before: Manifest, after: Manifest) -> Manifest:
    """The manifest of a tree looked at twice: what differs between the two looks is marked as changing."""
    changing = {difference.path for difference in compare(before, after)}
    kept = [entry for entry in after.entries if entry.path not in changing]
    return Manifest.of([*kept, *(Entry(path, Kind.CHANGING) for path in changing)])


def describe(differences: Sequence[Difference]) -> Text:
    """One sentence about all differences: how many, and the first few."""
    if not differences:
        return Text("与清单一致", "equal to the manifest")
    first = differences[:_SHOWN]
    more = "…" if len(differences) > _SHOWN else ""
    return Text(
        f"与清单有 {len(differences)} 处不同:" + ";".join(one.because.zh for one in first) + more,
        f"{len(differences)} differences from the manifest: " + "; ".join(one.because.en for one in first) + more,
    )


def path_text(raw: bytes) -> str:
    """A path as text for people and JSON: distinct bytes give distinct texts.

    UTF-8 stays as it is; a backslash is doubled, control characters and bytes that are not UTF-8 become `\\xNN`.
    """
    text = raw.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
    return _CONTROL.sub(lambda found: "".join(f"\\x{byte:02x}" for byte in found[0].encode()), text)


def _line(entry: Entry) -> str:
    fields = (entry.kind.value, f"{entry.mode:04o}", str(entry.size_bytes), entry.digest or "-", entry.path)
    return "\t".join((*fields, entry.target) if entry.kind is Kind.LINK else fields)


def _entry(line: str) -> Entry:
    kind, mode, size, digest, path, *target = line.split("\t")
    return Entry(path, Kind(kind), int(mode, 8), int(size), digest.removeprefix("-"), "".join(target))


def _difference(path: str, expected: Entry | None, actual: Entry | None) -> Difference | None:
    if expected == actual or (expected and expected.kind is Kind.CHANGING):
        return None
    if expected and actual and expected.kind is Kind.FILE and not expected.digest:
        return _difference(path, replace(expected, digest=actual.digest), actual) if actual.digest else None
    if actual is None:
        return Difference(path, Change.MISSING, Text(f"缺少 {path}", f"{path} is missing"))
    if expected is None:
        return Difference(path, Change.EXTRA, Text(f"多出 {path}", f"{path} is extra"))
    how = _how(expected, actual)
    return Difference(path, Change.CHANGED, Text(f"{path} {how.zh}", f"{path} {how.en}"))


def _how(expected: Entry, actual: Entry) -> Text:
    if expected.kind is not actual.kind:
        return Text(f"类型由 {expected.kind} 变为 {actual.kind}", f"was a {expected.kind} and is a {actual.kind}")
    if expected.size_bytes != actual.size_bytes:
        return Text(
            f"大小由 {expected.size_bytes} 变为 {actual.size_bytes} 字节",
            f"had {expected.size_bytes} bytes and has {actual.size_bytes}",
        )
    if expected.digest != actual.digest:
        return Text("内容不同", "has other content")
    if expected.target != actual.target:
        return Text(
            f"指向由 {expected.target} 变为 {actual.target}", f"led to {expected.target}, leads to {actual.target}"
        )
    return Text(
        f"权限由 {expected.mode:04o} 变为 {actual.mode:04o}", f"had mode {expected.mode:04o}, has {actual.mode:04o}"
    )
