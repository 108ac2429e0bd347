"""What is known when a failover is decided, and what may be decided: values, no clocks, no I/O.

Times are ages in seconds by the monotonic clock of whoever holds the value, so that no two clocks are ever compared;
`unix_seconds` alone is of a wall clock, and no rule of safety rests on it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from secops.model.cluster import Cluster


class Seen(StrEnum):
    """How a member looks from a centre."""

    GOOD = "good"
    """It commits the canary of that centre, or as a standby answers it."""
    REFUSED = "refused"
    """Nobody listens, or it turns everybody away: its process is gone or starting."""
    SILENT = "silent"
    """No answer at all: cut off, powered off, or frozen with its machine."""
    NOT_COMMITTING = "not_committing"
    """It answers, but commits hang or fail: frozen, its disk full or slow, or nobody confirms."""


@dataclass(frozen=True, slots=True)
class Sight:
    """How a member looks, and for how many seconds without a break."""

    seen: Seen
    seconds: float = 0.0
    failing_seconds: float = 0.0
    """Since it was last seen good, in whatever ways it has failed since."""


class MemberState(StrEnum):
    """What a member is doing, as its own machine says."""

    PRIMARY = "primary"
    STANDBY = "standby"
    STARTING = "starting"
    STOPPED = "stopped"
    HUNG = "hung"
    """Its processes are there and do not answer."""


@dataclass(frozen=True, slots=True)
class Standby:
    """One that follows a primary, as the primary sees it."""

    name: str
    synchronous: bool
    """Whether commits wait for it, as the primary itself says (`sync_state`)."""
    flushed: int
    """Position of the log up to which it has confirmed, in bytes."""


@dataclass(frozen=True, slots=True)
class MemberStatus:
    """What the agent of its own centre sees of a member."""

    state: MemberState
    timeline: int = 0
    flushed: int = 0
    """Position of the log in bytes: written for good; of a stopped member, as its control file says."""
    clean: bool = False
    """Stopped by an orderly shutdown that shipped all of its log."""
    follows: str = ""
    """Name of the member it is told to follow; empty: none."""
    receiving: bool = False
    """Its receiver is connected to the member that it follows."""
    names: tuple[str, ...] = ()
    """Of a primary: `synchronous_standby_names` in force. Empty: it runs alone."""
    names_kept: tuple[str, ...] = ()
    """Those that it would have after a restart: what its files say."""
    names_since: int = 0
    """Of a primary: its own flushed position, read after `names` were seen in force. Writes before it may have been
    acknowledged under the names before."""
    standbys: tuple[Standby, ...] = ()
    """Of a primary: those that stream from it."""
    unprotected_seconds: float = 0.0
    """Of a primary with names: for how long nobody of them has confirmed what waits, or none of them streams."""
    room: bool = True
    """Its file systems have the room that the policy asks for."""
    unsafe: tuple[str, ...] = ()
    """What breaks the promise that an acknowledged write is in two places: settings, strangers under a standby's name."""


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """Of a publication: the epoch, and the number within all publications. Only grows."""

    epoch: int = 0
    number: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """What the agent of a centre says, every 200 ms and at once on a change."""

    centre: str
    sequence: int = 0
    """Grows by one with each report of this agent."""
    heard: Mapping[str, int] = field(default_factory=dict)
    """Of each other centre, the sequence of its newest report that was read here: the proof of both directions."""
    obeyed: Version = field(default_factory=Version)
    """The newest publication that asks nothing more here, judged by `member` below, with no act under way."""
    member: MemberStatus | None = None
    """The centre's own member; None where there is none."""
    sights: Mapping[str, Sight] = field(default_factory=dict)
    """Every member, by name, as it looks from this centre."""
    entry_leads_to: str = ""
    """Name of the member that the centre's entry leads to; empty: closed."""
    renounced: int = 0
    """The newest epoch in which the own member was to take over and, for good, will not."""
    highest: Version = field(default_factory=Version)
    """The newest publication that this agent has ever read: the store may have been put back since."""
    primary_epoch: int = 0
    """The newest epoch in which the own member was made primary, or was about to be."""
    stuck: bool = False
    """Nothing more can be done here without a person; the agent says why."""


class OrderKind(StrEnum):
    """Why the primary was changed."""

    ADOPT = "adopt"
    """It serves already and is put under protection."""
    FAILOVER = "failover"
    """The one before is lost; who takes over has all that was acknowledged."""
    SWITCHOVER = "switchover"
    """Planned: the one before stops in order and hands over."""
    RETURN = "return"
    """Back to the one before, as the new one could not take over and has not."""
    DISASTER = "disaster"
    """Declared by two people: writes may be lost."""


@dataclass(frozen=True, slots=True)
class Order:
    """How the primary of an epoch comes to serve."""

    kind: OrderKind
    before: str = ""
    """Name of the primary of the epoch before."""
    proven: bool = False
    """Whoever takes over was published as promotable: it need not wait for the one before."""
    at_least: int = 0
    """Position of the log that the new primary must have."""
    timeline: int = 0
    """That the new primary must be on before it is promoted; 0: any."""


@dataclass(frozen=True, slots=True)
class Published:
    """What holds in the cluster, as the coordination store says: written by the leader alone, by compare-and-set."""

    version: Version
    primary: str
    """Name of the member that serves in this epoch."""
    names: tuple[str, ...] = ()
    """That the primary is to have in force. Empty: the permit of this very version to run alone."""
    promotable: tuple[str, ...] = ()
    """Names of the members that have every acknowledged write, as long as this version stands."""
    complete: int = 0
    """Position of the log that each of `promotable` had confirmed when it was published as such."""
    timeline: int = 0
    """Of the primary, when `promotable` was published."""
    order: Order = field(default_factory=lambda: Order(OrderKind.ADOPT))
    answered: tuple[str, ...] = ()
    """Ids of the wishes that were fulfilled, newest last."""
    kept_back: tuple[str, ...] = ()
    """Names of the members that may hold what a declared disaster has lost: not rewound before a person says so."""
    since: float = 0.0
    """Unix seconds of the change of primary, by the leader's wall clock."""
    changed: float = 0.0
    """Unix seconds of this version."""
    failovers: tuple[float, ...] = ()
    """Unix seconds of the last failovers that nobody asked for."""


class WishKind(StrEnum):
    """What people may ask for."""

    ADOPT = "adopt"
    SWITCHOVER = "switchover"
    DISASTER = "disaster"
    HOLD = "hold"
    """No failover unless somebody asks for it."""
    REJOIN = "rejoin"
    """After a disaster: what only the old primary has may be thrown away."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Somebody's word. It stands until it is answered or taken back."""

    id: str
    kind: WishKind
    target: str = ""
    """Name of the member that is to serve; of that to rejoin."""
    by: tuple[str, ...] = ()
    """The people who asked and approved."""
    typed: str = ""
    """What they typed to confirm: for a disaster, the id of the cluster."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """Every time and switch of failover; the defaults are those of the product."""

    refused_seconds: float = 0.2
    silent_seconds: float = 0.9
    not_committing_seconds: float = 2.5
    """For how long a member must look so from a centre before that centre suspects it."""
    report_stale_seconds: float = 1.0
    """A report that was received longer ago says nothing."""
    echo_stale_seconds: float = 1.5
    """A centre that has not read anything newer of ours is taken for deaf."""
    alone_after_seconds: float = 1.0
    """A primary whose names confirm nothing for so long is permitted to run alone."""
    may_run_alone: bool = True
    """False: rather no writes than writes in one place."""
    alone_needs_quorum: bool = True
    """A primary that runs alone stops serving when its agent has lost the quorum."""
    protect_after_seconds: float = 2.0
    """For so long after the last publication a primary runs alone before it is asked to wait for a standby again."""
    protect_within: int = 16 * 1024 * 1024
    """Bytes that a standby may be behind when the primary is asked to wait for it."""
    settle_seconds: float = 10.0
    """For so long after a change of primary there is no other that nobody asked for."""
    most_failovers: int = 3
    """More of them within `failovers_window_seconds` wait for a person."""
    failovers_window_seconds: float = 3600.0
    handover_seconds: float = 5.0
    """In a planned switchover, for how long a promotable target waits for the old primary to stop in order."""
    unproven_handover_seconds: float = 15.0
    """The same for any other target, which then gives up: longer than an orderly stop may take."""
    restart_after_seconds: float = 3.0
    """A primary that crashed is started again where it stood after so long, when nobody took over."""
    most_restarts: int = 3
    """In one epoch; more wait for a person."""
    restarts_forgotten_seconds: float = 600.0
    """A primary that has served for so long may be started again as often as at first."""
    follow_patience_seconds: float = 3.0
    """A standby that does not receive for so long is rejoined from the primary."""
    self_stop_seconds: float = 3.5
    """An agent that has heard nothing by quorum for so long closes its entry; a leader stops leading."""
    lease_seconds: float = 5.0
    fail_back_after_seconds: float = 0.0
    """With all protection back, serve from home again after so long; 0: only when somebody asks."""
    token_jump: int = 1_000_000
    """By which a declared disaster raises the epoch, above whatever the lost centres may have reached."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A report as the leader holds it."""

    report: Report
    age_seconds: float = 0.0
    """Since it was received, by the leader's monotonic clock."""
    echo_seconds: float = 0.0
    """Since the leader sent the newest of its own reports that this one has heard; 0 for the leader's own."""


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything that `decide` looks at."""

    cluster: Cluster
    centre: str
    """Of the leader."""
    leading_seconds: float
    """For how much longer the leader may act by its own clock; 0 or less: it may not."""
    published: Published | None = None
    reports: Mapping[str, Heard] = field(default_factory=dict)
    """By centre; the leader's own among them."""
    wishes: tuple[Wish, ...] = ()
    unix_seconds: float = 0.0
    policy: Policy = field(default_factory=Policy)
    highest: Version = field(default_factory=Version)
    """The newest publication that the leader's own agent has ever read."""


class ActKind(StrEnum):
    """What the agent of a centre does next with its own member and entry."""

    NOTHING = "nothing"
    STOP_RECEIVER = "stop_receiver"
    """Cut the own member off whom it follows, and see that nothing comes any more."""
    PROMOTE = "promote"
    """Once in an epoch."""
    SET_NAMES = "set_names"
    """`names` of the act; in force when done."""
    STOP = "stop"
    """In order when it may (`Act.clean`), else at once."""
    START = "start"
    """As it stands: a standby stays one."""
    RESUME = "resume"
    """Serve as primary in this epoch without a promotion; started when it is stopped."""
    RENOUNCE = "renounce"
    """Note for good that it will not take over in this epoch."""
    FOLLOW = "follow"
    """Point the running standby at `member`."""
    REJOIN = "rejoin"
    """Make it a standby of `member`, stopped first: started as it is when its log allows, else rewound or copied."""
    LEAD_ENTRY = "lead_entry"
    """Lead the own entry to `member` alone and cut the sessions of all others."""
    CLOSE_ENTRY = "close_entry"


@dataclass(frozen=True, slots=True)
class Act:
    """One act; done under `version`, by which a later one makes it void."""

    kind: ActKind
    version: Version = field(default_factory=Version)
    member: str = ""
    names: tuple[str, ...] = ()
    clean: bool = False
    stuck: bool = False
    """Of NOTHING: a person must decide. It does not count as obeyed."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What an agent never forgets: written for good before it acts on it."""

    highest: Version = field(default_factory=Version)
    """Of all publications it has read; lower ones are refused."""
    primary_epoch: int = 0
    """The epoch in which the own member was made primary, noted before it is promoted or resumed."""
    renounced: int = 0
    """The newest epoch in which it was to take over and will not."""
    restarts: int = 0
    """How often the own member was started again in that epoch."""


@dataclass(frozen=True, slots=True)
class Post:
    """What `obey` and `lead` look at: one centre, its own member and entry, and what the store says."""

    cluster: Cluster
    report: Report
    """Its own: `member`, `entry_leads_to` and `sights` are used."""
    published: Published | None
    """The newest that was read; never lower than `memory.highest`."""
    heard_seconds: float = 0.0
    """Since the store last answered by quorum, by the agent's monotonic clock."""
    published_seconds: float = 0.0
    """Since this agent first read `published`'s epoch."""
    down_seconds: float = 0.0
    """For how long the own member has been stopped or a standby that receives nothing."""
    others: Mapping[str, Report] = field(default_factory=dict)
    """The newest reports of the other centres."""
    memory: Memory = field(default_factory=Memory)
    policy: Policy = field(default_factory=Policy)


class Plan(StrEnum):
    """What a decision does, in a word: shown, counted and tested by it."""

    NOT_LEADING = "not_leading"
    UNPROTECTED = "unprotected"
    """Nobody has put the cluster under protection."""
    HELD = "held"
    MISTRUSTED = "mistrusted"
    """A wish that lacks what it needs."""
    WAIT = "wait"
    """Something is under way, or not certain yet."""
    STUCK = "stuck"
    """Nothing safe is left to do without a person."""
    STEADY = "steady"
    ADOPT = "adopt"
    FAIL_OVER = "fail_over"
    SWITCH_OVER = "switch_over"
    TURN_BACK = "turn_back"
    DECLARE = "declare"
    RUN_ALONE = "run_alone"
    PROTECT = "protect"
    """Ask the primary to wait for a standby."""
    TRUST = "trust"
    """Publish a standby as promotable."""
    NOTE = "note"
    """Take down a wish that is fulfilled already."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the leader does: write `publish` in the place of the version that it decided on, or nothing."""

    plan: Plan
    publish: Published | None = None
