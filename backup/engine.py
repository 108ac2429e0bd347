"""The contract of a backup engine: plans, never acts. One file in `backup/engines/`, found by itself."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

import backup.engines
from backup.manifest import Manifest
from secops.model.city import Asset, AssetKind, Product, Vault
from secops.model.restore_point import RestorePoint
from secops.model.step import Procedure, ProcedureFailed, under
from secops.model.text import Text
from secops.support.errors import BadInput
from secops.support.plugins import plugins_in

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class CopyBroken(ProcedureFailed):
    """The copy itself is damaged or gone. Any other ProcedureFailed says nothing about the copy."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What an engine needs to open a vault, as references that only the runner resolves.

    Paths are on whichever host runs the engine: the source host for copies, the host of the place for restores.
    """

    passphrase: str
    """Secret reference, e.g. `${file:keys/vault}`."""
    state_directory: str
    """Absolute path of the directory for the engine's caches, made when missing; without it they would fill a home."""
    ssh_identity: str = ""
    """Path of the private key for a vault over ssh."""
    ssh_known_hosts: str = ""
    """Path of the pinned host keys; a vault over ssh is refused without it."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What an engine says of the copy it just made."""

    archive: str
    taken: datetime
    added_bytes: int
    """What the vault grew by."""
    seconds: float
    warnings: tuple[str, ...] = ()
    """What the engine remarked, e.g. files that changed while they were read; known only to the run that made it."""
    packed_bytes: int = 0
    """What the copy takes compressed, before anything is shared with other copies; 0: the engine does not say."""
    manifest: Manifest | None = None
    """What a restore must equal, when the engine made what it copied; None: the listing of the source's directory."""


@dataclass(frozen=True, slots=True)
class Stock:
    """What a vault holds of one source."""

    archives: tuple[str, ...]
    """Names of the complete archives, oldest first."""
    identity: str = ""
    """What tells this repository and its key from any other; empty: the engine cannot say."""
    size_bytes: int = 0
    """What they take together; 0: the engine cannot say."""


class EngineOptions(BaseModel):
    """What an engine wants to know of an asset beyond the inventory; the base of the model in the engine's file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Options = TypeVar("Options", bound=EngineOptions)


class Engine(ABC):
    """Copies some kinds of asset into vaults and back. All methods are procedures: they yield steps, return values.

    Every procedure may be run again from its start; what is done already is found and left as it is.
    """

    name: ClassVar[str]
    describes: ClassVar[Text]
    kinds: ClassVar[frozenset[AssetKind]]
    needs: ClassVar[tuple[str, ...]]
    """Programs that must be on the host."""
    products: ClassVar[frozenset[Product | None]] = frozenset()
    """Which databases it copies, None for those of a product we do not know; nothing for engines of other kinds."""
    chosen: ClassVar[bool] = False
    """Whether it is the first choice for its kinds and products; others are named by the asset (`copied_by`)."""
    options: ClassVar[type[EngineOptions]] = EngineOptions
    encrypts: ClassVar[bool] = True
    """Whether nobody reads a copy without the vault's passphrase; else the vault must stand on an encrypted disk."""
    loses: ClassVar[Text | None] = None
    """What of a tree it is known not to bring back as it was; verification then says so of the copy."""
    lists: ClassVar[bool] = False
    """Whether it makes what it copies, and lists that itself (`Copied.manifest`); else the source's directory is."""
    one_vault: ClassVar[bool] = False
    """Whether a source's log reaches one vault only; the others must fetch from that one."""
    point_in_time: ClassVar[bool] = False
    """Whether a restore can go on from the copy to a later moment."""

    @abstractmethod
    def prepare(self, source: Asset, vault: Vault, keys: Keys) -> Procedure[None]:
        """Make the vault's repository for this source when it is not there; nothing when it is."""

    @abstractmethod
    def backup(self, source: Asset, vault: Vault, keys: Keys, archive: str, taken: datetime) -> Procedure[Copied]:
        """Copy the source, preparing the vault when it is not. An archive of that name that is there already is the
        copy (resume)."""

    @abstractmethod
    def points(self, source: Asset, vault: Vault, keys: Keys) -> Procedure[tuple[str, ...]]:
        """Names of the complete archives in the vault, oldest first."""

    def stock(self, source: Asset, vault: Vault, keys: Keys) -> Procedure[Stock]:
        """What the vault holds of the source, and in what."""
        return Stock((yield from self.points(source, vault, keys)))

    def at_rest(self, directory: str) -> tuple[str, ...]:
        """How a command line begins under which nobody changes the repository in that directory; without any key.

        Raises ProcedureFailed for an engine whose repositories cannot be copied as files.
        """
        raise ProcedureFailed(
            f"{self.name} 的存储不能作为文件复制", f"repositories of {self.name} cannot be copied as files"
        )

    @abstractmethod
    def read_check(self, source: Asset, vault: Vault, keys: Keys, archive: str) -> Procedure[None]:
        """Read all of the copy back out of the vault and check it cryptographically; CopyBroken when it is damaged."""

    def beside(self, source: Asset) -> Asset | None:
        """What of the source lies in a repository of its own, its log: a vault that fetches brings it along."""
        return None

    def check_repository(self, source: Asset, vault: Vault, keys: Keys) -> Procedure[None]:
        """Check that what the vault holds hangs together, without reading all of it; CopyBroken when it does not."""
        # Named apart: what climbs the ladder lists the copies again on other rungs.
        yield from under("check", self.points(source, vault, keys))

    def read_sample(self, source: Asset, vault: Vault, keys: Keys, archive: str, percent: int) -> Procedure[None]:
        """Read about so much of the copy back, another part each time; engines that cannot read all of it."""
        yield from under("sample", self.read_check(source, vault, keys, archive))

    @abstractmethod
    def restore(
        self,
        source: Asset,
        point: RestorePoint,
        vault: Vault,
        keys: Keys,
        host: str,
        into: str,
        until: datetime | None = None,
    ) -> Procedure[None]:
        """Restore the content of the copy into the empty or missing directory `into` on `host`.

        The content of the source's directory lands in `into` itself, equal to the manifest of the copy. A directory
        that holds something is refused. With `until`, what is needed to go on to that moment lands in `into`.log; an
        engine that cannot do so refuses it.
        """

    def make_ready(self, source: Asset, host: str, into: str, until: datetime | None = None) -> Procedure[None]:
        """Make of a restored directory what the product starts from, as of `until`; most need nothing."""
        yield from ()

    def discard(self, source: Asset, host: str, into: str) -> Procedure[None]:
        """Remove what restoring into that directory has made beside it; most make nothing."""
        yield from ()

    def bring_log(self, source: Asset, vault: Vault, keys: Keys, taken: datetime) -> Procedure[datetime | None]:
        """Bring what changed since the newest copy into the vault; until when, None for engines that keep no log."""
        yield from ()
        return None

    def expire(self, source: Asset, vault: Vault, keys: Keys, host: str, archives: Sequence[str]) -> Procedure[None]:
        """Take these copies out of the vault, on the vault's own side: `host` keeps it, and no source may do so."""
        yield from ()
        raise ProcedureFailed(f"{self.name} 不支持清理旧备份", f"{self.name} cannot take copies out of a vault")


def options_of(model: type[Options], source: Asset) -> Options:
    """What the asset tells its engine. Raises BadInput."""
    told = dict(source.copied_by.options) if source.copied_by else {}
    try:
        return model.model_validate(told)
    except ValidationError as wrong:
        first = wrong.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise BadInput(
            Text(
                f"资产 {source.id} 的备份选项 {where} 有误:{first['msg']}",
                f"the option {where} for copying asset {source.id} is wrong: {first['msg']}",
            )
        ) from wrong


def engine_for(asset: Asset) -> Engine:
    """The engine that the asset names, or the first choice for its kind. Raises BadInput."""
    if asset.copied_by:
        named = engines().get(asset.copied_by.engine)
        if named is None or not _copies(named, asset):
            fit = ", ".join(name for name, engine in engines().items() if _copies(engine, asset)) or "-"
            raise BadInput(
                Text(
                    f"资产 {asset.id} 指定的引擎 {asset.copied_by.engine} 不适用;可用:{fit}",
                    f"engine {asset.copied_by.engine} does not copy asset {asset.id}; these do: {fit}",
                )
            )
        return named
    for engine in engines().values():
        if engine.chosen and _copies(engine, asset):
            return engine
    what = asset.product or asset.kind
    raise BadInput(Text(f"没有引擎能备份 {what} 类资产", f"no engine copies assets of kind {what}"))


def engine_named(name: str) -> Engine:
    """The engine that made a copy. Raises BadInput when this version has none of that name."""
    if name not in engines():
        raise BadInput(Text(f"没有名为 {name} 的备份引擎", f"there is no backup engine named {name}"))
    return engines()[name]


def refuse_moment(engine: Engine, until: datetime | None) -> None:
    """Raises ProcedureFailed when a moment is asked of an engine that restores copies as they are."""
    if until is not None:
        raise ProcedureFailed(
            f"引擎 {engine.name} 只能恢复到备份时刻", f"engine {engine.name} restores to the moments of its copies only"
        )


def refuse_name(archive: str) -> None:
    """Raises ProcedureFailed for what is no name of an archive: it stands in paths and in command lines."""
    if not _SAFE_NAME.fullmatch(archive):
        raise ProcedureFailed(f"备份名 {archive!r} 不可用", f"{archive!r} cannot be the name of a copy")


def _copies(engine: Engine, asset: Asset) -> bool:
    return asset.kind in engine.kinds and (asset.kind is not AssetKind.DATABASE or asset.product in engine.products)


@cache
def engines() -> Mapping[str, Engine]:
    """Every engine there is, by name."""
    return plugins_in(backup.engines, Engine)


def archive_name(source: Asset, taken: datetime) -> str:
    """The name of the copy of `source` taken at that moment: unique within a vault, sorted by time."""
    return f"{source.id}-{taken.astimezone(UTC):%Y%m%dT%H%M%SZ}"
