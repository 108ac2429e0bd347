"""Requests to an Elasticsearch cluster; the only module that knows its client. Its errors are told in a sentence.

Reads ask another node when one does not answer; a write is sent once, and whoever sends it decides what comes next.
Nothing here needs more of the server than its core: no scripts, no ILM, no data streams, no reindex on the server.
"""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, TypeAlias

import orjson
from elasticsearch import (
    ApiError,
    ConnectionError,
    ConnectionTimeout,
    Elasticsearch,
    ElasticsearchWarning,
    SerializationError,
    SSLError,
    TransportError,
    UnsupportedProductError,
)
from elasticsearch.serializer import OrjsonSerializer

from secops.store.elasticsearch_access import Access
from secops.store.elasticsearch_errors import (
    Blocked,
    Busy,
    IncompleteAnswer,
    IndexMissing,
    LoginRefused,
    Refused,
    TooLarge,
    Unreachable,
    Untrusted,
    WrongProduct,
)
from secops.store.elasticsearch_json import APART, OURS, Document, encoded
from secops.support.errors import JindunError

Key: TypeAlias = str | int

PAGE = 5_000
"""Hits of one request while everything that matches is read."""
_RETRIES = 3
_READABLE_SECONDS = 120
"""How long the state that a reader looks at is kept between two of its pages."""
_BULK_ANSWER = "items.*.status,items.*.error,items.*._index,items.*._seq_no,items.*._primary_term"
_NOT_READY = (502, 503, 504)

# The server's advice on its own configuration is for its log; it would stand in the output of every verb.
warnings.simplefilter("ignore", ElasticsearchWarning)


@dataclass(frozen=True, slots=True)
class Found:
    """A document as it is on the server, and what writing it again only if it is unchanged needs."""

    id: str
    source: Document
    index: str = ""
    """Its index proper, behind whatever alias it was asked for."""
    seq_no: int = -1
    primary_term: int = -1


@dataclass(frozen=True, slots=True)
class Action:
    """One write: a document that must not exist yet, or, with `over`, one that must still be as it was found."""

    alias: str
    """Where to; with `over` it must lead to the very index that the document was found in, see `Indices.own`."""
    id: str
    document: Document | None
    """None deletes."""
    over: Found | None = None
    replace: bool = False
    """Write it whatever is there."""

    def lines(self) -> bytes:
        """Its part of the bulk request, each line ended."""
        where: Document = {"_index": self.alias, "_id": self.id}
        if self.over is not None:
            where |= {"if_seq_no": self.over.seq_no, "if_primary_term": self.over.primary_term}
        if self.document is None:
            return orjson.dumps({"delete": where}) + b"\n"
        operation = "index" if self.replace or self.over is not None else "create"
        return b"%b\n%b\n" % (orjson.dumps({operation: where}), encoded(self.document))


class Status(StrEnum):
    """What became of one action."""

    OK = "ok"
    CONFLICT = "conflict"
    """It exists already, or is not as it was found."""
    BUSY = "busy"
    """Later it may pass."""
    BLOCKED = "blocked"
    """The index takes no writes now: read-only, the disk full, or no right to write there."""
    MISSING = "missing"
    """There is no such alias, or nothing to delete."""
    REFUSED = "refused"
    """The document does not fit and never will."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one action, and why."""

    status: Status
    reason: str = ""
    index: str = ""
    seq_no: int = -1
    primary_term: int = -1


class _Json(OrjsonSerializer):
    """The client's default is four times as slow."""

    mimetype: ClassVar[str] = "application/json"


class ElasticsearchServer:
    """One server or cluster. Safe to use from several threads.

    Every method may raise Unreachable, Untrusted, Busy, LoginRefused, WrongProduct and IndexMissing.
    """

    def __init__(self, access: Access) -> None:
        self.name = access.name
        with self._explained():
            self._client = Elasticsearch(list(access.urls), **_options(access))
        self._once = self._client.options(max_retries=0, retry_on_status=(), retry_on_timeout=False)

    def close(self) -> None:
        """Close the connections; closing twice is fine."""
        self._client.close()

    def health(self) -> Document:
        """`_cluster/health`: `status`, `number_of_nodes` …"""
        with self._explained():
            return dict(self._client.cluster.health())

    def milliseconds(self) -> int:
        """The server's clock, since 1970."""
        with self._explained():
            answer = self._client.nodes.stats(metric="os", filter_path="nodes.*.timestamp")
        return max(int(node["timestamp"]) for node in answer["nodes"].values())

    def get(self, index: str, ids: Iterable[str], fields: Sequence[str] = ()) -> dict[str, Found]:
        """Documents as they are now, by id, of one index or alias of one; those that do not exist are left out.

        `fields`: what of their source is wanted, when not all is.
        """
        found: dict[str, Found] = {}
        wanted = list(dict.fromkeys(ids))
        for start in range(0, len(wanted), PAGE):
            with self._explained():
                source, apart = _wanted(fields)
                answer = self._client.mget(
                    index=index, ids=wanted[start : start + PAGE], source=source, stored_fields=apart
                )
            for hit in answer["docs"]:
                if "error" in hit:
                    raise self._error_of_item(hit["_id"], hit["error"])
                if hit["found"]:
                    found[hit["_id"]] = _found(hit)
        return found

    def search(
        self,
        index: str,
        query: Document,
        sort: Sequence[Document],
        size: int,
        after: Sequence[Key] = (),
        fields: Sequence[str] = (),
    ) -> list[Found]:
        """The first hits behind the sort values `after`."""
        request: Document = {"query": query, "sort": list(sort), "size": size, "seq_no_primary_term": True}
        return [_found(hit) for hit in self._hits({"index": index}, request, after, fields)]

    def versions(self, index: str, query: Document, id_field: str, size: int, after: Sequence[Key] = ()) -> list[Found]:
        """Which documents match and of what version they are, in the order of the field that holds their ids.

        Their sources stay where they are: that costs the server a quarter of what reading them does.
        """
        request: Document = {
            "query": query,
            "sort": [{id_field: "asc"}],
            "size": size,
            "seq_no_primary_term": True,
            "track_total_hits": False,
            "stored_fields": "_none_",
            "_source": False,
        }
        if after:
            request["search_after"] = list(after)
        with self._explained():
            answer = self._client.search(index=index, body=request, allow_partial_search_results=False)
        self._require_whole(answer["_shards"])
        hits = answer["hits"]["hits"]
        return [Found(hit["sort"][0], {}, hit["_index"], hit["_seq_no"], hit["_primary_term"]) for hit in hits]

    def everything(self, index: str, query: Document, fields: Sequence[str] = ()) -> Iterator[Found]:
        """Every hit as it was when the first one was asked for, in the order that is quickest."""
        with self._explained():
            opened = self._client.open_point_in_time(index=index, keep_alive=f"{_READABLE_SECONDS}s")["id"]
        try:
            after: Sequence[Key] = ()
            while True:
                point = {"id": opened, "keep_alive": f"{_READABLE_SECONDS}s"}
                request = {"query": query, "sort": [{"_shard_doc": "asc"}], "size": PAGE, "pit": point}
                hits = self._hits({}, request, after, fields)
                yield from map(_found, hits)
                if len(hits) < PAGE:
                    return
                after = hits[-1]["sort"]
        finally:
            with self._explained():
                self._client.options(ignore_status=404).close_point_in_time(id=opened)

    def count(self, index: str, query: Document | None = None) -> int:
        """How many documents a search would find."""
        with self._explained():
            answer = self._client.count(index=index, query=query)
        self._require_whole(answer["_shards"])
        return int(answer["count"])

    def groups(self, index: str, query: Document, fields: Sequence[str]) -> dict[tuple[Key, ...], int]:
        """How many hits have these values of the fields."""
        sources = [{field: {"terms": {"field": field}}} for field in fields]
        composite: Document = {"size": PAGE, "sources": sources}
        counted: dict[tuple[Key, ...], int] = {}
        while True:
            with self._explained():
                answer = self._client.search(
                    index=index,
                    body={
                        "size": 0,
                        "query": query,
                        "aggs": {"groups": {"composite": composite}},
                        "track_total_hits": False,
                    },
                    allow_partial_search_results=False,
                )
            groups = answer["aggregations"]["groups"]
            counted |= {tuple(each["key"][name] for name in fields): each["doc_count"] for each in groups["buckets"]}
            if "after_key" not in groups:
                return counted
            composite["after"] = groups["after_key"]

    def bulk(self, actions: Sequence[Action]) -> list[Result]:
        """Do them in one request, sent once; what became of each, in their order.

        Nothing is raised for single actions. Raises Unreachable (some may have been done), Busy or TooLarge (none was).
        """
        if not actions:
            return []
        lines: Any = b"".join(action.lines() for action in actions)  # bytes pass, the types do not say so
        with self._explained():
            answer = self._once.bulk(operations=lines, require_alias=True, filter_path=_BULK_ANSWER)
        return [_result(*item.items()) for item in answer["items"]]

    def refresh(self, index: str) -> None:
        """Let searches find what was written."""
        with self._explained():
            self._client.indices.refresh(index=index)

    def create_index(self, name: str, aliases: Mapping[str, Document], body: Document) -> bool:
        """Create it behind its aliases; False when somebody else was first."""
        with self._explained():
            answer = self._once.options(ignore_status=400).indices.create(index=name, aliases=aliases, **body)
            error = answer.get("error")
            if error and error["type"] != "resource_already_exists_exception":
                raise Refused(self.name, name, _reason(error))
        return not error

    def roll_over(self, alias: str, name: str, body: Document) -> None:
        """Create an index and write to it through the alias from then on; it is fine when somebody else was first."""
        with self._explained():
            answer = self._once.options(ignore_status=400).indices.rollover(alias=alias, new_index=name, **body)
            error = answer.get("error")
            if error and error["type"] != "resource_already_exists_exception":
                raise Refused(self.name, name, _reason(error))

    def delete_index(self, name: str) -> None:
        """Delete an index by its own name, with all that is in it; it is fine when it is not there."""
        with self._explained():
            self._once.options(ignore_status=404).indices.delete(index=name, expand_wildcards="none")

    def indices(self, pattern: str) -> dict[str, Document]:
        """`aliases`, `mappings` and `settings` of every index whose name fits, by name."""
        with self._explained():
            return dict(self._client.indices.get(index=pattern, allow_no_indices=True))

    def sizes(self, pattern: str) -> dict[str, Document]:
        """Of every index whose name fits: `health`, `docs.count` and `store.size` (bytes), as texts."""
        with self._explained():
            rows: Any = self._client.cat.indices(index=pattern, format="json", bytes="b")
        return {row["index"]: row for row in rows}

    def change_aliases(self, changes: Sequence[Document]) -> None:
        """All of them at once."""
        with self._explained():
            self._once.indices.update_aliases(actions=changes)

    def block_writes(self, index: str) -> None:
        """Take no more writes; those on their way are done when it returns."""
        with self._explained():
            self._once.indices.add_block(index=index, block="write")

    def unblock_writes(self, index: str) -> None:
        """Take writes again."""
        with self._explained():
            self._once.indices.put_settings(index=index, settings={"index.blocks.write": None})

    def _hits(self, where: Document, request: Document, after: Sequence[Key], fields: Sequence[str]) -> list[Document]:
        source, apart = _wanted(fields)
        body = request | {"track_total_hits": False, "_source": source, "stored_fields": apart}
        if after:
            body["search_after"] = list(after)
        with self._explained():
            answer = self._client.search(**where, body=body, allow_partial_search_results=False)
        self._require_whole(answer["_shards"])
        return list(answer["hits"]["hits"])

    def _require_whole(self, shards: Document) -> None:
        if shards["failed"]:
            raise IncompleteAnswer(self.name)

    def _error_of_item(self, what: str, error: Document) -> JindunError:
        if error["type"] in ("index_not_found_exception", "illegal_argument_exception"):
            return IndexMissing(self.name)
        return Refused(self.name, what, _reason(error))

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn the client's errors that a user can mend into ours."""
        try:
            yield
        except (ApiError, TransportError) as error:
            explanation = _explanation(self.name, error)
            if explanation is None:
                raise
            raise explanation from error


def _options(access: Access) -> Document:
    options: Document = {
        "request_timeout": access.patience_seconds,
        "max_retries": _RETRIES,
        "retry_on_status": _NOT_READY,
        "serializer": _Json(),
    }
    if access.api_key:
        options["api_key"] = access.api_key
    elif access.user:
        options["basic_auth"] = (access.user, access.password)
    if not access.encrypted:
        return options
    if access.insecure:
        return options | {"verify_certs": False, "ssl_show_warn": False}
    if access.fingerprint:
        return options | {"ssl_assert_fingerprint": access.fingerprint}
    return options | {"ssl_context": access.trust()}


def _wanted(fields: Sequence[str]) -> tuple[bool | list[str], list[str]]:
    """What of the source is wanted, and what beside it; all of both when nothing is named."""
    source = [field for field in fields if field not in APART]
    return source or not fields, [field for field in fields or sorted(APART) if field in APART]


def _found(hit: Document) -> Found:
    source: Document = hit.get("_source", {})
    for path, (value,) in hit.get("fields", {}).items():
        source.setdefault(OURS, {})[path.removeprefix(f"{OURS}.")] = value
    return Found(hit["_id"], source, hit["_index"], hit.get("_seq_no", -1), hit.get("_primary_term", -1))


def _result(item: tuple[str, Document]) -> Result:
    operation, told = item
    code, error = told["status"], told.get("error")
    if error is None:
        status = Status.MISSING if code == 404 and operation == "delete" else Status.OK
        return Result(status, "", told["_index"], told.get("_seq_no", -1), told.get("_primary_term", -1))
    return Result(_status(code, error["type"]), _reason(error))


def _status(code: int, kind: str) -> Status:
    # A full disk blocks an index with the code of a busy server.
    if kind == "cluster_block_exception" or code in (401, 403):
        return Status.BLOCKED
    if code == 409:
        return Status.CONFLICT
    if code == 404:
        return Status.MISSING
    return Status.BUSY if code == 429 or code >= 500 else Status.REFUSED


def _reason(error: Document) -> str:
    """Of the server's words the outermost and the innermost: the latter names the value that does not fit."""
    told = f"{error.get('type')}: {error.get('reason')}"
    inner = error
    while isinstance(inner.get("caused_by"), dict):
        inner = inner["caused_by"]
    return told if inner is error else f"{told}; {inner.get('reason')}"


def _explanation(where: str, error: Exception) -> JindunError | None:
    """The sentence for an error that is not a bug of ours."""
    match error:
        case UnsupportedProductError() | SerializationError():
            return WrongProduct(where)
        case SSLError():
            return Untrusted(where, str(error.message))
        case ConnectionTimeout() | ConnectionError():
            return Unreachable(where, str(error.message))
        case ApiError():
            return _explanation_of_answer(where, error)
    return None


def _explanation_of_answer(where: str, error: ApiError) -> JindunError | None:
    cause = error.body.get("error") if isinstance(error.body, dict) else None
    if not isinstance(cause, dict):
        cause = {"type": str(error.message), "reason": ""}
    if cause.get("type") == "cluster_block_exception":
        return Blocked(where, str(cause.get("reason")))
    match error.status_code:
        case 401 | 403:
            return LoginRefused(where, str(cause.get("type")))
        case 404 if cause.get("type") == "index_not_found_exception":
            return IndexMissing(where)
        case 413:
            return TooLarge(where)
        case 429 | 502 | 503 | 504:
            return Busy(where, str(cause.get("type")))
    # An answer that Elasticsearch did not write: something stands in front of it, or in its place.
    if error.meta.headers.get("x-elastic-product") != "Elasticsearch":
        return WrongProduct(where)
    return None
