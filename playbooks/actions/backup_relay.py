"""Have vaults fetch the copies of other vaults."""

from collections.abc import Mapping
from typing import Any

from backup.vaults import closed, visible
from playbooks.action import Action, Context, Options, Touches
from playbooks.copies import unit_of
from playbooks.fetching import fetch, nothing_to_fetch
from playbooks.ledgers import points_of, present_moment
from secops.model.city import Keeping
from secops.model.step import Procedure, under
from secops.model.text import Text


class RelayOptions(Options):
    """Options of `backup.relay`."""

    asset: str
    """The asset whose copies are fetched."""
    vaults: tuple[str, ...] = ()
    """Ids of the vaults that fetch; when left out, all that do and that its unit may use."""


class BackupRelay(Action[RelayOptions]):
    """See `describes`."""

    name = "backup.relay"
    title = Text("异地拉取备份", "Fetch copies of copies")
    describes = Text(
        "由异地备份库的主机拉取本地备份库中加密的存储(不需要任何解密密钥),限速、可续传,按哈希核对后一次切换;"
        "不在传输时段内则等待下次,不算失败。",
        "The host of a far vault fetches the encrypted repository of a near one, without any key to it: within its limit, "
        "resumable, compared by hashes and switched to in one rename. Outside its hours it waits for the next time, which "
        "is no failure.",
    )
    touches = Touches.ADDS
    options = RelayOptions
    gives = frozenset({"points", "waiting", "fetched_bytes", "seconds"})
    alone = True

    def plan(self, options: RelayOptions, context: Context) -> Procedure[Mapping[str, Any]]:
        """One vault after the other."""
        inventory = context.inventory
        source = inventory.asset(options.asset)
        usable = visible(inventory.city.vaults, unit_of(inventory, source))
        chosen = tuple(map(inventory.vault, options.vaults)) or tuple(
            vault for vault in usable if vault.pulls_from and vault.keeping is not Keeping.OFFLINE
        )
        every = yield from points_of(source.id)
        points: list[str] = []
        waiting: dict[str, dict[str, str]] = {}
        fetched_bytes, seconds = 0, 0.0
        for vault in chosen:
            moment = yield from present_moment(f" for {vault.id}")
            here = [point for point in every if point.vault == vault.pulls_from]
            if why := closed(vault, moment) or nothing_to_fetch(vault, here):
                waiting[vault.id] = {"zh": why.zh, "en": why.en}
                continue
            there = [point for point in every if point.vault == vault.id]
            fetched = yield from under(vault.id, fetch(source, vault, here, there, moment, context))
            points += [point.id for point in fetched.points]
            fetched_bytes, seconds = fetched_bytes + fetched.state.fetched_bytes, seconds + fetched.state.seconds
        return {"points": points, "waiting": waiting, "fetched_bytes": fetched_bytes, "seconds": seconds}


action = BackupRelay()
