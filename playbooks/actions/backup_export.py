"""Write the copies of an asset on a medium that is then taken away, with a signed list."""

from collections.abc import Mapping
from typing import Any

from backup.offline import check_medium, list_files, manifest_path, manifest_text, write_manifest
from playbooks.action import Action, Context, Options, Touches
from playbooks.fetching import fetch, nothing_to_fetch
from playbooks.ledgers import points_of, present_moment, signature_of
from secops.model.step import Procedure, ProcedureFailed
from secops.model.text import Text


class ExportOptions(Options):
    """Options of `backup.export`."""

    asset: str
    """The asset whose copies are written."""
    vault: str
    """Id of the vault that is the medium: `keeping: offline`, and `pulls_from` the vault that is written from."""


class BackupExport(Action[ExportOptions]):
    """See `describes`."""

    name = "backup.export"
    title = Text("离线导出", "Export to a medium")
    describes = Text(
        "把加密的存储写到离线介质,附清单(备份、每个文件的哈希、本服务的签名),再整体读回核对;核对通过后即可取走介质。",
        "Writes the encrypted repository on an offline medium with a list of copies and hashes, signed by this service, "
        "and reads all of it back; then the medium may be taken away.",
    )
    touches = Touches.ADDS
    options = ExportOptions
    gives = frozenset({"points", "manifest"})
    alone = True

    def plan(self, options: ExportOptions, context: Context) -> Procedure[Mapping[str, Any]]:
        """Fetch, list, sign, read back."""
        source = context.inventory.asset(options.asset)
        vault = context.inventory.vault(options.vault)
        every = yield from points_of(source.id)
        here = [point for point in every if point.vault == vault.pulls_from]
        there = [point for point in every if point.vault == vault.id]
        if why := nothing_to_fetch(vault, here):
            raise ProcedureFailed(f"{vault.id}:{why.zh}", f"{vault.id}: {why.en}")
        made = yield from present_moment()
        hop = (yield from fetch(source, vault, here, there, made, context)).hop
        files = yield from list_files(hop, "hash what was written")
        text = manifest_text(hop, here, files, made)
        signature = yield from signature_of(text)
        yield from write_manifest(hop, text, signature)
        archives = yield from check_medium(hop, lambda listed: signature_of(listed, " again"))
        return {"points": [f"{vault.id}/{archive}" for archive in archives], "manifest": manifest_path(hop)}


action = BackupExport()
