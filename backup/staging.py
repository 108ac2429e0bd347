"""Engines that let a program write a consistent copy into a folder, and leave its keeping to borg.

So every database is encrypted, deduplicated, append-only over ssh, read back and restored alike, and its engine says
only how the program is called. The folder is on the source's host, and gone when the copy is in the vault.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from backup.engine import Copied, Engine, Keys, Stock, refuse_moment, refuse_name
from backup.engines.borg import borg
from backup.listing import list_during
from backup.manifest import Manifest
from secops.model.city import Asset, Vault
from secops.model.restore_point import RestorePoint
from secops.model.step import Command, Procedure, ProcedureFailed, Step, require


class Staged(Engine):
    """Stages, copies, clears. A new engine says `stage`, and `make_ready` when the product does not start from that."""

    lists = True

    @abstractmethod
    def stage(self, source: Asset, keys: Keys, folder: str, taken: datetime) -> Procedure[None]:
        """Have a consistent copy of the source written into `folder` on its host, which is there and empty."""

    def stage_for(self, vault: Vault, source: Asset, keys: Keys, folder: str, taken: datetime) -> Procedure[None]:
        """The same when it matters which vault the copy is for."""
        yield from self.stage(source, keys, folder, taken)

    def prepare(self, source: Asset, vault: Vault, keys: Keys) -> Procedure[None]:
        yield from borg.prepare(source, vault, keys)

    def backup(self, source: Asset, vault: Vault, keys: Keys, archive: str, taken: datetime) -> Procedure[Copied]:
        """What is in the vault under that name is the copy, and its manifest that of the vault: nothing is staged."""
        refuse_name(archive)
        yield from borg.prepare(source, vault, keys)
        if archive in (yield from borg.points(source, vault, keys)):
            # Nothing is read but the vault; the path of a database may be a file.
            copied = yield from borg.backup(replace(source, path=""), vault, keys, archive, taken)
            return replace(copied, manifest=(yield from borg.contents(source, vault, keys, archive)))
        folder = f"{keys.state_directory}/staging/{archive}"
        yield from _clear(source.host, folder)
        made = yield Step("make the staging folder", _make(source.host, folder), changes=True)
        require(made, f"无法建立暂存目录 {folder}", f"cannot make the staging folder {folder}")
        # Not `finally`: a generator that is closed must not yield, and a run that was killed clears when resumed.
        try:
            copied = yield from self._stage_and_keep(source, vault, keys, folder, archive, taken)
        except ProcedureFailed:
            yield from _clear(source.host, folder, "clear the staging folder of the failed try")
            raise
        yield from _clear(source.host, folder, "clear the staging folder")
        return copied

    def _stage_and_keep(
        self, source: Asset, vault: Vault, keys: Keys, folder: str, archive: str, taken: datetime
    ) -> Procedure[Copied]:
        yield from self.stage_for(vault, source, keys, folder, taken)
        work = borg.backup(replace(source, path=folder), vault, keys, archive, taken)
        copied, manifest = yield from list_during(source.host, folder, "list what was staged", work, Manifest(()))
        return replace(copied, manifest=manifest)

    def points(self, source: Asset, vault: Vault, keys: Keys) -> Procedure[tuple[str, ...]]:
        return (yield from borg.points(source, vault, keys))

    def stock(self, source: Asset, vault: Vault, keys: Keys) -> Procedure[Stock]:
        return (yield from borg.stock(source, vault, keys))

    def at_rest(self, directory: str) -> tuple[str, ...]:
        return borg.at_rest(directory)

    def check_repository(self, source: Asset, vault: Vault, keys: Keys) -> Procedure[None]:
        yield from borg.check_repository(source, vault, keys)

    def read_sample(self, source: Asset, vault: Vault, keys: Keys, archive: str, percent: int) -> Procedure[None]:
        yield from borg.read_sample(source, vault, keys, archive, percent)

    def read_check(self, source: Asset, vault: Vault, keys: Keys, archive: str) -> Procedure[None]:
        yield from borg.read_check(source, vault, keys, archive)

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
        refuse_moment(self, until)
        yield from borg.restore(source, point, vault, keys, host, into)

    def expire(self, source: Asset, vault: Vault, keys: Keys, host: str, archives: Sequence[str]) -> Procedure[None]:
        yield from borg.expire(source, vault, keys, host, archives)


def log_of(source: Asset) -> Asset:
    """The source's log, as borg keeps it: in a repository of its own."""
    return replace(source, id=f"{source.id}.log")


def _make(host: str, folder: str) -> Command:
    return Command(host, ("mkdir", "-p", "-m", "0700", "--", folder))


def _clear(host: str, folder: str, name: str = "clear what an earlier try left") -> Procedure[None]:
    cleared = yield Step(name, Command(host, ("rm", "-rf", "--one-file-system", "--", folder)), changes=True)
    require(cleared, f"无法清除暂存目录 {folder}", f"the staging folder {folder} cannot be cleared")
