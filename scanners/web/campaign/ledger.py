"""The ledger of a web scan: every (target, check) and how it ended. Too much untested is incomplete, never clean."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from scanners.web.campaign.found import Found
from secops.model.finding import Severity
from secops.model.outcome import Outcome
from secops.model.text import Text

ENOUGH = 0.95
"""The share of what applies to a target that must have been tested."""
UNCHANGED = Text("自上次扫描以来检查与站点均无变化", "neither check nor site has changed since the earlier scan")
"""Why something is skipped that counts as tested: an earlier scan did it, on this site as it is."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One (target, check)."""

    site: str
    check: str
    outcome: Outcome
    reason: Text
    digest: str = ""
    """Of the text of the template."""
    found: tuple[Found, ...] = ()
    discarded: int = 0
    """Matches that did not hold."""
    sent: int = 0

    def row(self) -> dict[str, Any]:
        """As JSON."""
        row: dict[str, Any] = {"site": self.site, "check": self.check, "outcome": self.outcome.value}
        row |= {"reason": [self.reason.zh, self.reason.en], "digest": self.digest, "sent": self.sent}
        if self.discarded:
            row["discarded"] = self.discarded
        if self.found:
            row["found"] = [found_row(one) for one in self.found]
        return row

    def called_back(self, found: Iterable[Found]) -> "Entry":
        """The same, now that the target was heard of when the check was over."""
        reason = Text("检查结束后收到带外回连", "called back when the check was over")
        return replace(self, outcome=Outcome.FOUND, reason=reason, found=(*self.found, *found))


def entry_of(row: dict[str, Any]) -> Entry:
    """An entry from its row. Raises KeyError, ValueError, TypeError."""
    found = tuple(found_of(one) for one in row.get("found", ()))
    return Entry(
        row["site"], row["check"], Outcome(row["outcome"]), Text(*row["reason"]), row["digest"], found,
        row.get("discarded", 0), row.get("sent", 0),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class SiteCoverage:
    """How much of what applies to a target was tested."""

    site: str
    counts: Counter[Outcome]
    unchanged: int = 0
    """Of what was skipped: tested by an earlier scan."""

    @property
    def applied(self) -> int:
        """All that was not skipped, or was for being known from an earlier scan."""
        return self.counts.total() - self.counts[Outcome.SKIPPED] + self.unchanged

    @property
    def tested(self) -> int:
        """All that was judged."""
        return self.counts[Outcome.FOUND] + self.counts[Outcome.TESTED_CLEAN] + self.unchanged

    @property
    def share(self) -> float:
        """0 to 1; of nothing, 0: a target to which nothing applied was not tested."""
        return self.tested / self.applied if self.applied else 0.0


@dataclass(slots=True)
class Ledger:
    """All entries of a scan."""

    enough: float = ENOUGH
    sites: dict[str, Counter[Outcome]] = field(default_factory=dict)
    unchanged: Counter[str] = field(default_factory=Counter)
    """By target: skipped since an earlier scan tested it."""
    reasons: Counter[tuple[Outcome, Text]] = field(default_factory=Counter)
    found: list[tuple[Entry, Found]] = field(default_factory=list)
    discarded: int = 0
    stopped: bool = False
    """The kill switch, or our bug, ended it."""

    def name(self, sites: Iterable[str]) -> None:
        """These are to be tested; one that has no entry in the end was not."""
        for site in sites:
            self.sites.setdefault(site, Counter())

    def take(self, entry: Entry) -> None:
        """Count one more."""
        self.sites.setdefault(entry.site, Counter())[entry.outcome] += 1
        self.unchanged[entry.site] += entry.reason == UNCHANGED
        if not entry.outcome.successful:
            self.reasons[entry.outcome, entry.reason] += 1
        self.found += [(entry, one) for one in entry.found]
        self.discarded += entry.discarded

    def amend(self, before: Entry, after: Entry) -> None:
        """Something was learned when an entry had been counted."""
        counts = self.sites[before.site]
        counts[before.outcome] -= 1
        counts[after.outcome] += 1
        if not before.outcome.successful:
            self.reasons[before.outcome, before.reason] -= 1
        self.unchanged[before.site] -= before.reason == UNCHANGED
        self.found = [(entry, one) for entry, one in self.found if entry is not before]
        self.found += [(after, one) for one in after.found]

    def coverage(self) -> list[SiteCoverage]:
        """Of each target, as named."""
        return [SiteCoverage(site, counts, self.unchanged[site]) for site, counts in self.sites.items()]

    def short(self) -> list[SiteCoverage]:
        """The targets of which too little was tested."""
        return [one for one in self.coverage() if one.share < self.enough]

    @property
    def complete(self) -> bool:
        """Whether enough was tested of every target."""
        return not self.stopped and not self.short()

    @property
    def total(self) -> Counter[Outcome]:
        """Of all targets."""
        return sum(self.sites.values(), Counter[Outcome]())


def found_row(found: Found) -> dict[str, Any]:
    """What was found, as JSON."""
    texts = {name: [text.zh, text.en] for name in ("title", "reason", "mend") for text in (getattr(found, name),)}
    return {**found.line(), **texts, "clauses": list(found.clauses)}


def found_of(row: dict[str, Any]) -> Found:
    """The other way round. Raises KeyError, ValueError, TypeError."""
    return Found(
        rule=row["rule"],
        weakness=row["class"],
        severity=Severity(row["severity"]),
        url=row["url"],
        template_id=row.get("template_id", ""),
        matcher=row["matcher"],
        parameter=row["parameter"],
        where=row["in"],
        evidence=row["evidence"],
        title=Text(*row["title"]),
        reason=Text(*row["reason"]),
        mend=Text(*row["mend"]),
        clauses=tuple(row["clauses"]),
    )
