"""Findings as queries ask for them, out of Elasticsearch. What was written is found after a refresh."""

from collections.abc import Sequence

from secops.model.finding import Severity
from secops.store.cursor import from_cursor, to_cursor
from secops.store.elasticsearch_documents import FINDING_FIELDS, finding_of, path_of
from secops.store.elasticsearch_server import ElasticsearchServer, Key
from secops.store.finding_store import Counts, Page
from secops.store.query import FIELDS, Condition, Query
from secops.store.query_elasticsearch import after_of, filter_of, sort_of
from secops.store.query_sql import bound


def page(
    server: ElasticsearchServer, index: str, query: Query, where: Condition | None, limit: int, cursor: str | None
) -> Page:
    """One page; a hit more than asked tells whether there is a next one. `where`: that of the query without ages."""
    after = () if cursor is None else after_of(from_cursor(cursor, query))
    hits = server.search(index, filter_of(where), sort_of(query), limit + 1, after, FINDING_FIELDS)
    found = tuple(finding_of(hit.source)[0] for hit in hits)
    if len(found) <= limit:
        return Page(found, None)
    last = [bound(FIELDS[key.field].read(found[limit - 1])[0]) for key in query.keys]
    return Page(found[:limit], to_cursor(last, query))


def count(server: ElasticsearchServer, index: str, where: Condition | None, by: Sequence[str]) -> Counts:
    """How many findings meet the condition, for each of the values of the fields."""
    if not by:
        return {(): server.count(index, filter_of(where))}
    counted = server.groups(index, filter_of(where), [path_of(FIELDS[name]) for name in by])
    return {tuple(map(_word, by, values)): number for values, number in counted.items()}


def _word(field: str, value: Key) -> str:
    """The value of a field as it was indexed."""
    kind = FIELDS[field].type
    word: str = list(Severity)[int(value)] if kind is Severity else kind(value)
    return word
