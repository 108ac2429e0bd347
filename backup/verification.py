"""Prove a restore point by climbing the ladder: check, sample, restore and compare, scan, try.

Only proof is a proof: what could not be found out (no connection, no room in the scratch directory) stays unknown, and
never counts against the copy or for it.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from backup.canaries.file_tree import read_in
from backup.canary import Canary, canaries_in
from backup.canary_steps import complaint, forgery, hold, said
from backup.comparison import Difference, describe, hold_against
from backup.engine import CopyBroken, Engine, Keys
from backup.ladder import LADDER, SAMPLE_PERCENT
from backup.listing import take_manifest
from backup.manifest import Manifest
from backup.trial import Trial, TrialFailed
from secops.model.city import Asset, AssetKind, Vault
from secops.model.restore_point import Proof, RestorePoint, Rung, Verdict
from secops.model.step import Command, Fetch, Procedure, ProcedureFailed, Rescan, Step, Trouble, require, under
from secops.model.text import Text
from secops.support.clock import from_text
from secops.support.errors import JindunError

_SCAN_SECONDS = 3600.0
_CLEAN_UP_SECONDS = 3600.0
_REASON_CHARACTERS = 600
Returned = TypeVar("Returned")


@dataclass(frozen=True, slots=True)
class Climbed:
    """One rung that was tried, and what it cost."""

    rung: Rung
    passed: bool
    because: Text
    seconds: float
    read_bytes: int


@dataclass(frozen=True, slots=True)
class Verified:
    """What a verification proved."""

    verdict: Verdict
    differences: tuple[Difference, ...] = ()
    climbed: tuple[Climbed, ...] = ()


@dataclass(frozen=True, slots=True)
class Scratch:
    """Where a copy is restored for a look: `directory` on `host` gets a folder for it, which is removed afterwards."""

    host: str
    directory: str

    def folder(self, point: RestorePoint) -> str:
        """Absolute path of the folder for this restore point."""
        return f"{self.directory.rstrip('/')}/{point.archive}"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A restore point and all that proving it takes."""

    engine: Engine
    source: Asset
    point: RestorePoint
    vault: Vault
    keys: Keys
    manifest: Manifest
    """Of the source when it was copied."""
    until: datetime | None = None
    """The moment that the restore goes on to; None: the copy as it is."""


@dataclass(frozen=True, slots=True)
class Looks:
    """How the restored folder is looked at, beyond comparing it."""

    scans: tuple[Rescan, ...] = ()
    """All must find nothing; without any that was carried out, `clean` stays unknown."""
    trial: Trial | None = None
    """Of the product, for a database."""
    business: Fetch | None = None
    """What the business asks of the folder where it is served, for a tree."""


@dataclass(slots=True)
class _Climb:
    """What was found out so far."""

    verdict: Verdict
    rungs: list[Climbed] = field(default_factory=list)
    seconds: float = 0.0
    rules: list[str] = field(default_factory=list)
    dates: list[datetime] = field(default_factory=list)
    differences: tuple[Difference, ...] = ()
    remarks: tuple[Text, ...] = ()


class _LeftOut(Exception):
    """There is nothing to climb the rung with; the ones above it may still be climbed."""


class _Stopped(Exception):
    """A rung said no, or could not be climbed."""

    def __init__(self, because: Text, **answers: Proof) -> None:
        super().__init__(because.en)
        self.because = because
        self.answers: dict[str, Any] = dict(answers)


def verify(
    candidate: Candidate,
    scratch: Scratch,
    judged: datetime,
    looks: Looks | None = None,
    upto: Rung = Rung.SCAN,
    passed: Rung = Rung.NONE,
) -> Procedure[Verified]:
    """The verdict on a restore point, from the rungs up to `upto` in order; the first that fails is the last tried.

    `judged` is the present moment. Rungs up to `passed` are left out: they were climbed for another copy of the same
    repository just now. The scratch folder is removed in every case that ends in a verdict; one that is there already
    is refused before anything is done.
    """
    climb = _Climb(Verdict(judged=judged))
    restores = upto >= Rung.RESTORE
    if restores:
        yield from _refuse_leftovers(candidate.point, scratch)
    # Not `finally`: a generator that is closed must not yield, and a run that was killed cleans up when resumed.
    for rung, attempt in _attempts(candidate, scratch, looks or Looks()).items():
        if passed < rung <= upto and not climb.verdict.failed:
            yield from _try(rung, attempt, candidate, climb)
    if restores and any(each.rung is Rung.RESTORE for each in climb.rungs):
        yield from _clean_up(scratch.folder(candidate.point), scratch.host)
        if candidate.until:
            yield from under("log", _clean_up(f"{scratch.folder(candidate.point)}.log", scratch.host))
        yield from candidate.engine.discard(candidate.source, scratch.host, scratch.folder(candidate.point))
    return Verified(_concluded(climb), climb.differences, tuple(climb.rungs))


_Attempt = Callable[[_Climb], Procedure[Text]]


def _attempts(candidate: Candidate, scratch: Scratch, looks: Looks) -> dict[Rung, _Attempt]:
    """What is done on each rung; each gives the sentence that says what it proved, or raises _Stopped."""
    return {
        Rung.REPOSITORY: lambda _climb: _check(candidate),
        Rung.SAMPLE: lambda _climb: _sample(candidate),
        Rung.RESTORE: lambda climb: _restore(candidate, scratch, climb),
        Rung.SCAN: lambda climb: _scan(looks.scans, climb),
        Rung.BUSINESS: lambda _climb: _try_out(candidate, scratch, looks),
    }


def _try(rung: Rung, attempt: _Attempt, candidate: Candidate, climb: _Climb) -> Procedure[None]:
    """Climb one rung and note how it went."""
    began = climb.seconds
    try:
        because = yield from _timed(attempt(climb), climb)
    except _LeftOut:
        return
    except JindunError as error:
        # Options that are wrong, as of a trial: nobody's copy is at fault, and the scratch folder is still cleared.
        passed, because = False, error.text
        climb.verdict = replace(climb.verdict, failed=rung, because=because)
    except _Stopped as stopped:
        passed, because = False, stopped.because
        climb.verdict = replace(climb.verdict, failed=rung, because=because, **stopped.answers)
    else:
        passed = True
        climb.verdict = replace(climb.verdict, rung=rung, because=because, **_PROVEN.get(rung, {}))
    read = round(candidate.point.size_bytes * LADDER[rung].reads)
    climb.rungs.append(Climbed(rung, passed, because, climb.seconds - began, read))


_PROVEN: dict[Rung, dict[str, Any]] = {
    Rung.RESTORE: {"readable": Proof.YES, "restorable": Proof.YES},
    Rung.SCAN: {"clean": Proof.YES},
}
"""What passing a rung answers; the two lowest see too little of a copy to answer anything for good."""


def _timed(procedure: Procedure[Returned], climb: _Climb) -> Procedure[Returned]:
    """The procedure, its effects' seconds added up."""
    try:
        step = next(procedure)
        while True:
            result = yield step
            climb.seconds += result.seconds
            step = procedure.send(result)
    except StopIteration as stop:
        returned: Returned = stop.value
        return returned
    finally:
        procedure.close()


def _concluded(climb: _Climb) -> Verdict:
    verdict = climb.verdict
    return replace(
        verdict,
        because=_with_remarks(verdict.because, climb.remarks),
        proven=verdict.judged if verdict.rung else None,
        rules=" ".join(climb.rules),
        rules_date=max(climb.dates, default=None),
        seconds=round(climb.seconds, 3),
        read_bytes=sum(each.read_bytes for each in climb.rungs),
    )


def _with_remarks(because: Text, remarks: Sequence[Text]) -> Text:
    """The sentence, and what of the copy was not compared or is not quite as it was."""
    said = (because, *remarks)
    return Text(";".join(one.zh for one in said), "; ".join(one.en for one in said))


def _refuse_leftovers(point: RestorePoint, scratch: Scratch) -> Procedure[None]:
    """Without this a folder of somebody else would be refused by the restore, and then removed by the clean-up."""
    folder = scratch.folder(point)
    free = yield Step("look that the scratch folder is free", Command(scratch.host, ("test", "!", "-e", folder)))
    require(
        free, f"{scratch.host} 上已有 {folder},请先移走", f"{folder} is there already on {scratch.host}; move it away"
    )


def _check(candidate: Candidate) -> Procedure[Text]:
    try:
        yield from candidate.engine.check_repository(candidate.source, candidate.vault, candidate.keys)
    except ProcedureFailed as failed:
        raise _unreadable(failed) from None
    return Text("存储自洽,尚未读回", "the repository hangs together; nothing was read back yet")


def _sample(candidate: Candidate) -> Procedure[Text]:
    source, vault, keys, archive = candidate.source, candidate.vault, candidate.keys, candidate.point.archive
    try:
        yield from candidate.engine.read_sample(source, vault, keys, archive, SAMPLE_PERCENT)
    except ProcedureFailed as failed:
        raise _unreadable(failed) from None
    return Text("抽样读回完好,尚未恢复", "a sample reads back; it was not restored yet")


def _restore(candidate: Candidate, scratch: Scratch, climb: _Climb) -> Procedure[Text]:
    source, point, manifest = candidate.source, candidate.point, candidate.manifest
    folder = scratch.folder(point)
    try:
        opened = (candidate.vault, candidate.keys, scratch.host, folder, candidate.until)
        yield from candidate.engine.restore(source, point, *opened)
    except ProcedureFailed as failed:
        raise _unreadable(failed) from None
    try:
        restored = yield from take_manifest(scratch.host, folder, "list the restored copy", assume=manifest)
    except ProcedureFailed as failed:
        raise _Stopped(Text(failed.zh, failed.en), readable=Proof.YES) from None
    compared = hold_against(manifest, restored)
    climb.differences, climb.remarks = compared.differences, compared.remarks
    if climb.differences:
        raise _Stopped(describe(climb.differences), readable=Proof.YES, restorable=Proof.NO)
    if source.canary and source.kind is AssetKind.FILE_TREE:
        held = yield from _hold_those_in(candidate, scratch)
        return Text(f"{_NOT_SCANNED.zh};{held.zh}", f"{_NOT_SCANNED.en}; {held.en}")
    return _NOT_SCANNED


def _hold_those_in(candidate: Candidate, scratch: Scratch) -> Procedure[Text]:
    """The canaries of a restored tree."""
    try:
        told = yield from read_in(scratch.host, scratch.folder(candidate.point), "read the canaries")
    except ProcedureFailed as failed:
        raise _Stopped(Text(failed.zh, failed.en), readable=Proof.YES) from None
    return (yield from _hold(candidate, canaries_in(told, candidate.source.id)))


def _hold(candidate: Candidate, found: Sequence[Canary]) -> Procedure[Text]:
    """Hold the canaries of the restored copy against the ledger of those that were acknowledged."""
    wanted = candidate.until or candidate.point.taken
    try:
        exact = candidate.until is not None
        holding = yield from hold(candidate.point.id, found, candidate.source.id, wanted, exact)
    except ProcedureFailed as failed:
        raise _Stopped(Text(failed.zh, failed.en), readable=Proof.YES) from None
    if holding is None:
        return Text("未核对探针记录", "canaries were not held against the ledger")
    if forged := forgery(holding):
        raise _Stopped(forged, readable=Proof.YES, clean=Proof.NO)
    if against := complaint(holding, exact=candidate.until is not None):
        raise _Stopped(against, readable=Proof.YES, restorable=Proof.NO)
    return said(holding)


def _scan(scans: Sequence[Rescan], climb: _Climb) -> Procedure[Text]:
    """Every scan is carried out, also when one has found something: together they name all that is wrong."""
    found: list[str] = []
    missed: list[str] = []
    for number, scan in enumerate(scans, 1):
        label = "scan the restored copy" if number == 1 else f"scan the restored copy, look {number}"
        scanned = yield Step(label, scan, assume="[]", timeout_seconds=_SCAN_SECONDS)
        _note_rules(scan, scanned.output, climb)
        if not scanned.ok:
            reason = (scanned.reason or scanned.output).strip()[:_REASON_CHARACTERS]
            (found if scanned.trouble is Trouble.FAILED else missed).append(reason)
    if found:
        listed = "; ".join(found)
        raise _Stopped(
            Text(f"恢复出的副本不干净:{listed}", f"the restored copy is not clean: {listed}"), clean=Proof.NO
        )
    if missed:
        listed = "; ".join(missed)
        raise _Stopped(Text(f"恢复出的副本无法扫描:{listed}", f"the restored copy could not be scanned: {listed}"))
    if not climb.rules:
        raise _LeftOut
    return Text("已恢复、与清单一致、扫描未发现问题", "restored, equal to its manifest, and clean")


def _note_rules(scan: Rescan, output: str, climb: _Climb) -> None:
    """Which rules looked, by what the scan says of itself; a scan that says nothing goes by the names of its checks."""
    told = _told(output)
    for each in told:
        climb.rules.append(rules_name(str(each["check"]), str(each.get("rules") or "")))
        if each.get("rules_date"):
            climb.dates.append(from_text(str(each["rules_date"])))
    if not told and not scan.tree:
        climb.rules += scan.checks


def _told(output: str) -> list[dict[str, Any]]:
    try:
        told = json.loads(output)
    except ValueError:
        return []
    return [each for each in told if isinstance(each, dict) and "check" in each] if isinstance(told, list) else []


def rules_name(check: str, digest: str) -> str:
    """How a verdict names the rules of one check."""
    return f"{check}@{digest[:_DIGEST_CHARACTERS]}" if digest else check


_DIGEST_CHARACTERS = 16


def _try_out(candidate: Candidate, scratch: Scratch, looks: Looks) -> Procedure[Text]:
    source, folder, until = candidate.source, scratch.folder(candidate.point), candidate.until
    if looks.trial:
        try:
            yield from candidate.engine.make_ready(source, scratch.host, folder, until)
            wanted = until or candidate.point.taken
            tried = yield from looks.trial.run(source, scratch.host, folder, wanted, until is not None)
        except (TrialFailed, CopyBroken) as failed:
            raise _Stopped(Text(failed.zh, failed.en), restorable=Proof.NO) from None
        except ProcedureFailed as failed:
            raise _Stopped(Text(failed.zh, failed.en)) from None
        checked = tried.looked.checked
        if tried.canaries is not None:
            checked += ((yield from _hold(candidate, tried.canaries)),)
        return _tried_well(checked, tried.looked.unchecked)
    if looks.business is None:
        raise _LeftOut
    answered = yield Step("ask what the business asks", looks.business, assume=looks.business.contains)
    if not answered.ok:
        said = (answered.reason or answered.output).strip()[:_REASON_CHARACTERS]
        answer = {"restorable": Proof.NO} if answered.trouble is Trouble.FAILED else {}
        raise _Stopped(Text(f"业务检查未通过:{said}", f"the business check failed: {said}"), **answer)
    return _tried_well((), ())


def _tried_well(checked: Iterable[Text], unchecked: Iterable[Text]) -> Text:
    said = [*checked, *unchecked]
    zh, en = "".join(f";{one.zh}" for one in said), "".join(f"; {one.en}" for one in said)
    return Text(f"已恢复,业务检查通过{zh}", f"restored, and the business check passed{en}")


def _clean_up(folder: str, host: str) -> Procedure[None]:
    opened = ("find", folder, "-type", "d", "!", "-perm", "-u=rwx", "-exec", "chmod", "u+rwx", "{}", "+")
    # A restored folder may forbid its own owner to look into it or to empty it.
    yield Step(
        "open the scratch folder for removal",
        Command(host, opened, good_exit_codes=(0, 1)),
        changes=True,
        check=Command(host, ("test", "!", "-e", folder)),
        timeout_seconds=_CLEAN_UP_SECONDS,
    )
    removed = yield Step(
        "remove the scratch folder",
        Command(host, ("rm", "-rf", "--one-file-system", "--", folder)),
        changes=True,
        check=Command(host, ("test", "!", "-e", folder)),
        timeout_seconds=_CLEAN_UP_SECONDS,
    )
    require(removed, f"未能清除 {folder}", f"{folder} could not be removed")


def _unreadable(failed: ProcedureFailed) -> _Stopped:
    """Damage is proof against the copy; anything else says nothing about it."""
    because = Text(failed.zh, failed.en)
    if isinstance(failed, CopyBroken):
        return _Stopped(because, readable=Proof.NO)
    return _Stopped(because)


_NOT_SCANNED = Text("已恢复并与清单一致,尚未扫描", "restored and equal to its manifest, not scanned yet")
