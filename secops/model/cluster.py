"""A cluster: one database kept in several centres, and the entries that lead clients to whichever member serves."""

from dataclasses import dataclass
from enum import StrEnum

from secops.model.product import Product

_STRICT = {"extra": "forbid", "use_attribute_docstrings": True}


class EntryDriver(StrEnum):
    """How a centre leads clients to the serving member."""

    HAPROXY = "haproxy"
    """A TCP proxy in the centre, told over its runtime socket."""
    VIRTUAL_ADDRESS = "virtual_address"
    """An address that the serving member's centre takes over."""
    DNS = "dns"
    """A name whose record is changed."""


class FenceKind(StrEnum):
    """How an old primary is made harmless whatever it does itself."""

    NFTABLES = "nftables"
    """The firewall of its machine refuses its port."""
    PROCESS_STOP = "process_stop"
    """Its processes are killed."""
    POWER = "power"
    """A command takes the power from its machine."""


@dataclass(frozen=True, slots=True)
class MemberFence:
    """One hard fence of a member."""

    __pydantic_config__ = _STRICT
    kind: FenceKind
    command: tuple[str, ...] = ()
    """For the power: what takes it, run where the agent is."""
    confirm: tuple[str, ...] = ()
    """For the power: what succeeds only when it is off. Without it the fence is never confirmed."""
    timeout_seconds: float = 10.0
    """Of each step."""


@dataclass(frozen=True, slots=True)
class Member:
    """One copy of the database, which can serve or follow."""

    __pydantic_config__ = _STRICT
    name: str
    """As it is called in `synchronous_standby_names`, and the name of its server in each entry's backend."""
    centre: str
    """Id of the centre it stands in, whose agent alone acts on it."""
    host: str
    """Id of the host asset that holds it, or `local` for the machine of the agent."""
    address: str
    """Where the other members, agents and entries reach it."""
    port: int = 5432
    data_directory: str = ""
    """Absolute, on `host`."""
    fences: tuple[MemberFence, ...] = ()
    """Hard fences, in the order in which they are tried once another member has taken over."""


@dataclass(frozen=True, slots=True)
class ClusterEntry:
    """What clients of one centre connect to."""

    __pydantic_config__ = _STRICT
    centre: str
    """Id of the centre whose agent alone moves it."""
    address: str
    """What clients connect to."""
    port: int
    driver: EntryDriver = EntryDriver.HAPROXY
    socket: str = ""
    """HAProxy's runtime socket on the machine of the agent."""
    backend: str = ""
    """HAProxy's TCP backend, which holds a server for each member, of the member's name."""
    device: str = ""
    """For a virtual address: the network device that takes it."""
    zone: str = ""
    """For a name: the zone it stands in. `address` is then the name, one for each centre."""
    nameserver: str = ""
    """For a name: address of the zone's primary name server, which takes dynamic updates (RFC 2136)."""
    nameserver_port: int = 53
    key: str = ""
    """For a name: name of the TSIG key (hmac-sha256) that may update it."""
    key_file: str = ""
    """For a name: absolute path of the file with the key's base64 secret, on the machine of the agent."""
    ttl_seconds: int = 1
    """For a name: how long a client may keep an answer."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A database that survives the loss of a centre."""

    __pydantic_config__ = _STRICT
    id: str
    system: str
    """Id of the system it belongs to."""
    members: tuple[Member, ...]
    """At most one in each centre."""
    home: str
    """Name of the member that serves in peace, and to which one fails back."""
    synchronous: tuple[str, ...]
    """Names of the members that may be in the commit path, the home among them; all stand in one city."""
    voters: tuple[str, ...]
    """Ids of the centres whose agents and coordination store decide by majority: three."""
    entries: tuple[ClusterEntry, ...]
    product: Product = Product.POSTGRESQL
    database: str = "postgres"
    """Whose commits the canaries try."""
    account: str = "postgres"
    """A superuser, under which agents ask and members follow each other."""
    passfile: str = ""
    """Path of libpq's file of passwords, the same on every agent's machine; the members' owner must be able to read it."""

    def member(self, name: str) -> Member | None:
        """The member of that name."""
        for member in self.members:
            if member.name == name:
                return member
        return None

    def member_in(self, centre: str) -> Member | None:
        """The member that stands in a centre."""
        for member in self.members:
            if member.centre == centre:
                return member
        return None

    def entry_in(self, centre: str) -> ClusterEntry | None:
        """The entry of a centre."""
        for entry in self.entries:
            if entry.centre == centre:
                return entry
        return None

    @property
    def quorum(self) -> int:
        """How many of the voters are a majority."""
        return len(self.voters) // 2 + 1
