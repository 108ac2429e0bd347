"""Restore a proven copy into an isolated place."""

from collections.abc import Mapping
from typing import Any

from backup.engine import engine_named
from backup.listing import take_manifest
from backup.manifest import compare, describe
from playbooks.action import Action, Context, Options, Touches
from playbooks.ledgers import manifest_of, point_named
from secops.model.step import Procedure, ProcedureFailed
from secops.model.text import Text


class RestoreOptions(Options):
    """Options of `backup.restore`."""

    point: str
    """Id of the restore point. One that is not proven clean is refused."""
    place: str
    """Isolated place."""


class BackupRestore(Action[RestoreOptions]):
    """See `describes`."""

    name = "backup.restore"
    title = Text("恢复到隔离区", "Restore into isolation")
    describes = Text(
        "只恢复已证明干净的恢复点,先放到隔离区,再按文件哈希清单逐一比对;比对不符即失败。",
        "Restores only a point that is proven clean, into an isolated place first, and compares every file with the "
        "manifest; a difference fails the step.",
    )
    touches = Touches.ADDS
    options = RestoreOptions
    gives = frozenset({"directory", "url"})

    def plan(self, options: RestoreOptions, context: Context) -> Procedure[Mapping[str, Any]]:
        """Look the point up, restore, compare."""
        place = context.inventory.place(options.place)
        point = yield from point_named(options.point)
        if not point.verdict.proven_clean:
            because = point.verdict.because
            raise ProcedureFailed(
                f"{point.id} 未证明干净:{because.zh}", f"{point.id} is not proven clean: {because.en}"
            )
        manifest = yield from manifest_of(point.id)
        source = context.inventory.asset(point.asset)
        name = f"{context.run}-{point.archive}"
        directory = f"{place.path.rstrip('/')}/{name}"
        vault = context.inventory.vault(point.vault)
        yield from engine_named(point.engine).restore(source, point, vault, context.keys, place.host, directory)
        restored = yield from take_manifest(place.host, directory, "list the restored copy", assume=manifest)
        if differences := compare(manifest, restored):
            told = describe(differences)
            raise ProcedureFailed(f"恢复结果与清单不符:{told.zh}", f"the restore differs from its manifest: {told.en}")
        return {"directory": directory, "url": f"{place.url.rstrip('/')}/{name}/"}


action = BackupRestore()
