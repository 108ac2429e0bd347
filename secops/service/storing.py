"""Where the settings keep findings, and how that place is looked after."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from secops.execution.secrets import Secrets
from secops.model.text import Text
from secops.service.store_settings import StoreSettings
from secops.store.elasticsearch_access import Access
from secops.store.elasticsearch_indices import Indices, KindStatus
from secops.store.elasticsearch_server import ElasticsearchServer
from secops.store.elasticsearch_store import OUTBOX_FILE, ElasticsearchStore
from secops.store.finding_store import FindingStore
from secops.store.outbox import Outbox
from secops.store.sqlite_store import SqliteStore
from secops.support.errors import Incomplete

SQLITE_FILE = "findings.sqlite"
_TABLES = ("findings", "acceptances", "observations", "contents", "events", "coverage", "baselines", "audit")


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """How Elasticsearch stands."""

    urls: tuple[str, ...]
    health: str
    nodes: int
    insecure: bool
    """Whether it is spoken to without knowing that it is the right one, or in clear."""
    indices: tuple[KindStatus, ...]

    @property
    def usable(self) -> bool:
        """Whether findings can be written and read."""
        return all(one.health in ("green", "yellow") and not one.blocked and not one.outdated for one in self.indices)


def access(wanted: StoreSettings, path: Callable[[str], Path], secrets: Secrets) -> Access:
    """How to reach the server; its secrets are resolved here and nowhere kept. Raises SecretRefused."""
    return Access(
        urls=wanted.urls,
        ca_file=str(path(wanted.ca_file)) if wanted.ca_file else "",
        fingerprint=wanted.fingerprint.replace(":", "").lower(),
        api_key=secrets.resolve(wanted.api_key),
        user=wanted.user,
        password=secrets.resolve(wanted.password),
        insecure=wanted.insecure,
    )


def open_store(wanted: StoreSettings, state: Path, path: Callable[[str], Path], secrets: Secrets) -> FindingStore:
    """The store of a home: `state` is its folder, `path` finds what its settings name."""
    if wanted.kind == "sqlite":
        return SqliteStore(state / SQLITE_FILE)
    outbox = open_outbox(wanted, state)
    try:
        return ElasticsearchStore(access(wanted, path, secrets), outbox, prefix=wanted.prefix)
    except BaseException:
        outbox.close()
        raise


def open_outbox(wanted: StoreSettings, state: Path) -> Outbox:
    """What waits for Elasticsearch."""
    return Outbox(state / OUTBOX_FILE, quota_bytes=wanted.outbox_bytes)


@contextmanager
def open_indices(wanted: StoreSettings, path: Callable[[str], Path], secrets: Secrets) -> Iterator[Indices]:
    """The indices of Elasticsearch, as they are."""
    server = ElasticsearchServer(access(wanted, path, secrets))
    try:
        yield Indices(server, wanted.prefix)
    finally:
        server.close()


def cluster_status(wanted: StoreSettings, indices: Indices) -> ClusterStatus:
    """How the cluster and our indices on it stand; nothing is changed."""
    health = indices.server.health()
    return ClusterStatus(
        wanted.urls, health["status"], health["number_of_nodes"], wanted.insecure, tuple(indices.status())
    )


def held_by(file: Path) -> dict[str, int] | None:
    """How many of what the file of findings holds; None when there is none yet. Nothing is changed."""
    if not file.exists():
        return None
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            there = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            return {name: _count(connection, name) for name in _TABLES if name in there}
    except sqlite3.Error as error:
        raise Incomplete(Text(f"无法读取 {file}:{error}", f"{file} cannot be read: {error}")) from error


def _count(connection: sqlite3.Connection, table: str) -> int:
    (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608, one of _TABLES
    return int(count)
