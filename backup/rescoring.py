"""Old copies in the light of what was learned since: an indicator of an intrusion, or new rules.

Hashes and names need no restore: every manifest holds them. What a manifest cannot tell, as with new rules for content,
is named to be scanned again. Verdicts are new ones beside the old; nothing is overwritten.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from fnmatch import translate

from backup.manifest import Kind, Manifest
from secops.model.restore_point import Proof, RestorePoint, Rung, Verdict
from secops.model.text import Text
from secops.support.clock import to_text
from secops.support.errors import BadInput

_NAMED = 3
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Indicator:
    """What gives an intrusion away."""

    name: str
    """How people call it; stands in the verdicts."""
    hashes: frozenset[str] = frozenset()
    """SHA-256 of files, hexadecimal."""
    paths: tuple[str, ...] = ()
    """Patterns like `*/shell.php`, matched with the whole path or with the last part of it."""
    first_seen: datetime | None = None
    """What was copied since may hold what the intruder left, whatever the manifests say."""

    def __post_init__(self) -> None:
        for one in self.hashes:
            if not _SHA256.fullmatch(one):
                raise BadInput(Text(f"不是 SHA-256:{one[:80]!r}", f"not a SHA-256 in lower case: {one[:80]!r}"))
        if not (self.hashes or self.paths or self.first_seen):
            raise BadInput(Text("指标没有内容:哈希、路径、首见时间至少给一项", "name a hash, a path or a moment"))


@dataclass(frozen=True, slots=True)
class Rescored:
    """What an indicator makes of the points of one asset."""

    verdicts: Mapping[str, Verdict]
    """New verdicts, by point; points of which nothing new is known are not in it."""
    first_infected: RestorePoint | None
    """The oldest that is not clean, by all that is known now."""
    last_clean: RestorePoint | None
    """The newest that is proven clean and older than that."""
    unsure: tuple[str, ...]
    """Points whose manifests leave files out that changed under the copy: these may hold it nevertheless."""
    because: Text


def rescore(
    points: Iterable[RestorePoint],
    indicator: Indicator,
    manifest_of: Callable[[RestorePoint], Manifest],
    moment: datetime,
) -> Rescored:
    """Judge the points of one asset by what is kept of them; `moment` is the present one.

    Points with equal manifests are looked through once.
    """
    seen: dict[str, tuple[list[str], bool]] = {}
    verdicts: dict[str, Verdict] = {}
    unsure: list[str] = []
    now: list[RestorePoint] = []
    for point in sorted(points, key=lambda each: (each.taken, each.id)):
        if point.manifest not in seen and (indicator.hashes or indicator.paths):
            seen[point.manifest] = _hits(manifest_of(point), indicator)
        hits, vague = seen.get(point.manifest, ([], False))
        if vague and not hits:
            unsure.append(point.id)
        if verdict := _verdict(point, indicator, hits, moment):
            verdicts[point.id] = verdict
        now.append(replace(point, verdict=verdict) if verdict else point)
    infected = next((point for point in now if point.verdict.clean is Proof.NO), None)
    clean = [p for p in now if p.verdict.proven_clean and (infected is None or p.taken < infected.taken)]
    last = clean[-1] if clean else None
    return Rescored(verdicts, infected, last, tuple(unsure), _because(indicator, len(now), verdicts, infected, last))


def _hits(manifest: Manifest, indicator: Indicator) -> tuple[list[str], bool]:
    """Paths that the indicator knows, and whether files were left out of the manifest."""
    patterns = [re.compile(translate(pattern)) for pattern in indicator.paths]
    hits = [
        entry.path
        for entry in manifest.entries
        if entry.digest in indicator.hashes
        or any(each.match(entry.path) or each.match(entry.path.rpartition("/")[2]) for each in patterns)
    ]
    return hits, any(entry.kind is Kind.CHANGING for entry in manifest.entries)


def _verdict(point: RestorePoint, indicator: Indicator, hits: list[str], moment: datetime) -> Verdict | None:
    """What is known of the point now; None when that is nothing new."""
    before = point.verdict
    if hits:
        listed = ", ".join(hits[:_NAMED]) + ("…" if len(hits) > _NAMED else "")
        because = Text(f"含有指标 {indicator.name} 所指的 {listed}", f"holds {listed}, known from {indicator.name}")
        answer, failed = Proof.NO, Rung.SCAN
    elif indicator.first_seen and point.taken >= indicator.first_seen and before.clean is Proof.YES:
        seen = to_text(indicator.first_seen)
        because = Text(
            f"取于 {indicator.name} 首见({seen})之后,须重新扫描",
            f"taken after {indicator.name} was first seen ({seen}); to be scanned again",
        )
        answer, failed = Proof.UNKNOWN, Rung.SCAN
    else:
        return None
    changed = replace(before, clean=answer, failed=failed, because=because, rung=min(before.rung, Rung.RESTORE))
    if changed == before:
        return None
    return replace(changed, judged=moment, seconds=0.0, read_bytes=0)


def _because(
    indicator: Indicator,
    count: int,
    verdicts: Mapping[str, Verdict],
    infected: RestorePoint | None,
    last: RestorePoint | None,
) -> Text:
    zh = f"按指标 {indicator.name} 重新评定 {count} 个恢复点,改判 {len(verdicts)} 个"
    en = f"{indicator.name} was held against {count} points and changed the verdict on {len(verdicts)}"
    if infected:
        zh += f";最早的感染点 {infected.id}({to_text(infected.taken)})"
        en += f"; the first infected is {infected.id} ({to_text(infected.taken)})"
    else:
        zh, en = f"{zh};没有发现感染点", f"{en}; none is infected"
    if last:
        zh += f";最近的干净点 {last.id}({to_text(last.taken)})。"
        en += f"; the last clean one is {last.id} ({to_text(last.taken)})."
    else:
        zh, en = f"{zh};没有已证明干净的点。", f"{en}; none is proven clean."
    return Text(zh, en)
