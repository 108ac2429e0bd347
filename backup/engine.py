"""The contract of a backup engine: plans, never acts. One file in `backup/engines/`, found by itself."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from secops.model.city import Asset, Vault
from secops.model.restore_point import RestorePoint
from secops.model.step import Procedure
from secops.model.text import Text


@dataclass(frozen=True, slots=True)
class Keys:
    """What an engine needs to open a vault, as references that only the runner resolves."""

    passphrase: str
    """Secret reference, e.g. `${file:keys/vault}`."""
    ssh_identity: str = ""
    """Path, on the source host, of the private key for a vault over ssh."""
    ssh_known_hosts: str = ""
    """Path, on the source host, of the pinned host keys."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What an engine says of the copy it just made."""

    archive: str
    taken: datetime
    size_bytes: int
    """Of the source."""
    added_bytes: int
    """What the vault grew by."""
    seconds: float


class Engine(ABC):
    """Copies one kind of asset into vaults and back. All methods are procedures: they yield steps and return values."""

    name: ClassVar[str]
    describes: ClassVar[Text]
    needs: ClassVar[tuple[str, ...]]
    """Programs that must be on the host."""

    @abstractmethod
    def prepare(self, source: Asset, vault: Vault, keys: Keys) -> Procedure[None]:
        """Make the vault's repository for this source when it is not there; nothing when it is."""

    @abstractmethod
    def backup(self, source: Asset, vault: Vault, keys: Keys, archive: str, taken: datetime) -> Procedure[Copied]:
        """Copy the source. An archive of that name that is there already is the copy (resume)."""

    @abstractmethod
    def points(self, source: Asset, vault: Vault, keys: Keys) -> Procedure[tuple[str, ...]]:
        """Archive names in the vault, oldest first."""

    @abstractmethod
    def read_check(self, source: Asset, vault: Vault, keys: Keys, archive: str) -> Procedure[None]:
        """Read the copy back in the vault and check it cryptographically; ProcedureFailed when it is broken."""

    @abstractmethod
    def restore(
        self, source: Asset, point: RestorePoint, vault: Vault, keys: Keys, host: str, into: str
    ) -> Procedure[None]:
        """Restore the content of the copy into the empty or missing directory `into` on `host`."""
