"""Start what a drill restored, where it reaches nobody, and ask what the business asks."""

from collections.abc import Mapping, Sequence
from typing import Any

from backup.canaries.file_tree import read_in
from backup.canary import Canary, canaries_in
from backup.canary_steps import complaint, forgery, hold, said
from backup.engine import engine_named
from backup.trial import trial_for
from playbooks.action import Action, Context, Milestone, Options, Touches
from playbooks.isolation import close_namespace, isolated, open_namespace
from playbooks.ledgers import point_named
from secops.model.city import Asset, AssetKind, Place
from secops.model.restore_point import RestorePoint
from secops.model.step import Fetch, Procedure, ProcedureFailed, Rescan, Step, Trouble, require
from secops.model.text import Text

_SCAN_SECONDS = 3600.0


class DrillAskOptions(Options):
    """Options of `drill.ask`."""

    point: str
    """The restore point that was restored."""
    place: str
    """The isolated place."""
    directory: str
    """The directory of the copy."""
    url: str = ""
    """Where the place serves it."""


class DrillAsk(Action[DrillAskOptions]):
    """See `describes`."""

    name = "drill.ask"
    title = Text("演练:启动并做业务检查", "Drill: start and ask the business check")
    describes = Text(
        "扫描恢复出的目录,在隔离处(隔离区要求时用独立的网络命名空间)启动数据库或访问恢复出的网站,做业务检查;"
        "未能检查的项目逐条写明。",
        "Scans what was restored, starts the database in isolation (in a network namespace of its own where the place "
        "wants that) or fetches the restored site, and asks the business check. What could not be looked at is named.",
    )
    touches = Touches.ADDS
    options = DrillAskOptions
    gives = frozenset({"checked", "unchecked"})
    milestone = Milestone.T5

    def plan(self, options: DrillAskOptions, context: Context) -> Procedure[Mapping[str, Any]]:
        """Scan, start, ask, stop."""
        point = yield from point_named(options.point)
        source, place = context.inventory.asset(point.asset), context.inventory.place(options.place)
        looked = _Looked()
        yield from _scan(source, place, options.directory, looked)
        if source.canary and source.kind is AssetKind.FILE_TREE:
            told = yield from read_in(place.host, options.directory, "read the canaries")
            yield from _hold(point, canaries_in(told, source.id), looked)
        if source.kind is AssetKind.DATABASE:
            yield from _try(source, point, place, options.directory, context, looked)
        else:
            yield from _fetch(source, options.url, context, looked)
        return {"checked": _told(looked.checked), "unchecked": _told(looked.unchecked)}


class _Looked:
    """What was looked at, and what was not."""

    def __init__(self) -> None:
        self.checked: list[Text] = []
        self.unchecked: list[Text] = []


def _scan(source: Asset, place: Place, directory: str, looked: _Looked) -> Procedure[None]:
    scan = Rescan(source.id, (), tree=directory, host=place.host)
    read = yield Step("scan what was restored", scan, assume="[]", timeout_seconds=_SCAN_SECONDS)
    if read.trouble is Trouble.FAILED:
        require(read, "恢复的副本未通过扫描", "the restored copy did not pass the scan")
    if read.ok and read.output != "[]":
        looked.checked.append(Text("已扫描恶意代码,未发现", "scanned for malware, nothing found"))
    else:
        why = read.reason or "-"
        looked.unchecked.append(Text(f"未扫描恶意代码:{why}", f"not scanned for malware: {why}"))


def _try(
    source: Asset, point: RestorePoint, place: Place, directory: str, context: Context, looked: _Looked
) -> Procedure[None]:
    trial = trial_for(source)
    if trial is None:
        looked.unchecked.append(Text("该产品没有试运行", "there is no trial for this product"))
        return
    namespace = f"jindun-{context.run}"[:_LONGEST_NAME]
    yield from engine_named(point.engine).make_ready(source, place.host, directory)
    procedure = trial.run(source, place.host, directory, point.taken, exact=False)
    if place.namespace:
        yield from open_namespace(place.host, namespace)
        procedure = isolated(procedure, place.host, namespace)
    # Not `finally`: a generator that is closed must not yield.
    try:
        tried = yield from procedure
    except ProcedureFailed:
        if place.namespace:
            yield from close_namespace(place.host, namespace)
        raise
    if place.namespace:
        yield from close_namespace(place.host, namespace)
        looked.checked.append(Text("在独立的网络命名空间中启动", "started in a network namespace of its own"))
    looked.checked.append(Text(f"启动用时 {tried.start_seconds:.1f} 秒", f"took {tried.start_seconds:.1f} s to start"))
    looked.checked += tried.looked.checked
    looked.unchecked += tried.looked.unchecked
    if tried.canaries is not None:
        yield from _hold(point, tried.canaries, looked)


def _hold(point: RestorePoint, found: Sequence[Canary], looked: _Looked) -> Procedure[None]:
    holding = yield from hold(point.id, found, point.asset, point.taken)
    if holding and (against := forgery(holding) or complaint(holding, exact=False)):
        raise ProcedureFailed(against.zh, against.en)
    if holding:
        looked.checked.append(said(holding))


_LONGEST_NAME = 200
"""Characters of a namespace's name, which is a file name."""


def _fetch(source: Asset, url: str, context: Context, looked: _Looked) -> Procedure[None]:
    entry = context.inventory.entry_of(context.inventory.system_of(source.id).id)
    if entry is None or not url:
        looked.unchecked.append(Text("没有业务检查(系统没有入口)", "no business check (the system has no entry)"))
        return
    business = entry.business_check
    fetch = Fetch(f"{url}{business.path.lstrip('/')}", business.contains)
    answered = yield Step("ask what the business asks", fetch, assume=business.contains)
    require(answered, "恢复出的业务没有正确应答", "what was restored does not answer as the business must")
    looked.checked.append(Text("业务检查通过", "the business check passed"))


def _told(sentences: Sequence[Text]) -> list[dict[str, str]]:
    return [{"zh": one.zh, "en": one.en} for one in sentences]


action = DrillAsk()
