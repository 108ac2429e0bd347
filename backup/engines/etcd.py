"""etcd by `etcdctl snapshot save`: the whole keyspace of a cluster as one member has it."""

from datetime import datetime

from backup.engine import EngineOptions, Keys, options_of
from backup.programs import probe, refuse_missing, with_secret
from backup.staging import Staged
from secops.model.city import Asset, AssetKind, Product
from secops.model.step import Command, Procedure, Step, require
from secops.model.text import Text

SNAPSHOT = "snapshot.db"
DATA = "data"
"""The directory within a restored copy that a server is started from, once it is made ready."""
PACKAGE = "etcd-client"
_SHORT_SECONDS = 60.0
_LONG_SECONDS = 24 * 3600.0
_DENIED = "authentication failed|permission denied|user name is empty"
_BUILD = """\
set -eu
cd -- "$0"
rm -rf data.unfinished
# From 3.6 on etcdctl cannot restore, and etcdutl can.
if command -v etcdutl >/dev/null; then tool=etcdutl; else tool=etcdctl; fi
"$tool" snapshot restore snapshot.db --data-dir data.unfinished
mv data.unfinished data
"""


class EtcdOptions(EngineOptions):
    """How the cluster is logged in to; all may be left out for a member on this host that asks nobody."""

    endpoint: str = ""
    """One member, like `https://10.0.0.5:2379`; a snapshot comes from one alone."""
    account: str = ""
    password: str = ""
    """Secret reference."""
    authority: str = ""
    """Path of the certificate to trust, on the host of the asset."""
    certificate: str = ""
    key: str = ""


class Etcd(Staged):
    """Copies an etcd cluster; a copy made ready is the data directory of a new cluster of one member."""

    name = "etcd"
    describes = Text("用 etcdctl 备份 etcd", "copies etcd with etcdctl")
    kinds = frozenset({AssetKind.DATABASE})
    products = frozenset({Product.ETCD})
    needs = ("etcdctl", "borg", "env", "find", "mkdir")
    chosen = True
    options = EtcdOptions

    def stage(self, source: Asset, keys: Keys, folder: str, taken: datetime) -> Procedure[None]:
        host = source.host
        chosen = options_of(EtcdOptions, source)
        yield from probe(host, "etcdctl", "version", package=PACKAGE, least=(3, 4))
        # A snapshot has no time limit: asked of a member that is away, it would wait for it.
        well = yield Step(
            "ask whether the member is well",
            member_command(source, chosen, "endpoint", "health"),
            conclusive=_DENIED,
            timeout_seconds=_SHORT_SECONDS,
        )
        require(well, f"etcd {source.id} 没有应答", f"etcd {source.id} does not answer")
        snapshot = f"{folder}/{SNAPSHOT}"
        saved = yield Step(
            "save a snapshot",
            member_command(source, chosen, "snapshot", "save", snapshot),
            changes=True,
            conclusive=_DENIED,
            timeout_seconds=_LONG_SECONDS,
        )
        require(saved, f"无法从 etcd {source.id} 取得快照", f"etcd {source.id} gives no snapshot")
        looked = yield Step(
            "look into the snapshot",
            Command(host, ("etcdctl", "snapshot", "status", snapshot)),
            assume="-",
            timeout_seconds=_LONG_SECONDS,
        )
        require(looked, f"etcd {source.id} 的快照无法读取", f"the snapshot of etcd {source.id} cannot be read")

    def make_ready(self, source: Asset, host: str, into: str, until: datetime | None = None) -> Procedure[None]:
        """Builds the data directory; the checksum within the snapshot is compared on the way."""
        built = yield Step(
            "build the data directory",
            Command(host, ("sh", "-c", _BUILD, into)),
            changes=True,
            check=Command(host, ("test", "-d", f"{into}/{DATA}/member")),
            timeout_seconds=_LONG_SECONDS,
        )
        refuse_missing(built, host, "etcdctl", PACKAGE)
        require(built, f"etcd 快照 {into} 无法恢复", f"the etcd snapshot in {into} cannot be restored")


etcd = Etcd()


def member_command(source: Asset, chosen: EtcdOptions, *argv: str) -> Command:
    """etcdctl with that one member, logged in."""
    endpoint = chosen.endpoint or f"http://{source.address or '127.0.0.1'}:2379"
    paths = {"--cacert": chosen.authority, "--cert": chosen.certificate, "--key": chosen.key}
    given = (part for flag, path in paths.items() if path for part in (flag, path))
    login = f"{chosen.account}:{chosen.password}" if chosen.account else ""
    return with_secret(source.host, "ETCDCTL_USER", login, "etcdctl", "--endpoints", endpoint, *given, *argv)
