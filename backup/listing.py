"""Take the manifest of a tree with GNU find, stat, du and sha256sum alone: nothing of ours is installed on the host.

A result holds at most 4 MiB, so the folders are counted first and a large tree is read in parts of whole folders; the
manifest does not depend on the parts. `stat` quotes names in C, so that any byte of a name survives the journey, and
`sha256sum` runs over the same walk of the same `find`, so that its lines pair with the files in order.
"""

import re
import stat
from collections.abc import Iterator, Sequence

from backup.manifest import Entry, Kind, Manifest, is_manifest, path_text
from secops.model.step import Command, Procedure, ProcedureFailed, Step, require

ENTRIES_PER_PART = 8_000
FOLDERS_PER_PART = 400
_OUTPUT_LIMIT_BYTES = 4 * 1024 * 1024
_COUNT_SECONDS = 600.0
_READ_SECONDS = 6 * 3600.0

_KINDS = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.DIRECTORY, stat.S_IFLNK: Kind.LINK, stat.S_IFIFO: Kind.PIPE}
_STAT_LINE = re.compile(r'([0-9a-f]+) (\d+) "((?:[^"\\]|\\.)*)"(?: -> "((?:[^"\\]|\\.)*)")?')
_HASH_LINE = re.compile(r"\\?([0-9a-f]{64})  .*")
_ESCAPE = re.compile(rb"\\([0-7]{3}|.)", re.DOTALL)
_ESCAPED = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")


def take_manifest(host: str, root: str, label: str, assume: Manifest | None = None) -> Procedure[Manifest]:
    """The manifest of the directory `root` on `host`. `label` begins the names of the steps.

    `assume` is what a rehearsal goes on with when earlier steps would have made the tree. Fails when a file cannot be
    read or the tree changes under the walk.
    """
    counted = yield Step(
        f"{label}: count the entries",
        Command(host, ("env", "-C", root, "LC_ALL=C", "du", "--inodes", "-l", "-S", "-0", ".")),
        assume="1\t.\0" if assume else "",
        timeout_seconds=_COUNT_SECONDS,
    )
    require(counted, f"无法遍历 {root}", f"cannot walk through {root}")
    parts = parts_of(counted.output, root)
    entries: list[Entry] = []
    for number, folders in enumerate(parts, 1):
        name = f"{label}: read part {number} of {len(parts)}"
        command = Command(host, _read_argv(root, folders))
        assumed = assume.text if assume else ""
        part = yield Step(name, command, assume=assumed, timeout_seconds=_READ_SECONDS)
        require(part, f"读取 {root} 时有文件不可读或正在变化", f"a file of {root} cannot be read or is changing")
        entries += parse(part.output, root)
    return Manifest.of(entries)


def parts_of(counted: str, root: str) -> tuple[tuple[str, ...], ...]:
    """The folders that are read together, each without the folders in it; `()` stands for the whole tree at once.

    `counted` is the output of `du --inodes -S -0`.
    """
    _refuse_cut_off(counted, root)
    counts = [(int(count), folder) for count, folder in (row.split("\t", 1) for row in counted.split("\0") if row)]
    if sum(count for count, _ in counts) <= ENTRIES_PER_PART:
        return ((),)
    return tuple(_packed(sorted(counts, key=lambda each: each[1]), root))


def _packed(counts: list[tuple[int, str]], root: str) -> Iterator[tuple[str, ...]]:
    part: list[str] = []
    filled = 0
    for count, folder in counts:
        if not folder.isprintable() or "\ufffd" in folder:
            raise ProcedureFailed(
                f"{root} 太大,需分段读取,但文件夹名 {folder!a} 不是 UTF-8 文本",
                f"{root} is large and must be read in parts, but the folder {folder!a} has a name that is not UTF-8",
            )
        if part and (filled + count > ENTRIES_PER_PART or len(part) >= FOLDERS_PER_PART):
            yield tuple(part)
            part, filled = [], 0
        part.append(folder)
        filled += count
    yield tuple(part)


def _read_argv(root: str, folders: tuple[str, ...]) -> tuple[str, ...]:
    where = (*folders, "-mindepth", "1", "-maxdepth", "1") if folders else (".", "-mindepth", "1")
    quoted = ("-exec", "stat", "-c", "%f %s %N", "{}", "+")
    hashed = ("-type", "f", "-exec", "sha256sum", "--", "{}", "+")
    start = ("env", "-C", root, "LC_ALL=C", "QUOTING_STYLE=c", "find")
    return (*start, *where, "!", "-type", "s", *quoted, *hashed)


def parse(output: str, root: str) -> Sequence[Entry]:
    """The entries in what `find` printed; ProcedureFailed when the two programs saw different trees.

    The text of a manifest, which a rehearsal assumes, is taken as it is.
    """
    if is_manifest(output):
        return Manifest.from_text(output).entries
    _refuse_cut_off(output, root)
    seen: list[tuple[int, int, bytes, bytes]] = []
    hashes: list[tuple[str, str]] = []
    for line in output.split("\n"):
        if found := _STAT_LINE.fullmatch(line):
            seen.append((int(found[1], 16), int(found[2]), _unquoted(found[3]), _unquoted(found[4] or "")))
        elif found := _HASH_LINE.fullmatch(line):
            hashes.append((found[1], _hashed_name(line)))
        elif line:
            raise _changing(root)
    files = [name for mode, _, name, _ in seen if stat.S_ISREG(mode)]
    if [_comparable(name) for name in files] != [name for _, name in hashes]:
        raise _changing(root)
    digests = iter(hashes)
    return [_entry(*each, next(digests)[0] if stat.S_ISREG(each[0]) else "") for each in seen]


def _entry(mode: int, size: int, name: bytes, target: bytes, digest: str) -> Entry:
    kind = _KINDS.get(stat.S_IFMT(mode), Kind.DEVICE)
    path = path_text(name.removeprefix(b"./"))
    return Entry(path, kind, stat.S_IMODE(mode), size if kind is Kind.FILE else 0, digest, path_text(target))


def _unquoted(quoted: str) -> bytes:
    """The bytes of a name that `stat` quoted in C."""
    return _ESCAPE.sub(_escaped_byte, quoted.encode())


def _escaped_byte(found: re.Match[bytes]) -> bytes:
    code = found[1]
    return bytes([int(code, 8)]) if len(code) == 3 else _ESCAPED.get(code, code)


def _comparable(name: bytes) -> str:
    """The name as far as it survives any decoding: `sha256sum` prints raw bytes."""
    return _BEYOND_ASCII.sub("?", name.decode("latin-1"))


def _hashed_name(line: str) -> str:
    """The name on a line of `sha256sum`, made comparable; a backslash before the hash says that it is escaped."""
    name = line.removeprefix("\\")[66:]
    if line.startswith("\\"):
        name = re.sub(r"\\(.)", lambda found: {"n": "\n", "r": "\r"}.get(found[1], found[1]), name)
    return _BEYOND_ASCII.sub("?", name)


def _refuse_cut_off(output: str, root: str) -> None:
    if len(output.encode("utf-8", "surrogateescape")) >= _OUTPUT_LIMIT_BYTES:
        raise ProcedureFailed(
            f"{root} 中有一个文件夹条目过多,清单超过 4 MiB,请拆分该文件夹",
            f"a folder of {root} holds so many entries that its list passes 4 MiB; split the folder",
        )


def _changing(root: str) -> ProcedureFailed:
    return ProcedureFailed(f"读取 {root} 时文件树正在变化", f"{root} changed while it was read; try again")
