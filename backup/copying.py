"""Take one copy: its repository, the manifest of its source, the archive."""

from dataclasses import dataclass
from datetime import datetime

from backup.engine import Copied, Engine, Keys, archive_name
from backup.listing import list_during
from backup.manifest import Manifest
from secops.model.city import Asset, Vault
from secops.model.restore_point import RestorePoint
from secops.model.step import Procedure


@dataclass(frozen=True, slots=True)
class Copy:
    """A new restore point, the manifest that it must equal, and what the engine said."""

    point: RestorePoint
    manifest: Manifest
    copied: Copied


def take_copy(
    engine: Engine, source: Asset, vault: Vault, keys: Keys, taken: datetime, unit: str = ""
) -> Procedure[Copy]:
    """Copy `source` into `vault`; `unit` is whose data it is.

    A file tree is read for its manifest while the engine copies it, and walked through before and after: what changed
    in between is in the manifest as changing, and is not held against the copy later.
    """
    archive = archive_name(source, taken)
    if engine.lists:
        copied = yield from engine.backup(source, vault, keys, archive, taken)
        assert copied.manifest is not None, f"{engine.name} makes what it copies, and must list it"
        manifest = copied.manifest
    else:
        work = engine.backup(source, vault, keys, archive, taken)
        copied, manifest = yield from list_during(source.host, source.path, "list the source", work)
    point = RestorePoint(
        id=f"{vault.id}/{archive}",
        asset=source.id,
        vault=vault.id,
        engine=engine.name,
        archive=archive,
        taken=taken,
        manifest=manifest.digest,
        size_bytes=manifest.size_bytes,
        unit=unit,
        added_bytes=copied.added_bytes,
        packed_bytes=copied.packed_bytes,
        seconds=copied.seconds,
    )
    return Copy(point, manifest, copied)
