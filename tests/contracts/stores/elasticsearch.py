"""The Elasticsearch store under the contract suite: one real server for all, indices of its own for each folder."""

import hashlib
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from elasticsearch import Elasticsearch

from secops.store.elasticsearch_access import Access
from secops.store.elasticsearch_store import ElasticsearchStore
from secops.store.outbox import OUTBOX_FILE, Outbox
from tests.contracts.store_maker import StoreMaker
from tests.lab.elasticsearch import shared_elasticsearch

_URL = "JINDUN_TEST_ELASTICSEARCH"
"""Where the server is, for the processes that tests start."""


class _Store(ElasticsearchStore):
    """One whose indices are deleted when, it being closed, the store of another folder is opened."""

    made: ClassVar[dict[str, int]] = {}
    """How many stores are open on each prefix."""

    def __init__(self, where: Path, clock: Callable[[], datetime]) -> None:
        self._prefix = f"contract-{hashlib.sha256(str(where).encode()).hexdigest()[:16]}"
        self._forget_others()
        access = Access((url(),), patience_seconds=100)
        super().__init__(access, Outbox(where / OUTBOX_FILE), prefix=self._prefix, clock=clock, patience_seconds=100)
        self.made[self._prefix] = self.made.get(self._prefix, 0) + 1
        self._closed = False

    def _forget_others(self) -> None:
        old = [prefix for prefix, opened in self.made.items() if not opened and prefix != self._prefix]
        if old:
            with Elasticsearch(url(), request_timeout=100) as client:
                for name in client.indices.get(index=[f"{prefix}-*" for prefix in old]):
                    client.indices.delete(index=name)
            for prefix in old:
                del self.made[prefix]

    def close(self) -> None:
        if not self._closed:
            self.made[self._prefix] -= 1
            self._closed = True
        super().close()


def url() -> str:
    """Of the server, started when first asked for. Skips the test when there is none to start."""
    if _URL not in os.environ:
        os.environ[_URL] = shared_elasticsearch().url
    return os.environ[_URL]


maker = StoreMaker("elasticsearch", _Store, slow=True)
