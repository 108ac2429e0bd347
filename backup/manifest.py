"""A manifest says what a tree of files holds: for each path its content, and what the file system knows beside it.

A manifest of a million entries is a million short lines in memory; an entry is read from its line when it is asked for.
"""

import binascii
import hashlib
import re
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

_HEADER = "jindun manifest 2"
_FIRST_HEADER = "jindun manifest 1"
"""Of manifests that hold contents and modes only, one entry a line; they are still read."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_QUICK = 3
"""How hard zlib tries: more costs much time and saves little, for hashes do not shrink."""


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
class About:
    """What the file system knows of a path beside its content and mode."""

    owner: str = ""
    """Number and name, `1000:alice`; the number twice for one without a name."""
    group: str = ""
    """Likewise."""
    modified: str = ""
    """Seconds since 1970 with nine digits after the point."""
    same_as: str = ""
    """Of a further name of a file (hard link), its first name in the tree; empty for the first."""
    sparse: bool = False
    """Whether it is large, and most of it takes no room on the disk."""
    attributes: str | None = ""
    """Names of the extended attributes and ACLs, and a digest of their values: `user.origin@0123456789abcdef`; None
    when they could not be read."""


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
    about: About | None = None
    """None when nobody looked: it is not compared."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The entries of a tree, sorted by path. Make it with `of` or `from_text`."""

    lines: tuple[str, ...]
    """One for each entry, its path first."""
    seen_by: int | None = field(default=None, compare=False)
    """Number of the user who walked through the tree, and whom a restored tree was restored by; None: not known."""

    @classmethod
    def of(cls, entries: Iterable[Entry], seen_by: int | None = None) -> "Manifest":
        """The manifest of entries in any order."""
        return cls(tuple(sorted(map(_line, entries))), seen_by)

    @property
    def entries(self) -> Iterator[Entry]:
        """By path."""
        return map(entry_of, self.lines)

    @property
    def text(self) -> str:
        """The whole manifest, packed; `from_text` reads it back."""
        return f"{_HEADER}\n{b64encode(zlib.compress(self._plain, _QUICK)).decode()}\n"

    @classmethod
    def from_text(cls, text: str) -> "Manifest":
        """The manifest that `text` wrote, now or in the first version; ValueError when it was not, or not all of it."""
        if text.startswith(f"{_FIRST_HEADER}\n"):
            return cls.of(map(_entry_of_first, text.removesuffix("\n").split("\n")[1:]))
        lines = _unpacked(text).decode().split("\n")[1:]
        for line in lines[:1]:
            entry_of(line)
        return cls(tuple(lines))

    @property
    def digest(self) -> str:
        """SHA-256 of the lines, hexadecimal: equal for equal trees, wherever they stand."""
        return hashlib.sha256(self._plain).hexdigest()

    @property
    def size_bytes(self) -> int:
        """Of all files together."""
        return sum(int(line.split("\t", 4)[3]) for line in self.lines)

    @property
    def _plain(self) -> bytes:
        return "\n".join((_HEADER, *self.lines)).encode()


def is_manifest(text: str) -> bool:
    """Whether `Manifest.text` wrote it."""
    return text.startswith((f"{_HEADER}\n", f"{_FIRST_HEADER}\n"))


def digest_of(text: str) -> str:
    """The digest of the manifest that the text is of, in whichever version. Raises ValueError for what is none."""
    if text.startswith(f"{_FIRST_HEADER}\n"):
        return hashlib.sha256(text.encode()).hexdigest()
    return hashlib.sha256(_unpacked(text)).hexdigest()


def path_text(raw: bytes) -> str:
    """A path as text for people and JSON: distinct bytes give distinct texts.

    UTF-8 stays as it is; a backslash is doubled, control characters and bytes that are not UTF-8 become `\\xNN`.
    """
    text = raw.decode("utf-8", "surrogateescape")
    if text.isprintable() and "\\" not in text:
        return text
    text = raw.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
    return _CONTROL.sub(lambda found: "".join(f"\\x{byte:02x}" for byte in found[0].encode()), text)


def path_of(line: str) -> str:
    """The path of the entry that the line is of."""
    return line.partition("\t")[0]


def entry_of(line: str) -> Entry:
    """The entry that the line of a manifest is of; ValueError for what is none."""
    path, kind, mode, size, digest, target, *about = line.split("\t")
    return Entry(path, Kind(kind), int(mode, 8), int(size), digest, target, _about(*about) if about else None)


def _about(owner: str, group: str, modified: str, same_as: str, sparse: str, attributes: str) -> About:
    return About(owner, group, modified, same_as, bool(sparse), None if attributes == _UNREAD else attributes)


_UNREAD = "?"


def _line(entry: Entry) -> str:
    """Nothing in it sorts before the tab that ends the path, so that lines sort as their paths do."""
    line = f"{entry.path}\t{entry.kind}\t{entry.mode:04o}\t{entry.size_bytes}\t{entry.digest}\t{entry.target}"
    about = entry.about
    if about is None:
        return line
    sparse = "sparse" if about.sparse else ""
    attributes = _UNREAD if about.attributes is None else about.attributes
    return f"{line}\t{about.owner}\t{about.group}\t{about.modified}\t{about.same_as}\t{sparse}\t{attributes}"


def _unpacked(text: str) -> bytes:
    header, _, packed = text.partition("\n")
    if header != _HEADER:
        raise ValueError("not a manifest of this version")
    try:
        plain = zlib.decompress(b64decode(packed.removesuffix("\n"), validate=True))
    except (zlib.error, binascii.Error) as damaged:
        raise ValueError(f"a damaged manifest: {damaged}") from damaged
    if not plain.startswith(_HEADER.encode()):
        raise ValueError("a damaged manifest")
    return plain


def _entry_of_first(line: str) -> Entry:
    kind, mode, size, digest, path, *target = line.split("\t")
    return Entry(path, Kind(kind), int(mode, 8), int(size), digest.removeprefix("-"), "".join(target))
