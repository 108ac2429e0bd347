"""What the engine and the trial of Elasticsearch share: how a cluster is asked, and what its indices hold.

Asked over HTTP with curl on a host, every line of the request on curl's standard input, so that no login is in argv.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from backup.engine import EngineOptions, options_of
from backup.manifest import Entry, Kind
from backup.programs import refuse_missing
from secops.model.city import Asset
from secops.model.step import Command, Procedure, ProcedureFailed, Result, Step, require

SAMPLED = 8
"""About how many documents of each index are compared; up to twice as many."""
SHORT_SECONDS = 120.0
LONG_SECONDS = 24 * 3600.0
_TOGETHER = 10
"""Indices that are sampled by one request: an answer is 4 MiB at most."""
_MOST_INDICES = 10_000
_RESTORED = "restored-"
_DENIED = (401, 403)
_CURL = ("curl", "-q", "--silent", "--show-error", "--fail-with-body", "--connect-timeout", "10")
_REFUSED = 22
"""How curl ends for a status of 400 or more."""


class ElasticsearchOptions(EngineOptions):
    """How the cluster is reached and what of it is copied."""

    url: str = ""
    """Like `https://10.0.0.5:9200`; the asset's address by TLS-less HTTP on 9200 when not given."""
    account: str = ""
    password: str = ""
    """Secret reference; it holds no quotes and no backslashes."""
    api_key: str = ""
    """Secret reference, encoded as Elasticsearch gives it; in place of an account."""
    authority: str = ""
    """Path of the certificate to trust, on the host that asks."""
    indices: tuple[str, ...] = ("*", "-.*")
    """Patterns; what was restored is never copied."""
    restores_to: str = ""
    """Address of the cluster that copies are restored into; the one they come from when not given."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the cluster said."""

    status: int
    body: Any
    seconds: float = 0.0

    @property
    def reason(self) -> str:
        """With the first cause, which tells most."""
        error = self.body.get("error", self.body) if isinstance(self.body, dict) else self.body
        if not isinstance(error, dict):
            return str(error)[:300]
        cause = error
        while isinstance(cause.get("caused_by"), dict):
            cause = cause["caused_by"]
        said = [str(each["reason"]) for each in (error, cause) if each.get("reason")]
        return "; ".join(dict.fromkeys(said))[:600] or str(error)[:300]


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster as one host reaches it."""

    host: str
    url: str
    options: ElasticsearchOptions

    def ask(
        self,
        name: str,
        method: str,
        path: str,
        body: Any = None,
        *,
        changes: bool = False,
        assume: Any = None,
        bad: Sequence[int] = (),
        timeout_seconds: float = SHORT_SECONDS,
    ) -> Procedure[Answer]:
        """The answer; ProcedureFailed for any status that is no success and not in `bad`. A list as the body is sent
        line by line. A rehearsal goes on with `assume`."""
        asked = yield Step(
            name,
            Command(
                self.host,
                (*_CURL, "--write-out", "\\n%{http_code}", "--config", "-"),
                stdin=self._request(method, path, body),
            ),
            changes=changes,
            conclusive="returned error: 4",
            assume="" if assume is None else f"{json.dumps(assume)}\n200",
            timeout_seconds=timeout_seconds,
        )
        refuse_missing(asked, self.host, "curl", "curl")
        if asked.exit_code != _REFUSED:
            require(asked, f"Elasticsearch {self.url} 没有应答", f"Elasticsearch {self.url} does not answer")
        answer = _answer(asked, self.url)
        if answer.status >= 300 and answer.status not in bad:
            what_zh, what_en = ("拒绝登录", "refuses the login") if answer.status in _DENIED else ("拒绝", "refuses")
            raise ProcedureFailed(
                f"Elasticsearch {self.url} {what_zh}:{answer.reason}",
                f"Elasticsearch {self.url} {what_en}: {answer.reason}",
            )
        return answer

    def _request(self, method: str, path: str, body: Any) -> str:
        """What curl reads as its configuration: inside quotes it knows the escapes of JSON."""
        lines = {"url": f"{self.url}{path}", "request": method}
        if self.options.authority:
            lines["cacert"] = self.options.authority
        if self.options.account:
            lines["user"] = f"{self.options.account}:{self.options.password}"
        headers = [f"Authorization: ApiKey {self.options.api_key}"] if self.options.api_key else []
        if body is not None:
            kind = "x-ndjson" if isinstance(body, list) else "json"
            headers.append(f"Content-Type: application/{kind}")
            lines["data-binary"] = "".join(f"{json.dumps(line)}\n" for line in (body if kind != "json" else [body]))
        written = [*lines.items(), *(("header", header) for header in headers)]
        return "".join(f"{name} = {_quoted(value)}\n" for name, value in written)


def cluster_of(source: Asset, host: str, *, restores: bool = False) -> Cluster:
    """The asset's cluster, or the one that its copies are restored into."""
    return cluster_at(source, host, options_of(ElasticsearchOptions, source), restores=restores)


def cluster_at(source: Asset, host: str, options: ElasticsearchOptions, *, restores: bool = False) -> Cluster:
    """The same by options of another's."""
    own = options.url or f"http://{source.address or '127.0.0.1'}:9200"
    return Cluster(host, ((restores and options.restores_to) or own).rstrip("/"), options)


def prefix_of(folder: str) -> str:
    """What the names of indices begin with that are restored for that folder."""
    return f"{_RESTORED}{hashlib.sha256(folder.encode()).hexdigest()[:12]}-"


def indices_of(cluster: Cluster, name: str, patterns: Sequence[str]) -> Procedure[list[str]]:
    """The open indices that the patterns name."""
    path = f"/_cat/indices/{_in_path(patterns)}?format=json&h=index&expand_wildcards=open"
    answer = yield from cluster.ask(name, "GET", path, assume=[], bad=(404,))
    return sorted(str(row["index"]) for row in answer.body) if answer.status == 200 else []


def everything_but_restored(patterns: Sequence[str]) -> tuple[str, ...]:
    """The patterns without what earlier restores made."""
    return (*patterns, f"-{_RESTORED}*")


def hold(cluster: Cluster, label: str, patterns: Sequence[str], prefix: str = "") -> Procedure[dict[Entry, str]]:
    """What the indices hold, as a tree: for each a folder with the number of its documents, and of a sample of them the
    hash of each, in a file named after the hash of its id. `prefix` is left off the names of the indices.

    The sample is every n-th document by its sequence number, which a snapshot keeps; n is a power of two, so that the
    sample of an index that grows stays the same. With each entry comes the line that its file holds.
    """
    indices = yield from indices_of(cluster, f"{label}: list the indices", patterns)
    named = f"/{_in_path(patterns)}"
    yield from cluster.ask(f"{label}: refresh", "POST", f"{named}/_refresh?{_OPEN}", changes=True, assume={})
    counted = yield from cluster.ask(f"{label}: count", "POST", f"{named}/_search?{_OPEN}", _COUNT, assume=_NO_COUNT)
    buckets = counted.body.get("aggregations", _NO_COUNT["aggregations"])["indices"]["buckets"]
    seen = {str(each["key"]): each for each in buckets}
    held: dict[Entry, str] = {}
    for index in indices:
        folder = index.removeprefix(prefix)
        held[Entry(folder, Kind.DIRECTORY, 0o755)] = ""
        held |= _file(f"{folder}/count", str(seen[index]["doc_count"] if index in seen else 0))
    full = [index for index in indices if index in seen]
    for start in range(0, len(full), _TOGETHER):
        some = full[start : start + _TOGETHER]
        lines = [line for index in some for line in _sample_of(index, int(seen[index]["last"]["value"] or 0))]
        part = f"{label}: sample part {start // _TOGETHER + 1}"
        sampled = yield from cluster.ask(part, "POST", "/_msearch", lines, assume=_NO_SAMPLE)
        for index, told in zip(some, sampled.body["responses"], strict=False):
            for hit in _hits(told, index):
                held |= _document(index.removeprefix(prefix), hit)
    return held


_OPEN = "expand_wildcards=open&ignore_unavailable=true"
_COUNT = {
    "size": 0,
    "aggs": {
        "indices": {
            "terms": {"field": "_index", "size": _MOST_INDICES},
            "aggs": {"last": {"max": {"field": "_seq_no"}}},
        }
    },
}
_NO_COUNT: dict[str, Any] = {"aggregations": {"indices": {"buckets": []}}}
_NO_SAMPLE: dict[str, Any] = {"responses": []}


def _sample_of(index: str, last: int) -> list[dict[str, Any]]:
    step = 1
    while last // step >= 2 * SAMPLED:
        step *= 2
    return [{"index": index}, {"size": 100, "query": {"terms": {"_seq_no": list(range(0, last + 1, step))}}}]


def _hits(told: dict[str, Any], index: str) -> list[dict[str, Any]]:
    if "hits" not in told:
        reason = Answer(int(told.get("status", 0)), told).reason
        raise ProcedureFailed(f"索引 {index} 无法抽样:{reason}", f"index {index} cannot be sampled: {reason}")
    found: list[dict[str, Any]] = told["hits"]["hits"]
    return found


def _document(folder: str, hit: dict[str, Any]) -> dict[Entry, str]:
    """Named by hashes alone: nothing of a document leaves its cluster."""
    name = hashlib.sha256(str(hit["_id"]).encode()).hexdigest()[:32]
    source = json.dumps(hit.get("_source"), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return _file(f"{folder}/{name}", hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest())


def _file(path: str, line: str) -> dict[Entry, str]:
    content = f"{line}\n".encode()
    return {Entry(path, Kind.FILE, 0o644, len(content), hashlib.sha256(content).hexdigest()): line}


def _in_path(patterns: Sequence[str]) -> str:
    return quote(",".join(patterns), safe="*,-.")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _answer(asked: Result, url: str) -> Answer:
    body, _, status = asked.output.rpartition("\n")
    try:
        return Answer(int(status), json.loads(body) if body.strip() else {}, asked.seconds)
    except ValueError:
        raise ProcedureFailed(
            f"{url} 的回答不是 Elasticsearch 的,或超过 4 MiB",
            f"what {url} answers is not of Elasticsearch, or passes 4 MiB",
        ) from None
