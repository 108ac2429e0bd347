"""Look at one tree with every check that is set up, in one walk. Links are not followed, and nothing is unpacked."""

import os
import stat
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from scanners.files.check import (
    Limits,
    Look,
    Means,
    NotLooked,
    RuleSet,
    Suspicion,
    TreeCheck,
    TreeFile,
    shown,
    tree_checks,
)
from secops.model.outcome import Outcome
from secops.model.text import Text
from secops.support.errors import BadInput
from secops.support.suggestions import did_you_mean

_LIMITS = Limits()
_KEPT = 200
_NAMED = 5
Kept = TypeVar("Kept")


@dataclass(slots=True)
class Looked:
    """What one check said of a tree."""

    check: str
    rules: RuleSet
    files: int = 0
    read_bytes: int = 0
    seconds: float = 0.0
    suspicions: list[Suspicion] = field(default_factory=list)
    """The first few hundred."""
    unread: list[tuple[str, Text]] = field(default_factory=list)
    """The first few hundred files that were not looked at, and why."""

    @property
    def outcome(self) -> Outcome:
        """Clean only when every file was looked at."""
        if self.suspicions:
            return Outcome.FOUND
        return Outcome.UNREACHABLE if self.unread else Outcome.TESTED_CLEAN

    @property
    def reason(self) -> Text:
        """What was found, and where."""
        if self.suspicions:
            return _listed("发现", "found", [(one.path, one.reason) for one in self.suspicions])
        if self.unread:
            return _listed("未能检查", "not looked at", self.unread)
        return Text(f"检查了 {self.files} 个文件,未发现问题", f"looked at {self.files} files and found nothing")


def look_at_tree(
    root: str, means: Means, checks: Sequence[str] = (), limits: Limits = _LIMITS, seconds: float = 900.0
) -> tuple[Looked, ...]:
    """What each of the named checks says of the directory; all that are set up when none is named.

    A named check that is not set up, and one that cannot be done now, give an outcome that is not clean. Raises
    BadInput for names that there are no checks of, and for rules that are wrong.
    """
    deadline = time.monotonic() + seconds
    looks, looked = begin_looks(checks_named(checks), means, named=bool(checks))
    if looks:
        _walk(root, looks, looked, limits, deadline)
    return tuple(looked.values())


def rules_of(means: Means) -> Mapping[str, RuleSet]:
    """The rules that a look would go by now, of every check that is set up and can be done. Raises BadInput."""
    looks, looked = begin_looks(tree_checks(), means, named=False)
    return {name: looked[name].rules for name in looks}


def checks_named(names: Iterable[str]) -> Mapping[str, TreeCheck]:
    """The checks of those names, or every one. Raises BadInput."""
    known = tree_checks()
    for name in names:
        if name not in known:
            hint = did_you_mean(name, list(known))
            raise BadInput(
                Text(f"没有名为 {name} 的目录树检查{hint.zh}", f"there is no check of trees named {name}{hint.en}")
            )
    return {name: known[name] for name in names} or known


def begin_looks(
    checks: Mapping[str, TreeCheck], means: Means, named: bool
) -> tuple[dict[str, Look], dict[str, Looked]]:
    """What looks at each file, and what each check says so far."""
    looks: dict[str, Look] = {}
    looked: dict[str, Looked] = {}
    for name, check in checks.items():
        try:
            look = check.begin(means)
        except NotLooked as error:
            looked[name] = Looked(name, RuleSet(""), unread=[(".", error.reason)])
            continue
        if look:
            looks[name] = look
            looked[name] = Looked(name, look.rules)
        elif named:
            missing = Text(f"检查 {name} 未配置", f"the check {name} is not set up")
            looked[name] = Looked(name, RuleSet(""), unread=[(".", missing)])
    return looks, looked


def _walk(root: str, looks: dict[str, Look], looked: dict[str, Looked], limits: Limits, deadline: float) -> None:
    start = os.fsencode(root)
    for path in _files(start, looked):
        name = shown(os.path.relpath(path, start))
        if time.monotonic() > deadline:
            late = Text("扫描时间已用完,其余文件未检查", "time was up; the files after this one were not looked at")
            everywhere(looked, name, late)
            return
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            everywhere(looked, name, unreadable(error))
            continue
        try:
            look_at_file(descriptor, name, looks, looked, limits)
        finally:
            os.close(descriptor)


def look_at_file(descriptor: int, name: str, looks: dict[str, Look], looked: dict[str, Looked], limits: Limits) -> None:
    """Show one open file to every check."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        return
    file = TreeFile(descriptor, name, status.st_size)
    for check, look in looks.items():
        result, began = looked[check], time.monotonic()
        try:
            if not look.wants(file):
                continue
            if file.size_bytes > limits.file_bytes:
                raise NotLooked(_too_large(file, limits.file_bytes))
            _keep(result.suspicions, look.suspicions(file, limits))
            result.files += 1
            result.read_bytes += file.size_bytes
        except NotLooked as error:
            _keep(result.unread, [(name, error.reason)])
        except OSError as error:
            _keep(result.unread, [(name, unreadable(error))])
        finally:
            result.seconds += time.monotonic() - began


def _files(start: bytes, looked: dict[str, Looked]) -> Iterator[bytes]:
    """Every regular file, in the order of names; a folder that cannot be opened is named as not looked at."""
    waiting = [start]
    while waiting:
        folder = waiting.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            everywhere(looked, shown(os.path.relpath(folder, start)), unreadable(error))
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
            elif entry.is_file(follow_symlinks=False):
                yield entry.path


def everywhere(looked: dict[str, Looked], name: str, why: Text) -> None:
    """Note for every check that something was not looked at."""
    for result in looked.values():
        _keep(result.unread, [(name, why)])


def _keep(kept: list[Kept], more: Iterable[Kept]) -> None:
    kept.extend(list(more)[: max(0, _KEPT - len(kept))])


def _listed(zh: str, en: str, what: Sequence[tuple[str, Text]]) -> Text:
    first, more = what[:_NAMED], "…" if len(what) > _NAMED else ""
    return Text(
        f"{zh} {len(what)} 处:" + ";".join(f"{path}({why.zh})" for path, why in first) + more,
        f"{en} in {len(what)} place(s): " + "; ".join(f"{path} ({why.en})" for path, why in first) + more,
    )


def unreadable(error: OSError) -> Text:
    """The sentence for a file that the system does not let us read."""
    return Text(f"无法读取:{error.strerror}", f"cannot be read: {error.strerror}")


def _too_large(file: TreeFile, most: int) -> Text:
    return Text(f"{file.size_bytes} 字节,超过上限 {most}", f"{file.size_bytes} bytes are more than the limit of {most}")
