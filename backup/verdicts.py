"""Which copy to trust: pure decisions over restore points and their verdicts."""

from collections.abc import Iterable
from datetime import datetime

from secops.model.decision import Decision
from secops.model.restore_point import Proof, RestorePoint, Verdict
from secops.model.text import Text
from secops.support.clock import to_text


def select_clean(points: Iterable[RestorePoint], before: datetime) -> Decision[RestorePoint | None]:
    """The newest point taken before that moment that is proven clean, or none; with why newer ones were passed over.

    `before` is the first sign of trouble: a copy of that moment or later may hold what the intruder left.
    """
    passed: list[tuple[RestorePoint, Text]] = []
    for point in sorted(points, key=lambda each: (each.taken, each.id), reverse=True):
        against = _against(point, before)
        if against is None:
            return Decision(point, _chosen(point, passed))
        passed.append((point, against))
    return Decision(None, _none(before, passed))


def _against(point: RestorePoint, before: datetime) -> Text | None:
    """What speaks against the point; None when nothing does."""
    if point.taken >= before:
        return Text("取于迹象首次出现之时或之后", "taken at or after the first sign of trouble")
    return None if point.verdict.proven_clean else _doubt(point.verdict)


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
