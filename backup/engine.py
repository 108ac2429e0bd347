"""The contract of a backup engine: plans, never acts. One file in `backup/engines/`, found by itself."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

import backup.engines
from secops.model.city import Asset, AssetKind, Vault
from secops.model.restore_point import RestorePoint
from secops.model.step import Procedure, ProcedureFailed
from secops.model.text import Text
from secops.support.plugins import plugins_in


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


class Engine(ABC):
    """Copies some kinds of asset into vaults and back. All methods are procedures: they yield steps, return values.

    Every procedure may be run again from its start; what is done already is found and left as it is.
    """

    name: ClassVar[str]
    describes: ClassVar[Text]
    kinds: ClassVar[frozenset[AssetKind]]
    needs: ClassVar[tuple[str, ...]]
    """Programs that must be on the host."""

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

    @abstractmethod
    def read_check(self, source: Asset, vault: Vault, keys: Keys, archive: str) -> Procedure[None]:
        """Read all of the copy back out of the vault and check it cryptographically; CopyBroken when it is damaged."""

    @abstractmethod
    def restore(
        self, source: Asset, point: RestorePoint, vault: Vault, keys: Keys, host: str, into: str
    ) -> Procedure[None]:
        """Restore the content of the copy into the empty or missing directory `into` on `host`.

        The content of the source's directory lands in `into` itself. A directory that holds something is refused.
        """


def engines() -> Mapping[str, Engine]:
    """Every engine there is, by name."""
    return plugins_in(backup.engines, Engine)


def archive_name(source: Asset, taken: datetime) -> str:
    """The name of the copy of `source` taken at that moment: unique within a vault, sorted by time."""
    return f"{source.id}-{taken.astimezone(UTC):%Y%m%dT%H%M%SZ}"
