"""Where everything of a lab lies: names, addresses, folders. Pure."""

import re
from dataclasses import dataclass
from pathlib import Path

from secops.model.city import CentreRole
from secops.model.text import Text
from secops.support.errors import BadInput

ROOT = Path("/run/jindun-lab")
CENTRES = ("c1", "c2", "c3")
"""Production, local DR, remote DR; the first two are in one city."""
CLIENT = "client"
PLACES = (*CENTRES, CLIENT)
ROLES = dict(zip(CENTRES, CentreRole, strict=True))
NETWORK = "10.87.0.0/16"
POSTGRESQL_PORT = 5432
ENTRY_PORT = 6432
SSH_PORT = 2222
ETCD_PORT = 2379
ETCD_PEER_PORT = 2380
METRICS_PORT = 9469
CLUSTER = "records"
DATABASE = "records"
ACCOUNT = "postgres"
"""The database's superuser; logs in over its own centre's socket as the servers' user, over the WAN by trust."""
_NAME = re.compile(r"[a-z][a-z0-9]{0,9}")


@dataclass(frozen=True, slots=True)
class Lab:
    """A lab by its name; whether it stands is another question."""

    name: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise BadInput(
                Text(
                    f"实验场名称须为 1–10 个小写字母或数字,以字母开头:{self.name}",
                    f"a lab's name has 1 to 10 small letters or digits and begins with a letter: {self.name}",
                )
            )

    @property
    def folder(self) -> Path:
        """Holds everything; its mere existence says that something was begun."""
        return ROOT / self.name

    @property
    def router_socket(self) -> Path:
        return self.folder / "router.sock"

    @property
    def router_log(self) -> Path:
        return self.folder / "router.log"

    def namespace(self, place: str) -> str:
        """As `ip netns` knows it."""
        return f"{self.name}-{place}"

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Of every place, and the one that the router lives in."""
        return tuple(self.namespace(place) for place in (*PLACES, "wan"))

    def at(self, place: str) -> Path:
        """The folder of a place: configuration, logs, sockets, homes."""
        return self.folder / place

    def disk(self, place: str) -> Path:
        """A small file system of its own that the database lies on."""
        return self.at(place) / "disk"

    def data(self, place: str) -> Path:
        """The database's data directory."""
        return self.disk(place) / "data"

    def socket_folder(self, place: str) -> Path:
        """Where the database's unix socket is."""
        return self.at(place) / "run"

    def entry_socket(self, place: str) -> Path:
        """HAProxy's runtime socket."""
        return self.at(place) / "run" / "entry.sock"

    def home(self, place: str) -> Path:
        """The home of the daemon of a centre."""
        return self.at(place) / "home"

    def log(self, place: str, server: str) -> Path:
        """What a server printed."""
        return self.at(place) / f"{server}.log"


def address(place: str) -> str:
    """The only address of a place."""
    return f"10.87.{PLACES.index(place) + 1}.10"


def local_dsn(lab: Lab, place: str, database: str = "postgres") -> str:
    """The database of a place over its own socket."""
    return f"host={lab.socket_folder(place)} port={POSTGRESQL_PORT} user={ACCOUNT} dbname={database}"


def remote_dsn(place: str, database: str = "postgres") -> str:
    """The database of a place over the WAN."""
    return f"host={address(place)} port={POSTGRESQL_PORT} user={ACCOUNT} dbname={database} {_IMPATIENT}"


_IMPATIENT = "connect_timeout=2 keepalives_idle=1 keepalives_interval=1 keepalives_count=2 tcp_user_timeout=2000"


def entry_dsn() -> str:
    """What a client is given: all three entries, in one string of libpq's."""
    hosts = ",".join(address(place) for place in CENTRES)
    ports = ",".join([str(ENTRY_PORT)] * len(CENTRES))
    return f"host={hosts} port={ports} user={ACCOUNT} dbname={DATABASE} target_session_attrs=read-write {_IMPATIENT}"
