"""Procedures around canaries: write the next one, and hold what a copy or replica has against the ledger."""

import json
from collections.abc import Sequence
from datetime import datetime

from pydantic import TypeAdapter

from backup.canary import SAMPLE, Canary, canaries_in, writer_for
from backup.canary_ledger import Holding
from secops.model.city import Asset
from secops.model.step import Consult, Enter, Procedure, Step, require
from secops.model.text import Text
from secops.support.clock import from_text, to_text

_HOLDING = TypeAdapter(Holding)


def write_next(asset: Asset) -> Procedure[Canary]:
    """The next canary of the asset is in it, and acknowledged in the ledger."""
    writer = writer_for(asset)
    moment = yield from _present("look at the clock")
    document = json.dumps({"moment": to_text(moment)})
    begun = yield Step("begin a canary", Enter("canaries", asset.id, document), changes=True)
    require(begun, "无法记下探针记录", "the canary cannot be written down")
    told = yield Step("read the canary", Consult("canary", f"{asset.id} {to_text(moment)}"))
    known = json.loads(require(told, "无法读取探针记录", "the canary cannot be read").output)
    # A rehearsal has begun none.
    canary = Canary(asset.id, known["counter"], moment, known["signature"]) if known else SAMPLE
    yield from writer.write(asset, canary)
    document = json.dumps({"counter": canary.counter})
    kept = yield Step("acknowledge the canary", Enter("canaries_acknowledged", asset.id, document), changes=True)
    require(kept, "无法确认探针记录", "the canary cannot be acknowledged")
    return canary


def read_replica(replica: Asset, primary: str) -> Procedure[Holding | None]:
    """What a replica has of the canaries of what it follows."""
    told = yield from writer_for(replica).read(replica)
    moment = yield from _present("look at the clock")
    return (yield from hold(replica.id, canaries_in(told, primary), primary, moment))


def hold(
    subject: str, found: Sequence[Canary], asset: str, wanted: datetime, exact: bool = False
) -> Procedure[Holding | None]:
    """Have the ledger judge what was found; None in a rehearsal of what was never looked at."""
    lines = [one.line for one in found]
    document = json.dumps({"asset": asset, "wanted": to_text(wanted), "exact": exact, "lines": lines})
    held = yield Step("hold the canaries against the ledger", Enter("canary_holdings", subject, document), changes=True)
    require(held, "无法与探针台账核对", "the canaries cannot be held against the ledger")
    told = yield Step("read what the canaries say", Consult("canary_holding", subject))
    known = json.loads(require(told, "无法读取探针核对结果", "what the canaries say cannot be read").output)
    return _HOLDING.validate_python(known) if known else None


def said(holding: Holding) -> Text:
    """The sentence about a copy whose canaries are as they must be."""
    if holding.moment is None:
        return Text("此前没有已确认的探针记录", "no canary had been acknowledged before it")
    age = max(0.0, (holding.wanted - holding.moment).total_seconds())
    missing = Text("", "")
    if holding.missing:
        missing = Text(f",但缺 {holding.missing} 条已确认的", f", but {holding.missing} acknowledged ones are missing")
    return Text(
        f"探针记录至第 {holding.newest} 条,早于应有时刻 {age:.1f} 秒{missing.zh}",
        f"canaries up to number {holding.newest}, {age:.1f} s before the wanted moment{missing.en}",
    )


def complaint(holding: Holding, exact: bool) -> Text | None:
    """What speaks against the copy; with `exact` it must stand at the wanted moment and not later."""
    if holding.stale:
        return Text(
            f"副本中缺少应有时刻之前已确认的最后 {holding.stale} 条探针记录",
            f"the last {holding.stale} canaries that were acknowledged before the wanted moment are not in the copy",
        )
    if exact and holding.late:
        return Text(
            f"副本中有 {holding.late} 条晚于应有时刻的探针记录",
            f"{holding.late} canaries from after the wanted moment are in the copy",
        )
    return None


def forgery(holding: Holding) -> Text | None:
    """What says that an intruder was at work; None when nothing does."""
    if not holding.forged:
        return None
    return Text(
        f"有 {holding.forged} 条探针记录不是本服务写入的(伪造)",
        f"{holding.forged} canaries were not written by this service: they are forged",
    )


def _present(name: str) -> Procedure[datetime]:
    told = yield Step(name, Consult("clock", "now"))
    return from_text(json.loads(require(told, "无法读取时钟", "the clock cannot be read").output))
