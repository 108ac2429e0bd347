"""The city: units, two sites, three centres, protected systems and their assets.

The inventory file is these dataclasses written as YAML; `secops.inventory.load` reads it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from secops.model.cluster import Cluster
from secops.model.product import Product as Product
from secops.model.text import Text

_STRICT = {"extra": "forbid", "use_attribute_docstrings": True}


class CentreRole(StrEnum):
    """What a centre is for in 两地三中心."""

    PRODUCTION = "production"
    LOCAL_DR = "local_dr"
    REMOTE_DR = "remote_dr"


class AssetKind(StrEnum):
    """What an asset is, and so which checks apply to it."""

    WEBSITE = "website"
    PAGE = "page"
    HOST = "host"
    DATABASE = "database"
    NETWORK_DEVICE = "network_device"
    FILE_TREE = "file_tree"


class ImpactObject(StrEnum):
    """受侵害的客体 of GB/T 22240, from the least to the gravest."""

    LEGAL_RIGHTS = "legal_rights"
    PUBLIC_ORDER = "public_order"
    NATIONAL_SECURITY = "national_security"


class ImpactDegree(StrEnum):
    """侵害程度 of GB/T 22240."""

    GENERAL = "general"
    SERIOUS = "serious"
    EXTREME = "extreme"


class Importance(StrEnum):
    """How much the city depends on the system."""

    GENERAL = "general"
    IMPORTANT = "important"
    CORE = "core"


class Tier(StrEnum):
    """灾备等级, from the least to the most."""

    DATA = "data"
    APPLICATION = "application"
    BUSINESS = "business"

    @property
    def rank(self) -> int:
        """1 data, 2 application, 3 business."""
        return list(Tier).index(self) + 1


class Level(IntEnum):
    """等级保护 level, 1 to 5."""

    L1 = 1
    L2 = 2
    L3 = 3
    L4 = 4
    L5 = 5


@dataclass(frozen=True, slots=True)
class Unit:
    """An organisation."""

    __pydantic_config__ = _STRICT
    id: str
    name: Text


@dataclass(frozen=True, slots=True)
class Site:
    """A place (地); centres stand in it."""

    __pydantic_config__ = _STRICT
    id: str
    name: Text


@dataclass(frozen=True, slots=True)
class Centre:
    """One of the three centres."""

    __pydantic_config__ = _STRICT
    id: str
    name: Text
    site: str
    """Id of the site it stands in."""
    role: CentreRole


@dataclass(frozen=True, slots=True)
class Impact:
    """What is harmed, and how badly, when one aspect (S or A) of a system fails."""

    __pydantic_config__ = _STRICT
    object: ImpactObject
    degree: ImpactDegree


@dataclass(frozen=True, slots=True)
class Grade:
    """The grading of one system by GB/T 22240: business information (S) and service continuity (A) apart."""

    __pydantic_config__ = _STRICT
    information: Impact
    """S: harm when the business information is destroyed or disclosed."""
    service: Impact
    """A: harm when the service stops."""


@dataclass(frozen=True, slots=True)
class SshAddress:
    """How a host is reached for commands; the identity and pinned host keys are settings of the service."""

    __pydantic_config__ = _STRICT
    user: str
    port: int = 22


@dataclass(frozen=True, slots=True)
class CopiedBy:
    """Which engine copies an asset, and what only that engine knows of it."""

    __pydantic_config__ = _STRICT
    engine: str
    """Its name."""
    options: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict, hash=False)
    """As the engine describes them; a secret is a reference like `${file:keys/database}`."""


@dataclass(frozen=True, slots=True)
class CanaryRhythm:
    """How often the service writes a canary into an asset, and how it gets there."""

    __pydantic_config__ = _STRICT
    every: str = "1m"
    """From `1s` on."""
    options: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict, hash=False)
    """As the writer for the product describes them; a secret is a reference like `${file:keys/canary-login}`."""


@dataclass(frozen=True, slots=True)
class Asset:
    """Something that is scanned or copied. Its system is the one it is listed under."""

    __pydantic_config__ = _STRICT
    id: str
    """Unique in the city; findings are tied to it, so it outlives a change of address."""
    kind: AssetKind
    name: Text
    centre: str
    """Id of the centre it stands in."""
    address: str = ""
    """Host name or IP address, for a host, database or network device."""
    url: str = ""
    """For a website its origin, `https://host:port/`; for a page its full address."""
    path: str = ""
    """Absolute, on `host`: of a file tree; of a database its directory or file of data. For a host its sshd_config,
    when that is not the usual one."""
    host: str = ""
    """For a file tree, website, page or database: the id of the host asset that holds it, or `local` for the machine
    of the service."""
    product: Product | None = None
    """For a database: what it is."""
    ports: tuple[int, ...] = ()
    """TCP ports that are declared to be open on a host."""
    ssh: SshAddress | None = None
    """Present when commands may be run on the host."""
    copied_by: CopiedBy | None = None
    """Present when it is copied by another engine than the first choice for its kind, or by one that asks for
    options."""
    tried_with: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict, hash=False)
    """For a database: what the trial of its product asks of a restored copy, as the trial describes its options."""
    canary: CanaryRhythm | None = None
    """Present when canaries are written into a database or file tree, so that the RPO of its copies is measured; in a
    replica they are read."""
    replica_of: str = ""
    """For a database or file tree that follows another one: the id of that one."""


@dataclass(frozen=True, slots=True)
class System:
    """A protected information system."""

    __pydantic_config__ = _STRICT
    id: str
    name: Text
    programme: Text
    """The action of the city's plan that it belongs to."""
    lead_units: tuple[str, ...]
    """牵头单位, by id."""
    grade: Grade
    importance: Importance = Importance.GENERAL
    cooperating_units: tuple[str, ...] = ()
    """配合单位, by id."""
    supervising_units: tuple[str, ...] = ()
    """监管单位, by id."""
    cii: bool = False
    """关键信息基础设施: critical information infrastructure."""
    tier: Tier | None = None
    """A tier set by hand. Derived when absent; set lower than derived, it is a finding."""
    assets: tuple[Asset, ...] = ()


class Medium(StrEnum):
    """What copies are kept on; two copies on two media do not fail of one cause."""

    DISK = "disk"
    OBJECT = "object"
    TAPE = "tape"
    OPTICAL = "optical"


class Keeping(StrEnum):
    """Who can alter or remove what a vault holds."""

    ONLINE = "online"
    """Whoever rules the host."""
    IMMUTABLE = "immutable"
    """Nobody before its time: WORM, object lock."""
    OFFLINE = "offline"
    """Nobody over a network: the medium lies in a cupboard."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """A unit that may keep copies in a vault."""

    __pydantic_config__ = _STRICT
    unit: str
    """Its id."""
    quota: str = ""
    """The most that its copies may take, like `500G`; empty: as much as there is."""


@dataclass(frozen=True, slots=True)
class Line:
    """When and how fast copies go into a vault."""

    __pydantic_config__ = _STRICT
    limit: str = ""
    """The most per second, like `20M` (bytes); empty: as fast as it goes."""
    windows: tuple[str, ...] = ()
    """When it may, like `22:00-06:00` in local time; empty: at any time."""


@dataclass(frozen=True, slots=True)
class Vault:
    """Where copies live."""

    __pydantic_config__ = _STRICT
    id: str
    centre: str
    location: str
    """A directory on `host`, or of the remote end: `ssh://user@address:port/directory`, or `rest:https://address:port/`
    of a server that speaks restic's protocol."""
    host: str = ""
    """Id of the host that keeps the directory, on which old copies are cleared and copies of copies are fetched; empty:
    each source host reaches `location` by itself."""
    medium: Medium = Medium.DISK
    keeping: Keeping = Keeping.ONLINE
    tenants: tuple[Tenant, ...] = ()
    """The units that may use it; empty: all, as much as they like."""
    pulls_from: str = ""
    """Id of the vault whose encrypted copies it fetches by itself, without the keys of the sources; empty: sources copy
    into it."""
    line: Line = field(default_factory=Line)
    kept_in: str = ""
    """The directory on `host` when the location does not name it, as an address with `rest:` does not."""

    @property
    def directory(self) -> str:
        """Where it is on the host that keeps it; empty when nobody has said."""
        if self.kept_in or self.location.startswith("rest:"):
            return self.kept_in.rstrip("/")
        place = self.location.partition("://")[2] or self.location
        return f"/{place.partition('/')[2]}".rstrip("/")


@dataclass(frozen=True, slots=True)
class Place:
    """An isolated place: a restore goes here first and is scanned before it is attached."""

    __pydantic_config__ = _STRICT
    id: str
    centre: str
    host: str
    """Id of the host asset, or `local` for the machine of the service. Restored trees are scanned by the service: from
    another host they come to it over ssh."""
    path: str
    """Directory on the host; each restore gets a folder of its own in it."""
    url: str
    """Where that directory is served to our scanners and to nobody else."""
    namespace: bool = False
    """Whether what is started there runs in a network namespace of its own, with a loopback and nothing else; the host
    is then used as root."""


@dataclass(frozen=True, slots=True)
class BusinessCheck:
    """The smallest request that proves the business works."""

    __pydantic_config__ = _STRICT
    path: str
    contains: str
    """Text that a good answer holds; the status must be 200."""


@dataclass(frozen=True, slots=True)
class EntryServer:
    """One centre's server behind an entry."""

    __pydantic_config__ = _STRICT
    centre: str
    name: str
    """Its name in the HAProxy backend."""
    url: str
    """Where it answers directly, past the entry."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What clients of a system connect to (HAProxy), and the servers it can lead to."""

    __pydantic_config__ = _STRICT
    id: str
    system: str
    url: str
    socket: str
    """HAProxy's runtime socket on the machine of the service."""
    backend: str
    servers: tuple[EntryServer, ...]
    business_check: BusinessCheck


@dataclass(frozen=True, slots=True)
class City:
    """Everything that exists, as one file says it."""

    __pydantic_config__ = _STRICT
    name: Text
    sites: tuple[Site, ...]
    centres: tuple[Centre, ...]
    units: tuple[Unit, ...]
    systems: tuple[System, ...]
    vaults: tuple[Vault, ...] = ()
    places: tuple[Place, ...] = ()
    entries: tuple[Entry, ...] = ()
    clusters: tuple[Cluster, ...] = ()
