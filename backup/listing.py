"""Walk through a tree with the programs of any host: nothing of ours is installed there.

`find` tells what the file system knows, `openssl` (or the slower `sha256sum`) hashes, and `python3`, where there is one,
reads extended attributes and ACLs. What they say is packed on the host. A result holds at most 4 MiB: what passes it
is kept in a folder for temporary files there and fetched piece by piece, so that a million files are no other case.
"""

import re
import stat
import zlib
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import inf
from typing import NamedTuple, TypeVar

from backup.manifest import About, Entry, Kind, Manifest, is_manifest, path_text
from secops.model.step import Command, Procedure, ProcedureFailed, Result, Step, require

PIECE_BYTES = 3_900_000
Returned = TypeVar("Returned")
_READ_SECONDS = 6 * 3600.0
_PIECE_SECONDS = 600.0
_CHUNK_BYTES = 1 << 20
_LARGE_BYTES = 32 << 20
"""Of a smaller file nobody cares whether it has holes; engines see them in steps of some megabytes only."""
_DIGEST_CHARACTERS = 64

_KINDS = {b"f": Kind.FILE, b"d": Kind.DIRECTORY, b"l": Kind.LINK, b"p": Kind.PIPE}
_KEPT = re.compile(r"kept (\d+) (/[^\0\n]*/tmp\.\w+)\n")

_ATTRIBUTES = """
import hashlib, os, sys
KEPT = ("user.", "system.posix_acl_", "security.capability")
out = sys.stdout.buffer
out.write(b"attributes\\0")
for path in sys.stdin.buffer.read().split(b"\\0"):
    try:
        names = [each for each in os.listxattr(path, follow_symlinks=False) if each.startswith(KEPT)] if path else []
        if names:
            held = [(os.fsencode(each), os.getxattr(path, each, follow_symlinks=False)) for each in sorted(names)]
            told = b"\\0".join(b"%d %s %s" % (len(value), name, value) for name, value in held)
            named = b",".join(name for name, _ in held)
            out.write(b"%s\\0%s@%s\\0" % (path, named, hashlib.sha256(told).hexdigest()[:16].encode()))
    except OSError:
        pass
out.write(b"end\\0")
"""
"""Names and a digest of values for each path of its input that has any."""

_WALK = r"""
cd -- "$1" || exit 2
attributes=$3
umask 077
pack() { gzip -3 | base64 -w0; echo; }
names() { sed -zn "s|^$1 [^/]*\./|./|p" "$kept/walk"; }
walk() {
    find . -ignore_readdir_race -mindepth 1 ! -type s \
        -printf '%y %m %s %U %G %D:%i %n %T@ %C@ %p\0=%b\t%u\t%g\t%l\0' >"$kept/$1"
}
begin() { kept=$(mktemp -d) && trap 'rm -rf -- "$kept"' EXIT && walk walk; }
read_all() {
    id -u
    pack <"$kept/walk"
    hash='sha256sum -z --'
    ! openssl version >/dev/null 2>&1 || hash='openssl dgst -sha256 -r'
    names f | xargs -0 -r $hash | pack
    for python in /usr/bin/python3 python3 ''; do
        command -v "$python" >/dev/null && break
    done
    [ -z "$python" ] || names '[fd]' | "$python" -I -S -c "$attributes" | pack
    [ -n "$python" ] || echo
}
case $4 in
together)
    begin || exit 3
    read_all >"$kept/packed" || exit 4
    ;;
begin)
    begin || exit 3
    (
        trap ': >"$kept/ended"' EXIT
        read_all >"$kept/read" && : >"$kept/whole"
    ) </dev/null >/dev/null 2>&1 &
    echo "$!" >"$kept/number"
    trap - EXIT
    echo "$kept $(date +%s.%N)"
    exit 0
    ;;
*)
    kept=$4
    [ -d "$kept" ] || exit 6
    while [ ! -e "$kept/ended" ] && kill -0 "$(cat "$kept/number")" 2>/dev/null; do sleep 0.02; done
    [ -e "$kept/whole" ] || { echo 'the reading of the tree did not end well' >&2; exit 5; }
    walk after || exit 3
    { cat "$kept/read" && pack <"$kept/after"; } >"$kept/packed" || exit 4
    ;;
esac
size=$(wc -c <"$kept/packed")
if [ "$size" -le "$2" ]; then
    cat -- "$kept/packed"
else
    trap - EXIT
    echo "kept $size $kept"
fi
"""
"""A shell's program, for the root, the most that it may print, the program above, and what to do: `together`, or
`begin` and later the folder that it named."""


_GONE = 6
"""Exit code: the folder with what was read is no longer there."""
_CLOCK_SECONDS = 0.1
"""The time of a change may be so much behind the clock of its host."""


class Begun(NamedTuple):
    """A reading that goes on."""

    folder: str = ""
    """For temporary files, on the host; empty in a rehearsal."""
    since: float = 0.0
    """When the first walk had ended, by the clock of the host."""


class _Record(NamedTuple):
    """What `find` says of one path."""

    told: bytes
    """All of it that a change of the file changes."""
    more: bytes
    """Blocks, names of owner and group, target of a link."""

    @property
    def changed(self) -> float:
        """When anything of it last changed, by the clock of its host."""
        return float(self.told.split(b" ", 9)[8])


@dataclass(frozen=True, slots=True)
class Walk:
    """What was seen on a walk through a tree, packed as it came."""

    root: str
    seen_by: int | None = None
    walked: bytes = b""
    hashed: bytes = b""
    attributed: bytes = b""
    """Empty when the host has no python3."""
    assumed: Manifest | None = None
    """In its place in a rehearsal."""

    def records(self) -> Iterator[_Record]:
        """In the order of the walk."""
        told = _texts(self.walked)
        return map(_Record, told, told)

    def stamps(self) -> frozenset[int]:
        """A number for each record, for this process only."""
        return frozenset(hash(record.told) for record in self.records())


def take_manifest(host: str, root: str, label: str, assume: Manifest | None = None) -> Procedure[Manifest]:
    """The manifest of the directory `root` on `host`. `label` begins the names of the steps.

    `assume` is what a rehearsal goes on with when earlier steps would have made the tree. Fails when a file cannot be
    read or goes away meanwhile.
    """
    step = Step(
        label,
        _walking(host, root, "together"),
        assume=assume.text if assume else "",
        timeout_seconds=_READ_SECONDS,
    )
    (walk,) = yield from _walk(step, root)
    manifest = manifest_of(walk)
    if unread := next((entry.path for entry in manifest.entries if entry.kind is Kind.CHANGING), ""):
        raise ProcedureFailed(
            f"{root} 中的文件 {unread} 不可读或正在变化", f"the file {unread} of {root} cannot be read or is changing"
        )
    return manifest


def begin_manifest(host: str, root: str, label: str) -> Procedure[Begun]:
    """Walk through the directory, and begin to read its files, which goes on when the step has ended.

    Gives what `end_manifest` or `drop_manifest` wants to be told.
    """
    begun = yield Step(label, _walking(host, root, "begin"), changes=True, timeout_seconds=_READ_SECONDS)
    require(begun, f"无法遍历 {root}", f"cannot walk through {root}")
    folder, _, since = begun.output.strip().partition(" ")
    return Begun(folder, float(since or 0))


def end_manifest(host: str, root: str, label: str, begun: Begun, assume: Manifest | None = None) -> Procedure[Manifest]:
    """Wait until the files are read, and walk through the directory again: what is not as it was is changing.

    When what was read is gone, as after a restart of the host, the directory is read anew, and what changed since the
    beginning is changing; of a file that was taken away meanwhile only its directory tells.
    """
    if not begun.folder:
        # A rehearsal began nothing, and finds out whether the directory can be read.
        return (yield from take_manifest(host, root, label, assume))
    step = Step(label, _walking(host, root, begun.folder), timeout_seconds=_READ_SECONDS)
    told = yield step
    if told.exit_code == _GONE:
        anew = Step(f"{label}: read it anew", _walking(host, root, "together"), timeout_seconds=_READ_SECONDS)
        (walk,) = yield from _walk(anew, root)
        return manifest_of(walk, since=begun.since)
    read, again = yield from _walked(step, told, root)
    yield from drop_manifest(host, f"{label}: remove what was kept", begun)
    return manifest_of(read, again)


def list_during(
    host: str, root: str, label: str, work: Procedure[Returned], assume: Manifest | None = None
) -> Procedure[tuple[Returned, Manifest]]:
    """Do the work while the directory is read; what it gives, and the manifest, in which what changed meanwhile is
    marked as changing."""
    begun = yield from begin_manifest(host, root, f"{label} before")
    # Not `finally`: a generator that is closed must not yield.
    try:
        given = yield from work
        manifest = yield from end_manifest(host, root, f"{label} after", begun, assume)
    except ProcedureFailed:
        yield from drop_manifest(host, f"{label}: drop it", begun)
        raise
    return given, manifest


def drop_manifest(host: str, label: str, begun: Begun) -> Procedure[None]:
    """Nobody waits for it any longer. Programs that read a file already end by themselves."""
    if begun.folder:
        script = '[ -e "$1/ended" ] || kill "$(cat "$1/number")"; rm -rf -- "$1"'
        yield Step(label, Command(host, ("sh", "-c", script, "sh", begun.folder)), changes=True)


def _walking(host: str, root: str, what: str) -> Command:
    return Command(host, ("env", "LC_ALL=C", "sh", "-c", _WALK, "sh", root, str(PIECE_BYTES), _ATTRIBUTES, what))


def _walk(step: Step, root: str) -> Procedure[tuple[Walk, ...]]:
    walked = yield step
    return (yield from _walked(step, walked, root))


def _walked(step: Step, walked: Result, root: str) -> Procedure[tuple[Walk, ...]]:
    require(walked, f"无法遍历 {root}", f"cannot walk through {root}")
    text = walked.output
    if kept := _KEPT.fullmatch(text):
        assert isinstance(step.effect, Command)
        text = yield from _fetch(step.effect.host, root, step.name, int(kept[1]), kept[2])
    return parse(text, root)


def _fetch(host: str, root: str, label: str, size: int, folder: str) -> Procedure[str]:
    """What was kept on the host, which is removed there."""
    pieces: list[str] = []
    count = -(-size // PIECE_BYTES)
    for number in range(count):
        script = 'tail -c "+$1" -- "$3/packed" | head -c "$2"'
        argv = ("sh", "-c", script, "sh", str(number * PIECE_BYTES + 1), str(PIECE_BYTES), folder)
        name = f"{label}: fetch piece {number + 1} of {count}"
        piece = yield Step(name, Command(host, argv), timeout_seconds=_PIECE_SECONDS)
        require(piece, f"取不回 {root} 的清单", f"the list of {root} cannot be fetched")
        pieces.append(piece.output)
    yield Step(f"{label}: remove what was fetched", Command(host, ("rm", "-rf", "--", folder)))
    if sum(map(len, pieces)) != size:
        raise ProcedureFailed(f"{root} 的清单不完整,请重试", f"the list of {root} is not whole; try again")
    return "".join(pieces)


def parse(text: str, root: str) -> tuple[Walk, ...]:
    """What the shell's program printed: a walk with contents, and the one after it.

    The text of a manifest, which a rehearsal assumes, is taken as it is.
    """
    if is_manifest(text) or not text:
        return (Walk(root, assumed=Manifest.from_text(text) if text else Manifest(())),)
    seen_by, *packed = text.splitlines()
    try:
        walked, hashed, attributed, *again = (b64decode(each, validate=True) for each in packed)
        first = Walk(root, int(seen_by), walked, hashed, attributed)
    except ValueError as unexpected:
        raise ProcedureFailed(f"读不懂 {root} 的清单", f"the list of {root} cannot be understood") from unexpected
    return (first, *(Walk(root, walked=each) for each in again))


def manifest_of(walk: Walk, later: Walk | None = None, since: float = inf) -> Manifest:
    """The manifest of what was seen.

    What could not be hashed is in it as changing; so is, with a `later` walk, whatever is not as it was then: its
    inode, size, owner, mode, time of modification or time of change; and whatever changed `since` a time of its host.
    """
    if walk.assumed is not None:
        return walk.assumed
    try:
        return Manifest.of(_entries(walk, later, since - _CLOCK_SECONDS), walk.seen_by)
    except (ValueError, zlib.error) as unexpected:
        raise ProcedureFailed(f"读不懂 {walk.root} 的清单", f"the list of {walk.root} is damaged") from unexpected


def _entries(walk: Walk, later: Walk | None, since: float) -> Iterator[Entry]:
    stamps = later.stamps() if later else None
    attributes = _attributes(walk)
    hashes = _Hashes(walk.hashed)
    linked: dict[bytes, list[Entry]] = {}
    changing: set[str] = set()
    for record in walk.records():
        entry, inode = _entry(record, hashes, attributes)
        if (
            entry.kind is Kind.CHANGING
            or record.changed >= since
            or (stamps is not None and hash(record.told) not in stamps)
        ):
            changing.add(entry.path)
        elif inode:
            linked.setdefault(inode, []).append(entry)
        else:
            yield entry
    for names in linked.values():
        yield from _one_file(names)
    if later:
        changing.update(_new_in(later, walk))
    yield from (Entry(path, Kind.CHANGING) for path in changing)


def _entry(record: _Record, hashes: "_Hashes", attributes: dict[bytes, str] | None) -> tuple[Entry, bytes]:
    """The entry, and the inode of a file with more than one name."""
    letter, mode, size, uid, gid, inode, names, modified, _, name = record.told.split(b" ", 9)
    blocks, user, group, target = record.more.removeprefix(b"=").split(b"\t", 3)
    kind = _KINDS.get(letter, Kind.DEVICE)
    path = path_text(name.removeprefix(b"./"))
    digest, size_bytes = "", 0
    if kind is Kind.FILE:
        digest, size_bytes = hashes.next_of(name), int(size)
        if not digest:
            return Entry(path, Kind.CHANGING), b""
    about = About(
        owner=f"{uid.decode()}:{path_text(user)}",
        group=f"{gid.decode()}:{path_text(group)}",
        modified=modified.decode()[:-1],
        sparse=size_bytes >= _LARGE_BYTES and int(blocks) * 512 < size_bytes // 2,
        attributes=None if attributes is None else attributes.get(name, ""),
    )
    made = Entry(path, kind, stat.S_IMODE(int(mode, 8)), size_bytes, digest, path_text(target), about)
    return made, inode if kind is Kind.FILE and names != b"1" else b""


def _one_file(names: list[Entry]) -> Iterator[Entry]:
    """The first name of a file, and the others, which say that they are the same."""
    first, *others = sorted(names, key=lambda entry: entry.path)
    yield first
    for entry in others:
        assert entry.about
        yield replace(entry, about=replace(entry.about, same_as=first.path))


def _new_in(later: Walk, walk: Walk) -> Iterator[str]:
    """Paths of which the later walk tells what the earlier one does not: new, or changed."""
    stamps = walk.stamps()
    for record in later.records():
        if hash(record.told) not in stamps:
            yield path_text(record.told.split(b" ", 9)[9].removeprefix(b"./"))


def _attributes(walk: Walk) -> dict[bytes, str] | None:
    """By path, of those that have any; None when they were not read, or not to the end."""
    if not walk.attributed:
        return None
    told = list(_texts(walk.attributed))
    if told[:1] != [b"attributes"] or told[-1:] != [b"end"]:
        return None
    return {path: path_text(text) for path, text in zip(told[1:-1:2], told[2:-1:2], strict=True)}


class _Hashes:
    """Reads what was said of files in the order in which they were asked for; some may be left out.

    Both programs print the hash, two characters, the name and one character; the name is known beforehand, so that one
    which looks like a line of theirs is nothing else but a name. One with a line break is printed by `openssl` after a
    backslash, with `\\n` in its place.
    """

    def __init__(self, packed: bytes) -> None:
        self._chunks = _chunks(packed)
        self._open = b""
        self._at = 0

    def next_of(self, name: bytes) -> str:
        """Hexadecimal; empty when the file could not be read."""
        escaped = b"\n" in name and self._filled(1) and self._open.startswith(b"\\", self._at)
        printed = name.replace(b"\n", b"\\n") if escaped else name
        length = _DIGEST_CHARACTERS + 2 + len(printed) + 1
        if not self._filled(escaped + length):
            return ""
        start = self._at + escaped
        end = start + length
        if not self._open.startswith(printed, start + _DIGEST_CHARACTERS + 2) or self._open[end - 1] not in b"\n\0":
            return ""
        self._at = end
        return self._open[start : start + _DIGEST_CHARACTERS].decode()

    def _filled(self, length: int) -> bool:
        """Whether so much is left."""
        while len(self._open) - self._at < length:
            chunk = next(self._chunks, b"")
            if not chunk:
                return False
            self._open, self._at = self._open[self._at :] + chunk, 0
        return True


def _texts(packed: bytes) -> Iterator[bytes]:
    """Those that a NUL ends."""
    rest = b""
    for chunk in _chunks(packed):
        *whole, rest = (rest + chunk).split(b"\0")
        yield from whole


def _chunks(packed: bytes) -> Iterator[bytes]:
    """Of what gzip packed."""
    unpacking = zlib.decompressobj(wbits=31)
    while packed and not unpacking.eof:
        chunk = unpacking.decompress(packed, _CHUNK_BYTES)
        packed = unpacking.unconsumed_tail
        if chunk:
            yield chunk
    if not unpacking.eof and packed:
        raise ValueError("cut short")
