"""When an append-only index is full, and when it may be forgotten. Pure.

Nothing that is still needed stands in such an index: the state of findings, acceptances, the newest observation and
evaluation of each place and every baseline are kept in indices of their own that are never deleted. Bodies outlive the
observations that name them: one that was seen on the last day of an index stays as long as that observation.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from secops.model.text import Text
from secops.store.elasticsearch_documents import Kind
from secops.support.errors import BadInput

LEAST_AUDIT = timedelta(days=180)
"""Six months of network logs, Cybersecurity Law article 21."""
_GIBIBYTE = 1 << 30


@dataclass(frozen=True, slots=True)
class Full:
    """When an index is full: at the first of these."""

    size_bytes: int = 20 * _GIBIBYTE
    documents: int = 50_000_000
    age: timedelta = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Keep:
    """For how long. Raises BadInput for less audit than the law wants."""

    observations: timedelta = timedelta(days=180)
    coverage: timedelta = timedelta(days=400)
    events: timedelta = timedelta(days=1095)
    audit: timedelta = timedelta(days=400)
    full: Full = field(default_factory=Full)

    def __post_init__(self) -> None:
        if self.audit < LEAST_AUDIT:
            raise BadInput(
                Text(
                    f"审计记录至少保留 {LEAST_AUDIT.days} 天(《网络安全法》第二十一条)",
                    f"the audit is kept for at least {LEAST_AUDIT.days} days (Cybersecurity Law, article 21)",
                )
            )

    def of(self, kind: Kind) -> timedelta:
        """For how long what was written last to an index is kept."""
        return self._by_kind[kind]

    @property
    def _by_kind(self) -> Mapping[Kind, timedelta]:
        return {
            Kind.OBSERVATIONS: self.observations,
            Kind.CONTENTS: self.observations + self.full.age + timedelta(days=1),
            Kind.COVERAGE: self.coverage,
            Kind.EVENTS: self.events,
            Kind.AUDIT: self.audit,
        }


@dataclass(frozen=True, slots=True)
class Generation:
    """One of the indices of an append-only kind."""

    index: str
    since: datetime
    documents: int
    size_bytes: int


def is_full(newest: Generation, full: Full, now: datetime) -> bool:
    """Whether the next index is to be written. An empty one never is."""
    return newest.documents > 0 and (
        newest.size_bytes >= full.size_bytes or newest.documents >= full.documents or now - newest.since >= full.age
    )


def forgotten(generations: Sequence[Generation], keep: timedelta, now: datetime) -> Iterator[Generation]:
    """Those, oldest first, whose last document is older than that; the newest never is. Nothing behind a kept one."""
    for generation, successor in pairwise(generations):
        if now - successor.since < keep:
            return
        yield generation
