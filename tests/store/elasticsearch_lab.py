"""Indices of one's own on the shared server, gone after the test."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from uuid import uuid4

from secops.model.finding import Finding
from secops.store.elasticsearch_access import Access
from secops.store.elasticsearch_documents import Kind, finding_document
from secops.store.elasticsearch_indices import Indices
from secops.store.elasticsearch_json import Document
from secops.store.elasticsearch_server import Action, ElasticsearchServer, Result, Status
from tests.lab.elasticsearch import PASSWORD, USER, Server, connect

_numbers = count()


def access_to(server: Server, patience_seconds: float = 30) -> Access:
    """As a service would have it."""
    if server.authority is None:
        return Access(server.urls, patience_seconds=patience_seconds)
    ca_file = str(server.authority)
    return Access(server.urls, ca_file=ca_file, user=USER, password=PASSWORD, patience_seconds=patience_seconds)


@contextmanager
def fresh_indices(server: Server, patience_seconds: float = 30) -> Iterator[Indices]:
    """A prefix that nobody else has; nothing is set up."""
    prefix = f"t{uuid4().hex[:10]}-{next(_numbers)}"
    opened = ElasticsearchServer(access_to(server, patience_seconds))
    try:
        yield Indices(opened, prefix)
    finally:
        with connect(server) as administrator:
            if left := list(administrator.indices.get(index=f"{prefix}-*")):
                administrator.indices.delete(index=left)
        opened.close()


def written(indices: Indices, kind: Kind, documents: Iterable[tuple[str, Document]]) -> list[Result]:
    """Write them and let searches find them."""
    actions = [Action(indices.alias(kind), id, document, replace=True) for id, document in documents]
    results = indices.server.bulk(actions)
    assert {result.status for result in results} <= {Status.OK}, results
    indices.server.refresh(indices.alias(kind))
    return results


def write_findings(indices: Indices, findings: Sequence[Finding]) -> None:
    """Write them and let searches find them."""
    written(indices, Kind.FINDINGS, ((finding.id, finding_document(finding, {})) for finding in findings))
