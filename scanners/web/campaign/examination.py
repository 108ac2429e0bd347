"""What came of our own checks at each place of a site, and of each check at all places."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scanners.web.campaign.found import Found, of_verdict
from scanners.web.campaign.ledger import UNCHANGED, Entry, found_of, found_row
from scanners.web.crawl.plan import WHY, Crawled, LeftOut
from scanners.web.points import Point
from scanners.web.probing.examine import Examined
from scanners.web.probing.found import every_check
from secops.model.outcome import Outcome
from secops.model.text import Text

_MOST_FAILED = 0.05
"""Of the places where a check was tried; with more of them unanswered it was not tested."""
_UNCRAWLED = (LeftOut.STOPPED, LeftOut.OUT_OF_SESSION, LeftOut.OUT_OF_SCOPE, LeftOut.NO_ANSWER)


@dataclass(slots=True)
class Examination:
    """What came of all checks at one place; as JSON in the journal."""

    found: list[tuple[str, Found]] = field(default_factory=list)
    """By check."""
    counts: dict[str, list[int]] = field(default_factory=dict)
    """By check: tried, undecided for want of a whole or of a steady answer, not allowed by the profile, requests."""
    trouble: Text | None = None
    mark: str = ""
    """What the place looked like, see `earlier`."""
    unchanged: list[str] = field(default_factory=list)
    """Checks that an earlier scan was through with, at this place as it is."""

    def keep(self, examined: Examined, url: str, point: Point | None = None) -> None:
        """Count one check."""
        check, done = examined.check, examined.performed
        counts = self.counts.setdefault(check.name, [0, 0, 0, 0])
        counts[0] += 1
        counts[1] += bool(done.failures or done.exhausted) and done.verdict is None
        counts[2] += done.refused is not None and done.verdict is None
        counts[3] += done.sent
        if done.verdict is not None:
            self.found.append((check.name, of_verdict(check, done.verdict, url, point)))

    def row(self) -> dict[str, Any]:
        """As JSON."""
        trouble = [self.trouble.zh, self.trouble.en] if self.trouble else None
        return {
            "found": [[name, found_row(one)] for name, one in self.found],
            "counts": self.counts,
            "trouble": trouble,
            "mark": self.mark,
            "unchanged": self.unchanged,
        }


def examination_of(row: Mapping[str, Any]) -> Examination:
    """The other way round."""
    trouble = Text(*row["trouble"]) if row["trouble"] else None
    found = [(name, found_of(one)) for name, one in row["found"]]
    return Examination(found, dict(row["counts"]), trouble, row.get("mark", ""), list(row.get("unchanged", ())))


def entries_of(site: str, examined: Sequence[Examination], crawled: Crawled) -> Iterator[Entry]:
    """One entry for each check."""
    lost = next((one.trouble for one in examined if one.trouble), None)
    for name in sorted(every_check()):
        found = [one for each in examined for check, one in each.found if check == name]
        distinct = {(one.rule, one.url, one.parameter, one.where, one.matcher): one for one in found}
        rows = [each.counts[name] for each in examined if name in each.counts]
        tried, failed, refused, sent = (sum(row[at] for row in rows) for at in range(4))
        unchanged = sum(name in each.unchanged for each in examined)
        outcome, reason = _verdict(crawled, len(distinct), tried, failed, refused, lost, unchanged)
        yield Entry(site, name, outcome, reason, "", tuple(distinct.values()), sent=sent)


def _verdict(
    crawled: Crawled, found: int, tried: int, failed: int, refused: int, lost: Text | None, unchanged: int
) -> tuple[Outcome, Text]:
    if found:
        return Outcome.FOUND, Text(f"{tried} 处试探,发现 {found} 处", f"found at {found} of {tried} places")
    if lost is not None:
        return Outcome.UNREACHABLE, lost
    if crawled.failed and not tried:
        why = next(WHY[one] for one in _UNCRAWLED if crawled.left_out.get(one) or one is LeftOut.NO_ANSWER)
        return Outcome.UNREACHABLE, Text(f"站点无法爬取:{why.zh}", f"the site could not be crawled: {why.en}")
    if not tried and unchanged:
        return Outcome.SKIPPED, UNCHANGED
    if not tried:
        return Outcome.SKIPPED, Text("站点上没有适用之处", "there is nothing on the site that it applies to")
    if failed > _MOST_FAILED * tried:
        return Outcome.UNREACHABLE, Text(
            f"{tried} 处中有 {failed} 处没有完整或稳定的应答",
            f"at {failed} of {tried} places there was no whole or no steady answer",
        )
    if refused == tried:
        return Outcome.SKIPPED, Text("扫描档位不允许", "the profile of the scan does not allow it")
    zh = f";另有 {unchanged} 处自上次扫描以来无变化" if unchanged else ""
    en = f"; {unchanged} more have not changed since the earlier scan" if unchanged else ""
    return Outcome.TESTED_CLEAN, Text(f"{tried} 处试探,未发现{zh}", f"nothing at {tried} places{en}")
