"""Everything that a store says, to be compared with what another one says that was fed the same without trouble."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from secops.model.outcome import Evaluation
from secops.store.elasticsearch_access import Access
from secops.store.elasticsearch_store import ElasticsearchStore
from secops.store.finding_store import LARGEST_PAGE, FindingStore
from secops.store.outbox import Outbox
from secops.store.query import Query, Sort
from secops.store.sqlite_store import SqliteStore
from tests.contracts.evaluations import at

PLACES = [("site", "http-headers"), ("other", "http-headers")]


class Clock:
    """A clock that stands where the test puts it."""

    def __init__(self) -> None:
        self.minutes: float = 0

    def __call__(self) -> datetime:
        return at(self.minutes)


def told(store: FindingStore, scans: Iterable[str] | None = None) -> dict[str, Any]:
    """Everything that it says, by what was asked."""
    findings = everything(store)
    coverage = store.coverage()
    asked = sorted({row.scan for row in coverage}) if scans is None else list(scans)
    return {
        "findings": findings,
        "histories": [store.history(finding.id) for finding in findings],
        "coverage": coverage,
        "scans": {scan: store.coverage(scan) for scan in asked},
        "observations": {scan: store.observations(scan) for scan in asked},
        "newest": [store.latest_observation(*place) for place in PLACES],
        "baselines": [(store.baseline(*place), store.baseline_history(*place)) for place in PLACES],
        "acceptances": store.acceptances(),
        "audit": store.audit(),
    }


def everything(store: FindingStore) -> list[Any]:
    """All findings, by id."""
    found: list[Any] = []
    cursor = None
    while True:
        page = store.find(Query(sort=(Sort("id"),)), LARGEST_PAGE, cursor)
        found += page.findings
        cursor = page.next_cursor
        if cursor is None:
            return found


@contextmanager
def ledger(where: Path, clock: Clock) -> Iterator[SqliteStore]:
    """An empty one in a file of that folder."""
    with SqliteStore(where / "ledger.sqlite", clock=clock) as store:
        yield store


def open_store(
    url: str | tuple[str, ...], where: Path, prefix: str, clock: Clock, **options: Any
) -> ElasticsearchStore:
    """The store of a home in that folder."""
    urls = (url,) if isinstance(url, str) else url
    patience = options.pop("patience_seconds", 60.0)
    access = Access(urls, patience_seconds=options.pop("request_seconds", 60.0))
    outbox = Outbox(where / "outbox.sqlite", **options)
    return ElasticsearchStore(access, outbox, prefix=prefix, clock=clock, patience_seconds=patience)


def record_all(store: FindingStore, scans: Iterable[tuple[str, list[Evaluation]]]) -> None:
    """One after the other."""
    for scan, batch in scans:
        store.record(scan, batch)
