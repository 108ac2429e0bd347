"""What the actions that copy copies share: fetch, and have the catalogue know."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from backup.engine import engine_named
from backup.relay import Fetched, Hop, relay
from backup.vaults import refusal
from playbooks.action import Context
from playbooks.copies import unit_of
from playbooks.ledgers import enter_log, enter_point, give_up, log_until, look_at, manifest_of, use_of
from secops.model.city import Asset, Vault
from secops.model.restore_point import RestorePoint, Verdict
from secops.model.step import Command, Procedure, ProcedureFailed, Step, Trouble, require, under
from secops.model.text import Text


@dataclass(frozen=True, slots=True)
class Fetching:
    """What came of one fetch."""

    hop: Hop
    state: Fetched
    points: tuple[RestorePoint, ...]
    """Those that are new in the vault."""


def nothing_to_fetch(vault: Vault, here: Sequence[RestorePoint]) -> Text | None:
    if not vault.pulls_from:
        return Text("它不从别的备份库拉取", "it fetches from no other vault")
    return None if here else Text(f"{vault.pulls_from} 中还没有备份", f"there is no copy in {vault.pulls_from} yet")


def fetch(
    source: Asset,
    vault: Vault,
    here: Sequence[RestorePoint],
    there: Sequence[RestorePoint],
    moment: datetime,
    context: Context,
) -> Procedure[Fetching]:
    """Have the vault fetch, and enter what has come and what is gone.

    What the origin had in the catalogue before it was held still is in what arrives.
    """
    origin = context.inventory.vault(vault.pulls_from)
    have = {point.archive for point in there}
    new = [point for point in reversed(here) if point.archive not in have]
    unit = unit_of(context.inventory, source)
    used = yield from use_of(vault.id)
    if refused := refusal(vault, unit, used.get(unit, 0), sum(point.added_bytes for point in new)):
        raise ProcedureFailed(refused.zh, refused.en)
    yield from _refuse_vanished(source, origin, here)
    hop = Hop(engine_named(here[0].engine), source, origin, vault, context.keys)
    state = yield from relay(hop, moment)
    yield from _fetch_log(hop, moment)
    entered = []
    for point in new:
        manifest = yield from manifest_of(point.id)
        place = f"{vault.id}/{point.archive}"
        copied = replace(
            point, id=place, vault=vault.id, manifest=manifest.digest, verdict=Verdict(), copied_from=origin.id
        )
        yield from enter_point(copied, manifest.text)
        entered.append(copied)
    if gone := [point.id for point in there if point.archive not in {one.archive for one in here}]:
        yield from give_up(vault.id, gone, moment)
    return Fetching(hop, state, tuple(entered))


def _fetch_log(hop: Hop, moment: datetime) -> Procedure[None]:
    """After the copies, so that it reaches on from each of them."""
    log = hop.engine.beside(hop.asset)
    if log is None:
        return
    until = yield from log_until(hop.asset.id, hop.origin.id)
    repository = f"{hop.origin.directory}/{log.id}"
    there = yield Step("look for the log", Command(hop.origin.host, ("test", "-d", repository)))
    if there.trouble is Trouble.FAILED:
        return
    require(there, f"无法查看 {repository}", f"{repository} cannot be looked at")
    yield from under("log", relay(replace(hop, asset=log), moment))
    if until:
        yield from enter_log(hop.asset.id, hop.target.id, until)


def _refuse_vanished(source: Asset, origin: Vault, here: Sequence[RestorePoint]) -> Procedure[None]:
    """A near vault from which copies have vanished must not take the far ones with it."""
    look = yield from look_at(source.id, origin.id)
    vanished = [
        point.archive for point in here if look and point.taken < look.looked and point.archive not in look.archives
    ]
    if vanished or (look and look.changed and any(point.taken < look.changed for point in here)):
        raise ProcedureFailed(
            f"{origin.id} 中的备份有缺失或存储被更换,不拉取,以免好的备份被顶替",
            f"copies have vanished from {origin.id}, or its repository was replaced; it is not fetched, lest good copies "
            "be replaced",
        )
