"""Jindun's own daemon in each centre, as `secops lab up` builds it."""

import time

from backup.failover.situation import Policy, Published, Wish, WishKind
from benchmarks.failing_over.rig import HOME, Rig
from secops.lab import etcd, faults
from secops.lab.places import CENTRES, CLUSTER
from secops.lab.up import up
from secops.support.errors import Incomplete

_POLICY = Policy()


class Ours(Rig):
    """With the policy that users get."""

    name = "Jindun"

    def up(self) -> None:
        up(self.lab, daemons=True)

    def settled(self) -> bool:
        published = self._published()
        if published is None or published.primary != HOME or not published.promotable:
            return False
        # Soon after a failover there is no other that nobody asked for: that is no outage to measure, but a choice.
        quiet = not published.failovers or time.time() - published.since > _POLICY.settle_seconds
        return quiet and self.protected(HOME)

    def switch_over(self, source: str, target: str) -> None:
        number = f"bench-{time.time_ns()}"
        etcd.wish(
            self.lab, CLUSTER, Wish(number, WishKind.SWITCHOVER, target, by=("benchmark",), reason=f"from {source}")
        )

    def start_again(self) -> None:
        for centre in CENTRES:
            faults.power_on(self.lab, centre)

    def worn(self) -> bool:
        published = self._published()
        return published is None or len(published.failovers) >= _POLICY.most_failovers

    def _published(self) -> Published | None:
        try:
            return etcd.published(self.lab, CLUSTER)
        except Incomplete:
            return None
