"""Redis by `redis-cli --rdb`: the server hands over a consistent snapshot as it would to a replica."""

from datetime import datetime

from backup.engine import EngineOptions, Keys, options_of
from backup.programs import probe, with_secret
from backup.staging import Staged
from secops.model.city import Asset, AssetKind, Product
from secops.model.step import Command, Procedure, Step, require
from secops.model.text import Text

SNAPSHOT = "dump.rdb"
_PACKAGE = "redis-tools"
_LONG_SECONDS = 24 * 3600.0


class RedisOptions(EngineOptions):
    """How the server is logged in to; all may be left out for one on this host that asks nobody."""

    account: str = ""
    password: str = ""
    """Secret reference."""
    socket: str = ""
    """Path; in place of address and port."""
    port: int = 6379
    authority: str = ""
    """Path of the certificate to trust; the connection is then by TLS."""


class Redis(Staged):
    """Copies a Redis server as one `dump.rdb`, checked before it is kept; a server started over it has the data.

    What is written after the snapshot began is not in it. Accounts and settings are files of the host, not data.
    """

    name = "redis"
    describes = Text("用 redis-cli 备份 Redis", "copies Redis with redis-cli")
    kinds = frozenset({AssetKind.DATABASE})
    products = frozenset({Product.REDIS})
    needs = ("redis-cli", "redis-check-rdb", "borg", "env", "find", "mkdir")
    chosen = True
    options = RedisOptions

    def stage(self, source: Asset, keys: Keys, folder: str, taken: datetime) -> Procedure[None]:
        host = source.host
        chosen = options_of(RedisOptions, source)
        yield from probe(host, "redis-cli", "--version", package=_PACKAGE, least=(6, 0))
        snapshot = f"{folder}/{SNAPSHOT}"
        argv = ("redis-cli", *login_words(source, chosen), "--rdb", snapshot)
        fetched = yield Step(
            "fetch a snapshot",
            with_secret(host, "REDISCLI_AUTH", chosen.password, *argv),
            changes=True,
            conclusive="NOAUTH|WRONGPASS|NOPERM",
            timeout_seconds=_LONG_SECONDS,
        )
        require(fetched, f"无法从 Redis {source.id} 取得快照", f"Redis {source.id} gives no snapshot")
        checked = yield Step(
            "check the snapshot",
            Command(host, ("redis-check-rdb", snapshot)),
            assume="-",
            timeout_seconds=_LONG_SECONDS,
        )
        require(checked, f"Redis {source.id} 的快照已损坏", f"the snapshot of Redis {source.id} is damaged")


redis = Redis()


def login_words(source: Asset, chosen: RedisOptions) -> tuple[str, ...]:
    """What tells redis-cli where the server is, and as whom."""
    where = ("-s", chosen.socket) if chosen.socket else ("-h", source.address or "127.0.0.1", "-p", str(chosen.port))
    who = ("--user", chosen.account) if chosen.account else ()
    trust = ("--tls", "--cacert", chosen.authority) if chosen.authority else ()
    return (*where, *who, *trust, "--no-auth-warning")
