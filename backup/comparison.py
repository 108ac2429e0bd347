"""What a tree has lost of its manifest, what could not be compared, and what moved while a tree was copied."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from backup.manifest import About, Entry, Kind, Manifest, entry_of, path_of
from secops.model.text import Text

_SHOWN = 3
_ROOT = 0


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


@dataclass(frozen=True, slots=True)
class Compared:
    """A tree beside its manifest."""

    differences: tuple[Difference, ...]
    """By path."""
    remarks: tuple[Text, ...]
    """What was not compared, and why; and what is not held against it."""


def compare(expected: Manifest, actual: Manifest) -> tuple[Difference, ...]:
    """Every difference, by path. Paths that were changing when the expected manifest was taken are passed over."""
    return hold_against(expected, actual).differences


def hold_against(expected: Manifest, actual: Manifest) -> Compared:
    """Compare what both know. Holes of sparse files that were filled are remarked only: their content is the same.

    Owners are left out when the tree was restored by somebody who may not give files away.
    """
    beside = _Beside(expected, actual)
    pairs = _pairs(expected, actual) if expected.lines != actual.lines else ()
    differences = tuple(filter(None, (beside.difference(*pair) for pair in pairs)))
    return Compared(differences, tuple(beside.remarks()))


def steady(before: Manifest, after: Manifest) -> Manifest:
    """The manifest of something looked at twice: what differs between the two looks is marked as changing."""
    changing = {path_of(one or other or "") for one, other in _pairs(before, after) if one != other}
    kept = [entry for entry in after.entries if entry.path not in changing]
    return Manifest.of([*kept, *(Entry(path, Kind.CHANGING) for path in changing)], after.seen_by)


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


def _pairs(expected: Manifest, actual: Manifest) -> Iterator[tuple[str | None, str | None]]:
    """The lines of each path, None where it is not. Both are sorted by path."""
    ours, theirs = iter(expected.lines), iter(actual.lines)
    one, other = next(ours, None), next(theirs, None)
    while one is not None or other is not None:
        if one == other:
            yield one, other
            one, other = next(ours, None), next(theirs, None)
            continue
        first = other is None or (one is not None and path_of(one) <= path_of(other))
        second = one is None or (other is not None and path_of(other) <= path_of(one))
        yield one if first else None, other if second else None
        one, other = next(ours, None) if first else one, next(theirs, None) if second else other


class _Beside:
    """Goes through two manifests side by side, and remembers what is remarked of them together."""

    def __init__(self, expected: Manifest, actual: Manifest) -> None:
        self._by = actual.seen_by
        self._owners_left_out = False
        self._filled: list[str] = []
        self._blind = any(line.endswith("\t?") for line in (*expected.lines[:1], *actual.lines[:1]))
        self._unknown = any(line.count("\t") == 5 and not _was_changing(line) for line in expected.lines)
        self._changing = {path_of(line) for line in expected.lines if _was_changing(line)}

    def difference(self, one: str | None, other: str | None) -> Difference | None:
        if one == other:
            return None
        expected, actual = one and entry_of(one), other and entry_of(other)
        if not expected:
            assert actual
            return Difference(actual.path, Change.EXTRA, Text(f"多出 {actual.path}", f"{actual.path} is extra"))
        path = expected.path
        if expected.kind is Kind.CHANGING:
            return None
        if not actual:
            return Difference(path, Change.MISSING, Text(f"缺少 {path}", f"{path} is missing"))
        how = _how(expected, actual) or self._lost(expected, actual)
        return Difference(path, Change.CHANGED, Text(f"{path} {how.zh}", f"{path} {how.en}")) if how else None

    def _lost(self, expected: Entry, actual: Entry) -> Text | None:
        """What beside content and mode is not as it was; all of it."""
        before, after = expected.about, actual.about
        if before is None or after is None:
            return None
        if before.sparse and not after.sparse:
            self._filled.append(expected.path)
        lost = [
            *self._owners(before, after),
            *_time(before, after),
            *self._names(before, after),
            *self._attributes(before, after),
        ]
        return Text(",".join(one.zh for one in lost), ", ".join(one.en for one in lost)) if lost else None

    def _owners(self, before: About, after: About) -> Iterator[Text]:
        kinds = (("属主", "owner", before.owner, after.owner), ("属组", "group", before.group, after.group))
        for zh, en, was, now in kinds:
            if _same_owner(was, now):
                continue
            if self._by not in (None, _ROOT):
                self._owners_left_out = True
                continue
            yield Text(f"{zh}由 {was} 变为 {now}", f"had {en} {was}, has {now}")

    def _names(self, before: About, after: About) -> Iterator[Text]:
        """Where a first name was changing, it may have been another file by then."""
        if before.same_as == after.same_as or {before.same_as, after.same_as} & self._changing:
            return
        if before.same_as:
            yield Text(f"不再与 {before.same_as} 是同一文件", f"was one file with {before.same_as} and is no more")
        else:
            yield Text(f"变为与 {after.same_as} 同一文件", f"has become one file with {after.same_as}")

    def _attributes(self, before: About, after: About) -> Iterator[Text]:
        if before.attributes is None or after.attributes is None:
            self._blind = True
            return
        if before.attributes != after.attributes:
            was, now = (told.partition("@")[0] or "-" for told in (before.attributes, after.attributes))
            if was == now:
                yield Text(f"扩展属性 {was} 的值不同", f"has other values of the attributes {was}")
            else:
                yield Text(f"扩展属性由 {was} 变为 {now}", f"had the attributes {was}, has {now}")

    def remarks(self) -> Iterator[Text]:
        if self._unknown:
            yield _NOT_IN_MANIFEST
        if self._owners_left_out:
            yield Text(
                f"未比对属主:恢复由用户 {self._by} 执行,无权更改属主",
                f"owners were not compared because user {self._by}, who restored, may not give files away",
            )
        if self._blind:
            yield _NO_ATTRIBUTES
        if self._filled:
            count, first = len(self._filled), self._filled[0]
            yield Text(
                f"{count} 个稀疏文件的空洞已被填满(如 {first}),内容不变",
                f"the holes of {count} sparse files were filled, as of {first}; their content is the same",
            )


_NOT_IN_MANIFEST = Text(
    "未比对属主、时间、硬链接与扩展属性:清单中没有",
    "owners, times, hard links and attributes were not compared because the manifest does not hold them",
)
_NO_ATTRIBUTES = Text(
    "未比对扩展属性与 ACL:主机上没有 python3,读不出",
    "attributes and ACLs were not compared because they cannot be read on a host without python3",
)


def _was_changing(line: str) -> bool:
    return f"\t{Kind.CHANGING}\t" in line


def _same_owner(was: str, now: str) -> bool:
    """By number or by name: restored on another host, an owner of that name may have another number."""
    (number, _, name), (other_number, _, other_name) = was.partition(":"), now.partition(":")
    return number == other_number or (name == other_name and not name.isdecimal())


def _time(before: About, after: About) -> Iterator[Text]:
    if before.modified != after.modified:
        yield Text(
            f"修改时间由 {before.modified} 变为 {after.modified}",
            f"was modified at {before.modified}, now says {after.modified}",
        )


def _how(expected: Entry, actual: Entry) -> Text | None:
    """How content or mode differ."""
    if expected.kind is not actual.kind:
        return Text(f"类型由 {expected.kind} 变为 {actual.kind}", f"was a {expected.kind} and is a {actual.kind}")
    if expected.size_bytes != actual.size_bytes:
        return Text(
            f"大小由 {expected.size_bytes} 变为 {actual.size_bytes} 字节",
            f"had {expected.size_bytes} bytes and has {actual.size_bytes}",
        )
    if expected.digest and expected.digest != actual.digest:
        return Text("内容不同", "has other content")
    if expected.target != actual.target:
        return Text(
            f"指向由 {expected.target} 变为 {actual.target}", f"led to {expected.target}, leads to {actual.target}"
        )
    if expected.mode != actual.mode:
        return Text(
            f"权限由 {expected.mode:04o} 变为 {actual.mode:04o}", f"had mode {expected.mode:04o}, has {actual.mode:04o}"
        )
    return None
