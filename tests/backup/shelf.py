"""A source, a vault and keys on this machine, ready for an engine."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from backup.engine import Engine, Keys
from secops.model.city import Asset, AssetKind, Vault
from secops.model.restore_point import RestorePoint
from secops.model.step import LOCAL
from secops.model.text import Text

PASSPHRASE = "correct horse battery staple"
FIRST = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Shelf:
    """What the methods of an engine take."""

    folder: Path
    source: Asset
    vault: Vault
    keys: Keys

    @property
    def tree(self) -> Path:
        """The source on disk."""
        return Path(self.source.path)

    @property
    def repository(self) -> Path:
        """The folder of the vault that is the source's own."""
        return Path(self.vault.location) / self.source.id

    def point(self, engine: Engine, archive: str, taken: datetime = FIRST) -> RestorePoint:
        """A restore point for the archive, without a manifest."""
        return RestorePoint(
            f"{self.vault.id}/{archive}", self.source.id, self.vault.id, engine.name, archive, taken, "", 0
        )

    def with_passphrase(self, passphrase: str) -> "Shelf":
        """The same with another passphrase."""
        (self.folder / "other").write_text(passphrase)
        (self.folder / "other").chmod(0o600)
        return replace(self, keys=replace(self.keys, passphrase="${file:other}"))


def make_shelf(folder: Path, *, location: str = "", ssh_identity: str = "", ssh_known_hosts: str = "") -> Shelf:
    """An empty source `site` and a vault below `folder`; the passphrase is a secret file there."""
    (folder / "passphrase").write_text(PASSPHRASE + "\n")
    (folder / "passphrase").chmod(0o600)
    (folder / "source tree").mkdir()
    source = Asset(
        "site", AssetKind.FILE_TREE, Text("网站", "site"), "c1", path=str(folder / "source tree"), host=LOCAL
    )
    vault = Vault("v1", "c1", location or str(folder / "deep" / "vault"))
    keys = Keys("${file:passphrase}", str(folder / "state"), ssh_identity, ssh_known_hosts)
    return Shelf(folder, source, vault, keys)


def later(minutes: int) -> datetime:
    """A moment after FIRST."""
    return FIRST + timedelta(minutes=minutes)
