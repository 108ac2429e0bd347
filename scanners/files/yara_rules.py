"""Malware by the user's YARA rules, compiled once by YARA-X."""

import hashlib
import json
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import yara_x

from scanners.files.check import Limits, Look, Means, NotLooked, RuleSet, Suspicion, TreeCheck, TreeFile
from secops.model.text import Text
from secops.support.located import BadFile, Problem, excerpt, lines_of

_ENDINGS = (".yar", ".yara")
_MAX_RULE_BYTES = 32 * 1024 * 1024
_compiling = threading.Lock()


class YaraRules(TreeCheck):
    """See `describes`."""

    name = "yara-rules"
    title = Text("YARA 规则", "YARA rules")
    describes = Text(
        "用规则目录中的全部 YARA 规则(*.yar、*.yara)扫描每个文件的内容。规则按内容摘要编译一次并缓存;压缩包不解开。",
        "Scans the content of every file with all YARA rules of the rules folder (*.yar, *.yara). Rules are compiled "
        "once per digest of their text; archives are not unpacked.",
    )

    def begin(self, means: Means) -> Look | None:
        """Raises BadFile, with the place of every mistake, when a rule does not compile."""
        if means.rules is None:
            return None
        sources = _sources(means.rules)
        if not sources:
            raise NotLooked(Text(f"规则目录 {means.rules} 中没有规则", f"there are no rules in {means.rules}"))
        digest = _digest(sources)
        with _compiling:
            rules = _compiled(digest, tuple(sources), means.cache)
        newest = max(path.stat().st_mtime for path, _ in sources)
        return _YaraLook(rules, RuleSet(digest, datetime.fromtimestamp(int(newest), UTC)))


class _YaraLook(Look):
    def __init__(self, rules: yara_x.Rules, known: RuleSet) -> None:
        self.rules = known
        self._scanner = yara_x.Scanner(rules)

    def wants(self, file: TreeFile) -> bool:
        return file.size_bytes > 0

    def suspicions(self, file: TreeFile, limits: Limits) -> Iterable[Suspicion]:
        self._scanner.set_timeout(max(1, round(limits.file_seconds)))
        try:
            found = self._scanner.scan_file(file.path)
        except yara_x.TimeoutError:
            raise NotLooked(Text("扫描超时", "scanning it took too long")) from None
        except yara_x.ScanError as error:
            raise NotLooked(Text(f"无法扫描:{error}", f"it cannot be scanned: {error}")) from None
        for rule in found.matching_rules:
            name = rule.identifier if rule.namespace == "default" else f"{rule.namespace}.{rule.identifier}"
            yield Suspicion(
                f"yara-rules.{name}", file.shown, Text(f"命中 YARA 规则 {name}", f"matches the YARA rule {name}")
            )


def _sources(folder: Path) -> list[tuple[Path, str]]:
    """The rule files below the folder, by path, each with its text. Raises BadFile."""
    if not folder.is_dir():
        raise BadFile([Problem(str(folder), 0, 0, Text("没有这个规则目录", "there is no such folder of rules"))])
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _ENDINGS and path.is_file())
    return [(path, _read(path)) for path in paths]


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_RULE_BYTES:
            raise BadFile([Problem(str(path), 0, 0, Text("规则文件过大", "the file of rules is too large"))])
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        raise BadFile([Problem(str(path), 0, 0, Text("规则文件不是 UTF-8", "the rules are not UTF-8"))]) from None
    except OSError as error:
        why = Text(f"无法读取:{error.strerror}", f"cannot be read: {error.strerror}")
        raise BadFile([Problem(str(path), 0, 0, why)]) from None


def _digest(sources: Iterable[tuple[Path, str]]) -> str:
    """Of names and texts; another version of YARA-X may judge otherwise."""
    hashed = hashlib.sha256(version("yara-x").encode())
    for path, text in sources:
        hashed.update(json.dumps([path.name, text]).encode())
    return hashed.hexdigest()


@lru_cache(maxsize=2)
def _compiled(digest: str, sources: tuple[tuple[Path, str], ...], cache: Path | None) -> yara_x.Rules:
    kept = cache / f"{digest}.yarac" if cache else None
    if kept and kept.is_file():
        # What was cut short by a crash, or written by another version, is compiled anew.
        with suppress(OSError, ValueError), kept.open("rb") as stream:
            return yara_x.Rules.deserialize_from(stream)
    rules = _compile(sources)
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = kept.with_suffix(".new")
        with beside.open("wb") as stream:
            rules.serialize_into(stream)
        beside.replace(kept)
    return rules


def _compile(sources: Sequence[tuple[Path, str]]) -> yara_x.Rules:
    """All files together; what is wrong in any of them is told at once, with its place."""
    compiler = yara_x.Compiler()
    problems: list[Problem] = []
    for path, text in sources:
        seen = len(compiler.errors())
        try:
            compiler.add_source(text, origin=str(path))
        except yara_x.CompileError:
            problems += [_problem(path, text, error) for error in compiler.errors()[seen:]]
    if problems:
        raise BadFile(problems)
    return compiler.build()


def _problem(path: Path, text: str, error: dict[str, object]) -> Problem:
    line, column = int(str(error.get("line", 0))), int(str(error.get("column", 0)))
    title = str(error.get("title", ""))
    said = Text(f"YARA 规则有误:{title}", f"the YARA rule is wrong: {title}")
    return Problem(str(path), line, column, said, excerpt(lines_of(text), line, column))


YARA_RULES = YaraRules()
