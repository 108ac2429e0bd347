"""Members of a cluster: logs, replication, commits that wait, and what each act does to them.

Modelled on PostgreSQL: a commit is written first and waits then; a waiting session looks at the names once when it
begins to wait, is let go when they are relaxed, and acknowledges nothing when its client cancels. A log is a list of
the ids of writes; its length is the position.
"""

from backup.failover.situation import Act, ActKind, MemberState, MemberStatus, Standby

STANDBY, PRIMARY = 1, 2
NAMES = ("m1", "m2", "m3")
INDEX = {name: index for index, name in enumerate(NAMES)}
TIMEOUT_MS = 1000
"""After which a cut connection of replication is noticed."""


class Member:
    """One copy."""

    __slots__ = (
        "clean",
        "confirmed",
        "contact",
        "epoch",
        "follows",
        "fork",
        "frozen",
        "full",
        "ghost",
        "index",
        "kept",
        "log",
        "names",
        "parent",
        "progress",
        "robbed",
        "role",
        "running",
        "since",
        "timeline",
        "waiting",
    )

    def __init__(self, index: int) -> None:
        self.index = index
        self.log: list[int] = []
        self.role = STANDBY
        self.running = True
        self.frozen = self.full = self.clean = False
        self.timeline, self.parent, self.fork = 1, 0, 0
        self.follows = -1
        self.contact = 0
        self.names: tuple[str, ...] = ()
        self.kept: tuple[str, ...] = ()
        self.since = 0
        self.confirmed = [0, 0, 0]
        self.progress = 0
        self.waiting: list[tuple[int, int, bool, int]] = []
        """Writes that wait: id, position, whether they were let through when they began to wait, the client's centre."""
        self.robbed = False
        """What it had confirmed was taken from it."""
        self.epoch = 0
        """In which it was made primary; for the checker alone."""
        self.ghost = -1
        """Whose log it still confirms after it was promoted without being cut off."""

    @property
    def serves(self) -> bool:
        """Whether it takes writes."""
        return self.running and self.role == PRIMARY and not self.frozen and not self.full

    def stop(self, *, clean: bool = False) -> None:
        """Those who wait are never acknowledged."""
        self.running = self.frozen = False
        self.clean = clean
        self.waiting.clear()
        self.ghost = -1

    def start(self) -> None:
        """As it stands, with the names of its files."""
        if not self.running:
            self.running, self.clean = True, False
            self.names, self.since = self.kept, len(self.log)
            self.confirmed = [0, 0, 0]

    def relax(self) -> None:
        """Those who wait are let go."""
        self.waiting = [(write, position, True, centre) for write, position, _, centre in self.waiting]


class Replication:
    """The three members and the lines between them."""

    __slots__ = ("line", "members", "now", "timelines")

    def __init__(self) -> None:
        self.now = 0
        self.timelines = 1
        self.members = [Member(index) for index in range(3)]
        self.line = [[True] * 3 for _ in range(3)]
        """Whether what one centre sends reaches the other."""

    def joined(self, one: int, other: int) -> bool:
        """Both ways."""
        return self.line[one][other] and self.line[other][one]

    def connected(self, primary: Member, standby: Member) -> bool:
        """Whether the log flows right now."""
        return (
            standby.follows == primary.index
            and standby.running
            and primary.running
            and standby.role == STANDBY
            and primary.role == PRIMARY
            and not standby.frozen
            and not primary.frozen
            and self.joined(primary.index, standby.index)
            and self._fits(primary, standby)
        )

    @staticmethod
    def _fits(primary: Member, standby: Member) -> bool:
        """Whether its log is the beginning of the primary's."""
        if standby.timeline == primary.timeline:
            return len(standby.log) <= len(primary.log)
        return standby.timeline == primary.parent and len(standby.log) <= primary.fork

    def ship(self, standby: Member, most: int, *, confirm: bool) -> None:
        """Some of the log arrives; the confirmation may be late."""
        if standby.ghost >= 0:
            self._haunt(standby)
        if standby.follows < 0:
            return
        primary = self.members[standby.follows]
        if not self.connected(primary, standby):
            return
        standby.contact = self.now
        if not standby.full:
            have = len(standby.log)
            standby.log += primary.log[have : have + most]
            standby.timeline = primary.timeline
        if confirm and primary.confirmed[standby.index] != len(standby.log):
            primary.confirmed[standby.index] = len(standby.log)
            primary.progress = self.now

    def _haunt(self, member: Member) -> None:
        """A receiver that nobody stopped goes on confirming what the new timeline will not have."""
        old = self.members[member.ghost]
        if old.running and not old.frozen and self.joined(old.index, member.index):
            old.confirmed[member.index] = len(old.log)

    def receiving(self, standby: Member) -> bool:
        """As its own machine sees it: a cut line is noticed late."""
        if standby.follows < 0 or not standby.running:
            return False
        if self.connected(self.members[standby.follows], standby):
            standby.contact = self.now
            return True
        return self.now - standby.contact <= TIMEOUT_MS and self._fits(self.members[standby.follows], standby)

    def may_acknowledge(self, member: Member, position: int, free: bool) -> bool:
        """Whether a commit that waits may end."""
        return free or not member.names or member.confirmed[INDEX[member.names[0]]] >= position

    def status(self, member: Member) -> MemberStatus:
        """What its own agent sees."""
        if not member.running:
            return MemberStatus(MemberState.STOPPED, member.timeline, len(member.log), member.clean)
        if member.frozen:
            return MemberStatus(MemberState.HUNG)
        if member.role == STANDBY:
            follows = NAMES[member.follows] if member.follows >= 0 else ""
            return MemberStatus(
                MemberState.STANDBY,
                member.timeline,
                len(member.log),
                False,
                follows,
                self.receiving(member),
                room=not member.full,
            )
        return self._of_primary(member)

    def _of_primary(self, member: Member) -> MemberStatus:
        standbys = []
        for other in self.members:
            if other.follows == member.index and other.role == STANDBY:
                up = self.connected(member, other)
                if up or (other.ghost < 0 and self.now - other.contact <= TIMEOUT_MS):
                    name = NAMES[other.index]
                    standbys.append(Standby(name, name in member.names, member.confirmed[other.index]))
        return MemberStatus(
            MemberState.PRIMARY,
            member.timeline,
            len(member.log),
            names=member.names,
            names_kept=member.kept,
            names_since=member.since,
            standbys=tuple(standbys),
            unprotected_seconds=self._unprotected(member) / 1000,
            room=not member.full,
        )

    def _unprotected(self, member: Member) -> int:
        if not member.names:
            return 0
        named = self.members[INDEX[member.names[0]]]
        if self.connected(member, named) and member.confirmed[named.index] >= len(member.log):
            member.progress = self.now
        return self.now - member.progress

    def make_primary(self, member: Member, *, forked: bool) -> None:
        """It takes writes from now on; a promotion begins a timeline."""
        if forked:
            self.timelines += 1
            member.parent, member.fork, member.timeline = member.timeline, len(member.log), self.timelines
            member.ghost = member.follows
            member.follows = -1
        member.role, member.clean = PRIMARY, False
        member.names, member.since = member.kept, len(member.log)
        member.confirmed = [0, 0, 0]
        member.progress = self.now

    def perform(self, member: Member, act: Act, whole: bool) -> bool:
        """One act takes effect, or the part of it before a crash; False when it does not come about."""
        kind = act.kind
        if kind is ActKind.STOP:
            return self._stop(member, act.clean)
        if kind is ActKind.START:
            member.start()
            return True
        if kind is ActKind.REJOIN:
            return self._rejoin(member, self.members[INDEX[act.member]], whole)
        if not member.running or member.frozen:
            return False
        if kind is ActKind.SET_NAMES:
            self._set_names(member, act.names, whole)
        elif kind is ActKind.STOP_RECEIVER:
            member.follows = -1
        elif kind is ActKind.FOLLOW:
            member.follows, member.contact, member.ghost = INDEX[act.member], self.now, -1
        return True

    def _stop(self, member: Member, clean: bool) -> bool:
        orderly = clean and member.running and not member.frozen and not member.full
        if orderly:
            for other in self.members:
                if self.connected(member, other) and not other.full:
                    other.log += member.log[len(other.log) :]
                    other.timeline = member.timeline
        member.stop(clean=orderly)
        return True

    def _set_names(self, member: Member, names: tuple[str, ...], whole: bool) -> None:
        """The file first, then in force."""
        member.kept = names
        if whole and member.role == PRIMARY:
            member.names, member.since, member.progress = names, len(member.log), self.now
            if not names:
                member.relax()

    def _rejoin(self, member: Member, source: Member, whole: bool) -> bool:
        member.stop()
        member.role = STANDBY
        if not (source.serves and self.joined(source.index, member.index)):
            return False
        if not whole:
            member.log, member.timeline, member.robbed = [], 0, True
            return False
        member.log, member.timeline, member.robbed = source.log.copy(), source.timeline, False
        member.follows, member.contact = source.index, self.now
        member.start()
        return True
