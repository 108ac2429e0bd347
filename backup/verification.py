"""Prove a restore point: read it back, restore it to scratch, compare it file by file, and look whether it is clean.

Only proof is a proof: what could not be found out (no connection, no room in the scratch directory) stays unknown, and
never counts against the copy or for it.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from backup.engine import CopyBroken, Engine, Keys
from backup.listing import take_manifest
from backup.manifest import Difference, Manifest, compare, describe
from secops.model.city import Asset, Vault
from secops.model.restore_point import Proof, RestorePoint, Verdict
from secops.model.step import Command, Procedure, ProcedureFailed, Rescan, Step, Trouble, require
from secops.model.text import Text

_SCAN_SECONDS = 900.0
_CLEAN_UP_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Verified:
    """What a verification proved."""

    verdict: Verdict
    differences: tuple[Difference, ...] = ()


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


def verify(
    candidate: Candidate, scratch: Scratch, judged: datetime, rescan: Rescan | None = None
) -> Procedure[Verified]:
    """The verdict on a restore point; `judged` is the present moment.

    `rescan` looks at the restored folder where it is served; without it `clean` stays unknown. The folder is removed
    in every case that ends in a verdict. A folder that is there already is refused before anything is done.
    """
    point = candidate.point
    try:
        yield from candidate.engine.read_check(candidate.source, candidate.vault, candidate.keys, point.archive)
    except ProcedureFailed as failed:
        return Verified(_not_proven(Verdict(judged=judged), "readable", failed))
    readable = Verdict(readable=Proof.YES, judged=judged)
    yield from _refuse_leftovers(point, scratch)
    # Not `finally`: a generator that is closed must not yield, and a run that was killed cleans up when resumed.
    try:
        verified = yield from _look(candidate, scratch, readable, rescan)
    except ProcedureFailed as failed:
        verified = Verified(_not_proven(readable, "restorable", failed))
    yield from _clean_up(point, scratch)
    return verified


def _refuse_leftovers(point: RestorePoint, scratch: Scratch) -> Procedure[None]:
    """Without this a folder of somebody else would be refused by the restore, and then removed by the clean-up."""
    folder = scratch.folder(point)
    free = yield Step("look that the scratch folder is free", Command(scratch.host, ("test", "!", "-e", folder)))
    require(
        free, f"{scratch.host} 上已有 {folder},请先移走", f"{folder} is there already on {scratch.host}; move it away"
    )


def _look(candidate: Candidate, scratch: Scratch, readable: Verdict, rescan: Rescan | None) -> Procedure[Verified]:
    """Restore, compare, scan."""
    source, point, manifest = candidate.source, candidate.point, candidate.manifest
    folder = scratch.folder(point)
    yield from candidate.engine.restore(source, point, candidate.vault, candidate.keys, scratch.host, folder)
    restored = yield from take_manifest(scratch.host, folder, "list the restored copy", assume=manifest)
    differences = compare(manifest, restored)
    if differences:
        return Verified(replace(readable, restorable=Proof.NO, because=describe(differences)), differences)
    restorable = replace(readable, restorable=Proof.YES, because=_NOT_SCANNED)
    if rescan is None:
        return Verified(restorable)
    scanned = yield Step("scan the restored copy", rescan, assume="[]", timeout_seconds=_SCAN_SECONDS)
    if scanned.ok:
        return Verified(replace(restorable, clean=Proof.YES, because=_CLEAN))
    reason = (scanned.reason or scanned.output).strip()[:600]
    if scanned.trouble is Trouble.FAILED:
        because = Text(f"恢复出的副本不干净:{reason}", f"the restored copy is not clean: {reason}")
        return Verified(replace(restorable, clean=Proof.NO, because=because))
    because = Text(f"恢复出的副本无法扫描:{reason}", f"the restored copy could not be scanned: {reason}")
    return Verified(replace(restorable, because=because))


def _clean_up(point: RestorePoint, scratch: Scratch) -> Procedure[None]:
    folder = scratch.folder(point)
    opened = ("find", folder, "-type", "d", "!", "-perm", "-u=rwx", "-exec", "chmod", "u+rwx", "{}", "+")
    # A restored folder may forbid its own owner to look into it or to empty it.
    yield Step(
        "open the scratch folder for removal",
        Command(scratch.host, opened, good_exit_codes=(0, 1)),
        changes=True,
        check=Command(scratch.host, ("test", "!", "-e", folder)),
        timeout_seconds=_CLEAN_UP_SECONDS,
    )
    removed = yield Step(
        "remove the scratch folder",
        Command(scratch.host, ("rm", "-rf", "--one-file-system", "--", folder)),
        changes=True,
        check=Command(scratch.host, ("test", "!", "-e", folder)),
        timeout_seconds=_CLEAN_UP_SECONDS,
    )
    require(removed, f"未能清除 {folder}", f"{folder} could not be removed")


def _not_proven(verdict: Verdict, question: str, failed: ProcedureFailed) -> Verdict:
    answer = Proof.NO if isinstance(failed, CopyBroken) else Proof.UNKNOWN
    because = Text(failed.zh, failed.en)
    if question == "readable":
        return replace(verdict, readable=answer, because=because)
    return replace(verdict, restorable=answer, because=because)


_NOT_SCANNED = Text("已恢复并与清单一致,尚未扫描", "restored and equal to its manifest, not scanned yet")
_CLEAN = Text("已恢复、与清单一致、扫描未发现问题", "restored, equal to its manifest, and clean")
