"""Whatever no other engine knows: a program that the asset names writes a copy into a folder, and borg keeps it."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

from backup.engine import EngineOptions, Keys, options_of
from backup.programs import NOT_FOUND, with_secret
from backup.staging import Staged
from secops.model.city import Asset, AssetKind, Product
from secops.model.step import Command, Procedure, ProcedureFailed, Result, Step, require
from secops.model.text import Text

_LONG_SECONDS = 24 * 3600.0
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_PLACEHOLDERS = ("folder", "path", "address")

_AFRESH = 'find "$0" -xdev -mindepth 1 -delete && exec "$@"'
"""A shell's whole program: a try that was killed may have left a half, which few programs write over."""


def _word(word: str) -> str:
    for name in _PLACEHOLDER.findall(word):
        if name not in _PLACEHOLDERS:
            known = ", ".join(f"{{{each}}}" for each in _PLACEHOLDERS)
            raise ValueError(f"{{{name}}} stands for nothing here; these do: {known}")
    return word


def _uses_the_folder(words: tuple[str, ...]) -> tuple[str, ...]:
    if not any("{folder}" in word for word in words):
        raise ValueError("no word names the {folder} to work in")
    return words


Words: TypeAlias = tuple[Annotated[str, AfterValidator(_word)], ...]


class CommandOptions(EngineOptions):
    """The programs, each a list of words and never a shell's line.

    In the words, `{folder}` is the folder to write into or to make ready, `{path}` and `{address}` are those of the
    asset. Other braces stay as they are.
    """

    dump: Annotated[Words, Field(min_length=1), AfterValidator(_uses_the_folder)]
    """Writes a consistent copy into `{folder}`, which is there and empty, on the asset's host."""
    ready: Annotated[Words, Field(min_length=1), AfterValidator(_uses_the_folder)] | None = None
    """Makes of a restored `{folder}` what the product starts from, on the host of the place; none: nothing is needed.
    It must bear to be run again."""
    secret: str = ""
    """Secret reference that `dump` is given, never in its words: every process of a host can read those."""
    secret_variable: str = Field(default="SECRET", pattern="^[A-Z_][A-Z0-9_]*$")
    """The variable of its environment in which it finds the secret."""


class CommandEngine(Staged):
    """Copies what the asset's own program dumps. A program that fails has made no copy; nor has one that writes nothing
    of a database."""

    name = "command"
    describes = Text(
        "用资产自己指定的程序导出,再由 borg 加密保存(其他引擎不支持的一切)",
        "keeps what a program that the asset names has dumped: for whatever no other engine knows",
    )
    kinds = frozenset({AssetKind.FILE_TREE, AssetKind.DATABASE})
    products = frozenset({*Product, None})
    needs = ("borg", "env", "find", "mkdir")
    options = CommandOptions

    def stage(self, source: Asset, keys: Keys, folder: str, taken: datetime) -> Procedure[None]:
        chosen = options_of(CommandOptions, source)
        words = _filled(chosen.dump, source, folder)
        dumped = yield Step(
            "have the source dumped",
            with_secret(source.host, chosen.secret_variable, chosen.secret, "sh", "-c", _AFRESH, folder, *words),
            changes=True,
            timeout_seconds=_LONG_SECONDS,
        )
        _must(dumped, source.host, words[0], f"备份 {source.id} 失败", f"copying {source.id} failed")
        if source.kind is AssetKind.DATABASE:
            yield from _something_in(source, folder)

    def make_ready(self, source: Asset, host: str, into: str, until: datetime | None = None) -> Procedure[None]:
        chosen = options_of(CommandOptions, source)
        if chosen.ready is None:
            return
        words = _filled(chosen.ready, source, into)
        made = yield Step(
            "have the copy made ready", with_secret(host, "", "", *words), changes=True, timeout_seconds=_LONG_SECONDS
        )
        _must(made, host, words[0], f"{source.id} 的副本无法就绪", f"the copy of {source.id} cannot be made ready")


command = CommandEngine()


def _something_in(source: Asset, folder: str) -> Procedure[None]:
    looked = yield Step(
        "look that something was dumped",
        Command(source.host, ("find", folder, "-mindepth", "1", "-print", "-quit")),
        assume=folder,
    )
    require(looked, f"无法查看 {folder}", f"cannot look into {folder}")
    if not looked.output:
        raise ProcedureFailed(
            f"备份 {source.id} 失败:导出程序什么也没有写", f"copying {source.id} failed: its program wrote nothing"
        )


def _filled(words: Words, source: Asset, folder: str) -> tuple[str, ...]:
    """What is put in is never looked through for placeholders again."""
    values: Mapping[str, str] = {"folder": folder, "path": source.path, "address": source.address}
    return tuple(_PLACEHOLDER.sub(lambda found: values[found[1]], word) for word in words)


def _must(result: Result, host: str, program: str, zh: str, en: str) -> None:
    """Nothing for success; else ProcedureFailed with the last line that the program said."""
    if result.ok:
        return
    if result.exit_code == NOT_FOUND:
        raise ProcedureFailed(f"{zh}:{host} 上没有 {program}", f"{en}: there is no {program} on {host}")
    said = result.error_output.strip().splitlines()
    detail = said[-1] if said else result.reason
    raise ProcedureFailed(f"{zh}:{detail}", f"{en}: {detail}")
