"""Which copy to trust: pure decisions over restore points and their verdicts."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from backup.policies import Policy
from secops.model.decision import Decision
from secops.model.restore_point import Proof, RestorePoint, Rung, Verdict
from secops.model.text import Text
from secops.support.clock import to_text
from secops.support.durations import format_duration

_TRIES = 24
"""How often, within the life of a proof, one is tried again that came to nothing."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """How long what a verdict proves counts as proof."""

    moment: datetime
    """Now."""
    lasts_seconds: float
    rules: frozenset[str] = frozenset()
    """What a copy would be scanned by now; a scan by others still counts, and is due again."""

    def doubt(self, verdict: Verdict) -> Text | None:
        """What speaks against a verdict that is too old; None when it is not."""
        if not verdict.aged(self.moment, self.lasts_seconds):
            return None
        since = verdict.proven or verdict.judged
        assert since is not None, "what has aged was judged"
        lasts = format_duration(self.lasts_seconds)
        return Text(
            f"结论已过期({to_text(since)} 验证,有效期 {lasts})",
            f"was proven too long ago ({to_text(since)}; proof lasts {lasts})",
        )


def select_clean(
    points: Iterable[RestorePoint], before: datetime, freshness: Freshness | None = None
) -> Decision[RestorePoint | None]:
    """The newest point taken before that moment that is proven clean, or none; with why newer ones were passed over.

    `before` is the first sign of trouble: a copy of that moment or later may hold what the intruder left. With
    `freshness`, proof that is too old is none.
    """
    passed: list[tuple[RestorePoint, Text]] = []
    for point in sorted(points, key=lambda each: (each.taken, each.id), reverse=True):
        against = _against(point, before, freshness)
        if against is None:
            return Decision(point, _chosen(point, passed))
        passed.append((point, against))
    return Decision(None, _none(before, passed))


def unproven(verdict: Verdict, freshness: Freshness | None = None) -> Text | None:
    """What keeps a copy from being proven clean now; None when it is."""
    if not verdict.proven_clean:
        return _doubt(verdict)
    return freshness.doubt(verdict) if freshness else None


def standing(before: Verdict, seen: Verdict) -> Verdict:
    """What stands after a new look: a look that climbs less high than one before takes nothing from what that proved.

    Any proof against the copy stands at once; a look that failed to find out counts neither way.
    """
    refuted = Proof.NO in (seen.readable, seen.restorable, seen.clean)
    if refuted or seen.rung >= max(_height(before), before.failed):
        return seen
    kept = replace(before, judged=seen.judged, seconds=seen.seconds, read_bytes=seen.read_bytes)
    return replace(kept, failed=before.failed or seen.failed)


def due(verdict: Verdict, upto: Rung, freshness: Freshness) -> bool:
    """Whether climbing up to that rung would tell anything that the verdict does not tell yet, or not any more."""
    if verdict.judged is None or verdict.aged(freshness.moment, freshness.lasts_seconds):
        return True
    if verdict.failed and Proof.NO not in (verdict.readable, verdict.restorable, verdict.clean):
        # Something was out of reach: worth another try, but not with every run.
        return (freshness.moment - verdict.judged).total_seconds() > freshness.lasts_seconds / _TRIES
    if upto >= Rung.SCAN and verdict.clean is not Proof.UNKNOWN and not freshness.rules <= set(verdict.rules.split()):
        return True
    looked = max(_height(verdict), verdict.failed)
    # A restored copy that was not scanned could not be: there is nothing to scan it with.
    return looked < upto and not (looked >= Rung.RESTORE and upto <= Rung.SCAN)


def proof_lasts(policy: Policy) -> float:
    """Seconds that proof counts for by a tier's policy: one proof may be missed, not two."""
    deep = [depth.every for depth in policy.verify if depth.rung >= Rung.SCAN]
    return 2 * min(deep, default=policy.verify_every)


def _height(verdict: Verdict) -> Rung:
    """The rung that the answers stand on, also for verdicts from before the ladder."""
    if verdict.clean is Proof.YES:
        return max(verdict.rung, Rung.SCAN)
    return max(verdict.rung, Rung.RESTORE) if verdict.restorable is Proof.YES else verdict.rung


def _against(point: RestorePoint, before: datetime, freshness: Freshness | None) -> Text | None:
    """What speaks against the point; None when nothing does."""
    if point.taken >= before:
        return Text("取于迹象首次出现之时或之后", "taken at or after the first sign of trouble")
    return unproven(point.verdict, freshness)


def _doubt(verdict: Verdict) -> Text:
    questions = (
        (verdict.readable, Text("不可读", "cannot be read"), Text("未证明可读", "not proven readable")),
        (
            verdict.restorable,
            Text("恢复后与清单不符", "does not restore"),
            Text("未证明可恢复", "not proven restorable"),
        ),
        (verdict.clean, Text("不干净", "is not clean"), Text("未证明干净", "not proven clean")),
    )
    for wanted in (Proof.NO, Proof.UNKNOWN):
        for answer, refuted, unproven in questions:
            if answer is wanted:
                said = refuted if wanted is Proof.NO else unproven
                return Text(f"{said.zh}({verdict.because.zh})", f"{said.en} ({verdict.because.en})")
    raise ValueError("there is no doubt about this verdict")


def _chosen(point: RestorePoint, passed: list[tuple[RestorePoint, Text]]) -> Text:
    zh = f"选用 {point.id}({to_text(point.taken)}):已证明可读、可恢复、干净的最新备份"
    en = f"{point.id} ({to_text(point.taken)}) is the newest copy proven readable, restorable and clean"
    return _with_passed(zh, en, passed)


def _none(before: datetime, passed: list[tuple[RestorePoint, Text]]) -> Text:
    zh = f"{to_text(before)} 之前没有已证明干净的备份"
    en = f"no copy taken before {to_text(before)} is proven clean"
    return _with_passed(zh, en, passed)


def _with_passed(zh: str, en: str, passed: list[tuple[RestorePoint, Text]]) -> Text:
    """The sentence with what was passed over; copies that one thing speaks against are named together."""
    if not passed:
        return Text(f"{zh}。", f"{en}.")
    together: dict[Text, list[str]] = {}
    for point, why in passed:
        together.setdefault(why, []).append(point.id)
    return Text(
        f"{zh};未采用:" + ";".join(f"{'、'.join(ids)} {why.zh}" for why, ids in together.items()) + "。",
        f"{en}; passed over: " + "; ".join(f"{', '.join(ids)} {why.en}" for why, ids in together.items()) + ".",
    )
