"""A real Elasticsearch; it is shared by the tests of one process, so notes stand in an index of this lab's own."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from backup.elasticsearch import prefix_of
from secops.model.city import Product
from tests.lab.database import DatabaseLab, RunningDatabase
from tests.lab.elasticsearch import Server, connect, shared_elasticsearch

INDEX = "suite-notes"


@dataclass
class ElasticsearchServer(RunningDatabase):
    """A running cluster of one node."""

    server: Server

    def write(self, note: str) -> None:
        with connect(self.server) as client:
            client.index(index=INDEX, id=note, document={"text": note, "written": time.time()})

    def notes(self) -> set[str]:
        return self._notes(INDEX)

    def notes_in(self, folder: Path) -> set[str]:
        return self._notes(f"{prefix_of(str(folder))}{INDEX}")

    def _notes(self, index: str) -> set[str]:
        with connect(self.server) as client:
            client.indices.refresh(index=index)
            found = client.search(index=index, size=1000)
            return {hit["_source"]["text"] for hit in found["hits"]["hits"]}

    def duplicate(self, folder: Path, to: Path) -> None:
        super().duplicate(folder, to)
        with connect(self.server) as client:
            for index in client.indices.get(index=f"{prefix_of(str(folder))}*"):
                name = index.removeprefix(prefix_of(str(folder)))
                client.indices.put_settings(index=index, settings={"index.blocks.write": True})
                client.indices.clone(index=index, target=f"{prefix_of(str(to))}{name}")

    def options(self, engine: str) -> Mapping[str, str]:
        return {"url": self.server.url}

    def canary_options(self) -> Mapping[str, str]:
        return {"url": self.server.url}

    def away_options(self) -> Mapping[str, str]:
        return {"url": "http://127.0.0.1:9"}

    def tried_with(self) -> Mapping[str, str]:
        return {
            "question": f"{INDEX}/_doc/wanted",
            "answer": '"text":"wanted"',
            "canary": f"{INDEX}/_search?size=1&sort=written:desc&filter_path=hits.hits._source.written",
            "canary_within_seconds": "60",
        }


class _Lab(DatabaseLab):
    @contextmanager
    def running(self) -> Iterator[RunningDatabase]:
        database = ElasticsearchServer(shared_elasticsearch())
        with connect(database.server) as client:
            client.indices.create(index=INDEX, settings={"number_of_replicas": 0})
            try:
                yield database
            finally:
                client.indices.delete(index=[INDEX, "jindun-canary"], ignore_unavailable=True)


lab = _Lab("elasticsearch", Product.ELASTICSEARCH, ("java", "curl"))
