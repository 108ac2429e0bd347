"""The agent of a centre, with the shipped `obey`, `lead` and `decide` in it. It forgets all but its memory in a crash."""

from dataclasses import replace

from backup.failover.situation import Act, Memory, Published, Report, Seen, Version

UNHEARD = -(10**9)


class Agent:
    """One centre's."""

    __slots__ = (
        "act",
        "alive",
        "casting",
        "centre",
        "down",
        "due",
        "entry",
        "frozen",
        "heard",
        "index",
        "leads_until",
        "memory",
        "obeyed",
        "orphans",
        "published",
        "rate",
        "read",
        "read_last",
        "reports",
        "revision",
        "seen",
        "seen_since",
        "sent",
        "sequence",
        "took_up",
    )

    def __init__(self, index: int, memory: Memory) -> None:
        self.index, self.centre = index, f"c{index + 1}"
        self.memory = memory
        self.alive, self.frozen = True, False
        self.rate = 1.0
        self.sequence = 0
        self.sent: dict[int, int] = {}
        self.entry = ""
        self.orphans: list[Act] = []
        """Acts of one that died here, which may still take effect."""
        self.forget()

    def forget(self) -> None:
        """All that is not written down."""
        self.published: Published | None = None
        self.read_last: Published | None = None
        """The newest that the store gave, also when it was refused: what a publication takes the place of."""
        self.reports: dict[str, tuple[Report, int]] = {}
        self.read: dict[str, int] = {}
        self.heard = self.took_up = UNHEARD
        self.obeyed = Version()
        self.act: Act | None = None
        self.due = 0
        self.down = -1
        self.seen = [Seen.GOOD] * 3
        self.seen_since = [0] * 3
        self.revision, self.leads_until = 0, UNHEARD
        self.casting: tuple[int, Published, Published] | None = None

    def remember(self, **changes: int | Version) -> None:
        """Written for good."""
        self.memory = replace(self.memory, **changes)  # type: ignore[arg-type]

    def seconds(self, now: int, since: int) -> float:
        """By its own clock."""
        return (now - since) * self.rate / 1000
