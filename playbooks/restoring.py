"""Restore a point into an isolated place and compare it: what `backup.restore` and its override share."""

from datetime import datetime

from backup.comparison import compare, describe
from backup.engine import engine_named
from backup.listing import take_manifest
from playbooks.action import Context
from playbooks.ledgers import manifest_of
from secops.model.city import Place
from secops.model.restore_point import RestorePoint
from secops.model.step import Procedure, ProcedureFailed


def restore_into(
    point: RestorePoint, place: Place, context: Context, until: datetime | None = None
) -> Procedure[dict[str, str]]:
    """The directory and URL of the restored copy, which equals its manifest. With `until` it is then made what the
    product starts from to stand at that moment; the log that takes is in `directory`.log."""
    manifest = yield from manifest_of(point.id)
    source = context.inventory.asset(point.asset)
    name = f"{context.run}-{point.archive}"
    directory = f"{place.path.rstrip('/')}/{name}"
    vault = context.inventory.vault(point.vault)
    engine = engine_named(point.engine)
    yield from engine.restore(source, point, vault, context.keys, place.host, directory, until)
    restored = yield from take_manifest(place.host, directory, "list the restored copy", assume=manifest)
    if differences := compare(manifest, restored):
        told = describe(differences)
        raise ProcedureFailed(f"恢复结果与清单不符:{told.zh}", f"the restore differs from its manifest: {told.en}")
    if until is not None:
        yield from engine.make_ready(source, place.host, directory, until)
    return {"directory": directory, "url": f"{place.url.rstrip('/')}/{name}/"}
