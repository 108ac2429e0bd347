"""Findings in Elasticsearch, and how that place is looked after."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from secops.execution.secrets import Secrets
from secops.service.store_settings import StoreSettings
from secops.service.storing import Opener, Place, open_outbox
from secops.store.elasticsearch_access import Access
from secops.store.elasticsearch_indices import Indices, KindStatus
from secops.store.elasticsearch_server import ElasticsearchServer
from secops.store.elasticsearch_store import ElasticsearchStore
from secops.support.clock import now

_ROLLED = "rolled"
"""A file in the state folder, written when the indices were last rolled."""
_ROLL_SECONDS = 86_400.0


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


def _open(place: Place) -> ElasticsearchStore:
    wanted, outbox = place.wanted, open_outbox(place.wanted, place.state)
    try:
        return ElasticsearchStore(access(wanted, place.path, place.secrets), outbox, prefix=wanted.prefix)
    except BaseException:
        outbox.close()
        raise


def _roll_when_due(place: Place) -> None:
    """Once a day; several processes at once do no harm."""
    stamp, at = place.state / _ROLLED, now()
    if stamp.exists() and 0 <= at.timestamp() - stamp.stat().st_mtime < _ROLL_SECONDS:
        return
    # First: whoever fails is not to be asked again by each of thousands of recordings.
    stamp.touch()
    with open_indices(place.wanted, place.path, place.secrets) as indices:
        indices.roll(place.wanted.keep.keep(), at)


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


ELASTICSEARCH = Opener("elasticsearch", _open, _roll_when_due)
