"""The coordination store: one register that answers only within a majority, leases, and reports."""

from random import Random

from backup.failover.situation import Published, Report

LEASE_MS = 5000


class Refused(AssertionError):
    """What the checker will not have."""


class Store:
    """Linearizable; the switches are those of the mutation table."""

    __slots__ = (
        "compares",
        "expires",
        "forced",
        "guards",
        "history",
        "holder",
        "outdated",
        "published",
        "reports",
        "revision",
        "up",
    )

    def __init__(self, published: Published) -> None:
        self.published = published
        self.history = [published]
        self.forced = -1
        """The one centre whose node goes on alone, by people's word."""
        self.reports: dict[str, tuple[Report, int]] = {}
        """By centre, with the time at which it was written."""
        self.outdated = False
        """Whether it holds less than what was published last."""
        self.holder, self.revision, self.expires = -1, 1, 0
        self.up = [True, True, True]
        self.compares = self.guards = True

    def reaches(self, line: list[list[bool]]) -> list[bool]:
        """For each centre, whether it reaches a node that belongs to a majority."""
        if self.forced >= 0:
            home = self.forced
            return [line[centre][home] and line[home][centre] for centre in range(3)]
        joined = [[line[a][b] and line[b][a] for b in range(3)] for a in range(3)]
        paired = [
            self.up[node] and any(self.up[other] and joined[node][other] for other in range(3) if other != node)
            for node in range(3)
        ]
        return [any(paired[node] and joined[centre][node] for node in range(3)) for centre in range(3)]

    def campaign(self, centre: int, now: int) -> int:
        """The revision under which the centre leads, renewed or won; 0: somebody else does."""
        if self.holder == centre and now < self.expires:
            self.expires = now + LEASE_MS
            return self.revision
        if self.holder >= 0 and now < self.expires:
            return 0
        self.holder, self.expires = centre, now + LEASE_MS
        self.revision += 1
        return self.revision

    def replace(self, centre: int, revision: int, decided_on: Published, new: Published, now: int) -> bool:
        """Compare and set, guarded by the leader's revision."""
        holds = self.holder == centre and self.revision == revision and now < self.expires
        if self.guards and not holds:
            return False
        if self.compares and self.published is not decided_on:
            return False
        if not holds and self.compares:
            raise Refused("one who does not lead any more has published")
        if new.version.number <= self.published.version.number or new.version.epoch < self.published.version.epoch:
            raise Refused("a publication was overwritten by an older one")
        self.published, self.outdated = new, False
        self.history.append(new)
        return True

    def force(self, centre: int, random: Random) -> None:
        """A single node goes on, perhaps from before the last publications; the lease of the dead leader stays."""
        self.forced = centre
        self.put_back(random)

    def put_back(self, random: Random) -> None:
        """What was published last is forgotten."""
        before = self.history[-1]
        del self.history[max(1, len(self.history) - int(random.random() * 3)) :]
        self.published = self.history[-1]
        self.outdated = self.outdated or self.published is not before
