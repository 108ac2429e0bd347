"""Prove the restore points of an asset by climbing the ladder of verification."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import PositiveFloat

from backup.engine import engine_named
from backup.ladder import bytes_for
from backup.verdicts import Freshness, due, standing
from backup.verification import Candidate, Scratch, verify
from playbooks.action import Action, Context, Options, Touches
from playbooks.ledgers import enter_verdict, manifest_of, points_of, rules_for
from playbooks.moments import moment_of, newest_before, refuse_beyond
from playbooks.proving import freshness_for, looks_at
from playbooks.schema import Duration
from secops.model.city import Asset, Keeping
from secops.model.restore_point import Proof, RestorePoint, Rung, Verdict
from secops.model.step import Procedure, ProcedureFailed, under
from secops.model.text import Text


class VerifyOptions(Options):
    """Options of `backup.verify`."""

    asset: str
    """The asset whose points are verified."""
    place: str
    """Isolated place that the copies are restored into."""
    page: str = ""
    """Page or website asset that the tree holds; looked at in the restored copy."""
    checks: tuple[str, ...] = ("page-tamper",)
    """Checks for the page."""
    only_unproven: bool = True
    """Leave points alone that have a verdict of that height which still counts."""
    points: tuple[str, ...] = ()
    """Ids of points; when left out, all of the asset."""
    start: Rung = Rung.REPOSITORY
    """The first rung: 1 repository, 2 sample, 3 restore. With 2, what is wrong elsewhere in a damaged vault is passed
    over, and each copy is judged by what is read of it."""
    upto: Rung = Rung.SCAN
    """The last rung: 4 scan, 5 the business check of the started application."""
    until: str = ""
    """The moment (ISO 8601 with its zone) that the newest copy before it is brought to by the log, or those that are
    named; what cannot be proven there fails the step. When left out, copies are proven as they are."""
    most_gigabytes: PositiveFloat | None = None
    """The most that one run reads back; what does not fit waits for the next run, never-proven copies first. The first
    copy is proven even when it alone passes it, for else it never would be."""
    proof_lasts: Duration | None = None
    """How long proof counts; when left out, twice what the tier's policy puts between two scans."""


class BackupVerify(Action[VerifyOptions]):
    """See `describes`."""

    name = "backup.verify"
    title = Text("恢复验证", "Verify by restore")
    describes = Text(
        "把恢复点逐级验证:存储检查、抽样读回、恢复到隔离区并按文件哈希清单比对、扫描恢复出的目录与页面、"
        "(按需)启动应用做业务检查;止于首个未通过的一级,写入结论。",
        "Climbs the ladder for each point: checks the repository, reads a sample, restores into an isolated place and "
        "compares file by file with the manifest, scans the restored tree and page and, when asked, starts the "
        "application and asks its business check. Stops at the first rung that fails, and enters the verdict.",
    )
    touches = Touches.ADDS
    options = VerifyOptions
    gives = frozenset({"verified", "clean", "not_clean", "waiting"})

    def plan(self, options: VerifyOptions, context: Context) -> Procedure[Mapping[str, Any]]:
        """One point after the other; fails when one turns out broken, not when one turns out unclean."""
        source = context.inventory.asset(options.asset)
        points = yield from points_of(source.id)
        freshness = yield from freshness_for(source, context, options.proof_lasts)
        freshness = replace(freshness, rules=(yield from rules_for(source.id)))
        until = moment_of(options.until)
        if until is not None and not options.points:
            points = newest_before(points, until, source.id)
        here = [point for point in points if _in_reach(point, options, context)]
        wanted = [point for point in here if _wanted(point, options, freshness)]
        for point in wanted:
            refuse_beyond(point, until, freshness.moment)
        chosen = _within(wanted, options)
        verdicts = yield from _prove_all(chosen, source, options, context, freshness)
        broken = [name for name, verdict in verdicts.items() if Proof.NO in (verdict.readable, verdict.restorable)]
        if broken:
            because = verdicts[broken[0]].because
            raise ProcedureFailed(f"{broken[0]} 无法恢复:{because.zh}", f"{broken[0]} does not restore: {because.en}")
        return {
            "verified": list(verdicts),
            "clean": [name for name, verdict in verdicts.items() if verdict.proven_clean],
            "not_clean": [name for name, verdict in verdicts.items() if verdict.clean is Proof.NO],
            "waiting": [point.id for point in wanted if point.id not in verdicts],
        }


def _refuse_unproven(looks: Mapping[str, Verdict], until: str) -> None:
    """What stands of a copy from before says nothing of the moment that was asked for."""
    failed = {name: seen.because for name, seen in looks.items() if seen.failed}
    if failed:
        zh = ";".join(f"{name}:{because.zh}" for name, because in failed.items())
        en = "; ".join(f"{name}: {because.en}" for name, because in failed.items())
        raise ProcedureFailed(f"未能在 {until} 得到验证:{zh}", f"not proven as of {until}: {en}")


def _in_reach(point: RestorePoint, options: VerifyOptions, context: Context) -> bool:
    """Whether it can be read at all: a medium in a cupboard is checked when it is brought back."""
    vault = context.inventory.vault(point.vault)
    return vault.keeping is not Keeping.OFFLINE or point.id in options.points


def _wanted(point: RestorePoint, options: VerifyOptions, freshness: Freshness) -> bool:
    if options.points:
        return point.id in options.points
    return bool(options.until) or not options.only_unproven or due(point.verdict, options.upto, freshness)


def _within(points: list[RestorePoint], options: VerifyOptions) -> list[RestorePoint]:
    """Those that are read back within the budget. One that is too large leaves its place to smaller ones after it."""
    if options.most_gigabytes is None:
        return points
    room = options.most_gigabytes * _GIGABYTE
    taken: list[RestorePoint] = []
    for point in sorted(points, key=lambda one: one.verdict.judged is not None):
        cost = bytes_for(options.upto, point.size_bytes)
        if not taken or cost <= room:
            taken.append(point)
            room -= cost
    return taken


_GIGABYTE = 1e9


def _prove_all(
    points: list[RestorePoint], source: Asset, options: VerifyOptions, context: Context, freshness: Freshness
) -> Procedure[dict[str, Verdict]]:
    """The repository is checked once per vault: what is wrong with it is wrong for each copy in it."""
    checked: dict[str, Verdict] = {}
    verdicts: dict[str, Verdict] = {}
    looks: dict[str, Verdict] = {}
    for point in points:
        known = checked.get(point.vault)
        if known and known.failed is Rung.REPOSITORY:
            seen = known
        else:
            passed = Rung.REPOSITORY if known else Rung(options.start - 1)
            seen = yield from under(point.id, _prove(point, source, options, context, freshness, passed))
            checked.setdefault(point.vault, seen)
        verdicts[point.id] = standing(point.verdict, seen)
        yield from enter_verdict(point.id, verdicts[point.id])
        looks[point.id] = seen
    if options.until:
        _refuse_unproven(looks, options.until)
    return verdicts


def _prove(
    point: RestorePoint,
    source: Asset,
    options: VerifyOptions,
    context: Context,
    freshness: Freshness,
    passed: Rung,
) -> Procedure[Verdict]:
    place = context.inventory.place(options.place)
    manifest = yield from manifest_of(point.id)
    vault = context.inventory.vault(point.vault)
    looks = looks_at(point, source, place, context.inventory, options.page, options.checks)
    engine, until = engine_named(point.engine), moment_of(options.until)
    candidate = Candidate(engine, source, point, vault, context.keys, manifest, until)
    scratch = Scratch(place.host, place.path)
    verified = yield from verify(candidate, scratch, freshness.moment, looks, options.upto, passed)
    return verified.verdict


action = BackupVerify()
