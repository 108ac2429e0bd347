"""Brings what waits in an outbox to the server.

Shipping an entry again changes nothing more, so whoever is killed anywhere is made good by the next who ships:
coverage is claimed first, by its id; findings remember which entries reached them; what follows from their change is
kept with them until it stands among the events; and only then is an entry struck off.
"""

import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from secops.store.elasticsearch_course import Course
from secops.store.elasticsearch_drain import Drain
from secops.store.elasticsearch_errors import IndexMissing
from secops.store.elasticsearch_indices import Indices
from secops.store.elasticsearch_sending import Pace, Patience, Sender
from secops.store.mirror import MIRROR_FILE, Mirror
from secops.store.outbox import Outbox, Outcome, Route

_ROUTE_SECONDS = 300.0
"""How long the indices that are written are taken to stay the same; writing to the one before is fine."""


class Shipper:
    """Drains an outbox to a server. Safe to use from several threads and processes; one of them ships at a time."""

    def __init__(self, indices: Indices, outbox: Outbox) -> None:
        self._indices = indices
        self._outbox = outbox
        self._pace = Pace()
        self._known: tuple[float, dict[str, str]] = (0.0, {})
        self._wire = ThreadPoolExecutor(1, "secops-ship")
        self._readers = ThreadPoolExecutor(4, "secops-read")
        self._mirror = Mirror(outbox.path.with_name(MIRROR_FILE))

    def close(self) -> None:
        """Wait for what is on its way."""
        self._wire.shutdown()
        self._readers.shutdown()
        self._mirror.close()

    def ship(
        self, numbers: Collection[int] | None = None, *, patience: Patience, wait_seconds: float = 30.0
    ) -> dict[int, Outcome]:
        """Write what waits, in order, up to the last of those numbers or all; what became of these, if they are done.

        Another process may ship in our place meanwhile. Raises Incomplete when the server does not let us finish; what
        was done until then stays done.
        """
        until = None if numbers is None else max(numbers, default=0)
        mine = frozenset(numbers or ())
        told: dict[int, Outcome] = {}

        def finished() -> bool:
            first = self._outbox.first()
            return first is None or (until is not None and first > until)

        with self._outbox.shipping(time.monotonic() + wait_seconds, finished) as alone:
            if alone and not finished():
                self._drain(patience, until, mine, told)
        missing = sorted(mine - told.keys())
        return told | (self._outbox.outcomes(missing) if missing else {})

    def _drain(self, patience: Patience, until: int | None, mine: frozenset[int], told: dict[int, Outcome]) -> None:
        route = self._outbox.route(self._newest)
        try:
            self._course(route, patience, until, mine, told)
        except IndexMissing:
            self._known = (0.0, {})
            fresh = self._newest()
            if fresh == route.indices:
                raise
            # An index that entries were sent to was full and is forgotten by now.
            route = self._outbox.route(lambda: fresh, anew=True)
            self._course(route, patience, until, mine, told)

    def _course(
        self,
        route: Route,
        patience: Patience,
        until: int | None,
        mine: frozenset[int],
        told: dict[int, Outcome],
    ) -> None:
        course = Course(
            indices=self._indices,
            outbox=self._outbox.id,
            route=route.indices,
            sender=Sender(self._indices.server, self._pace, patience),
            readers=self._readers,
            mirror=self._mirror,
            sent_before=route.sent_before,
            dead=self._outbox.dead_claims(),
            floor=self._outbox.first() or 0,
        )
        # What an earlier try wrote and nobody refreshed: searches are to know it.
        course.lagging = route.sent_before > 0
        course.refresh()
        try:
            Drain(course, self._outbox, self._wire, until, mine, told, route.sent).run()
        finally:
            course.refresh()

    def _newest(self) -> dict[str, str]:
        known_at, route = self._known
        if not route or time.monotonic() - known_at > _ROUTE_SECONDS:
            route = self._indices.appended_to()
            self._known = (time.monotonic(), route)
        return route
