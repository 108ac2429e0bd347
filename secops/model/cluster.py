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
    """For a name: the zone it stands in."""


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
