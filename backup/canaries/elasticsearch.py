"""Canaries in Elasticsearch: documents of an index of their own, named by their counters."""

from typing import Any

from backup.canary import KEPT, LOOKED_AT, Canary, CanaryWriter, canary_options
from backup.elasticsearch import Cluster, ElasticsearchOptions, cluster_at
from secops.model.city import Asset, AssetKind, Product
from secops.model.step import Procedure
from secops.model.text import Text

_INDEX = "jindun-canary"
_MAPPINGS = {"properties": {"counter": {"type": "long"}, "line": {"type": "keyword"}}}
_THERE_ALREADY, _NONE = 400, 404
_NOTHING: dict[str, Any] = {"hits": {"hits": []}}


class ElasticsearchCanaryOptions(ElasticsearchOptions):
    """How the cluster is reached. The account may do all in the index `jindun-canary`, which is made when missing and
    must be among those that are copied."""


class ElasticsearchCanaries(CanaryWriter):
    """Acknowledged is what the log of every copy of the shard has on disk; a snapshot takes it along at once."""

    name = "elasticsearch"
    describes = Text("写入 Elasticsearch 的一个索引", "into an index of Elasticsearch")
    kind = AssetKind.DATABASE
    product = Product.ELASTICSEARCH
    needs = ("curl",)
    options = ElasticsearchCanaryOptions
    question = f"{_INDEX}/_search?size={LOOKED_AT}&sort=counter:desc&filter_path=hits.hits._source.line"

    def write(self, asset: Asset, canary: Canary) -> Procedure[None]:
        cluster = _cluster(asset)
        made = {"settings": {"auto_expand_replicas": "0-1"}, "mappings": _MAPPINGS}
        yield from cluster.ask(
            "make the index", "PUT", f"/{_INDEX}", made, changes=True, assume={}, bad=(_THERE_ALREADY,)
        )
        document = {"counter": canary.counter, "line": canary.line}
        where = f"/{_INDEX}/_doc/{canary.counter}"
        yield from cluster.ask("write the canary", "PUT", where, document, changes=True, assume={})
        if canary.counter > KEPT:
            old = f"/{_INDEX}/_doc/{canary.counter - KEPT}"
            yield from cluster.ask("drop an old canary", "DELETE", old, changes=True, assume={}, bad=(_NONE,))

    def read(self, asset: Asset) -> Procedure[str]:
        cluster = _cluster(asset)
        # What was written within the last second is found by no search before a refresh.
        yield from cluster.ask("refresh the index", "POST", f"/{_INDEX}/_refresh", assume={}, bad=(_NONE,))
        told = yield from cluster.ask("read the canaries", "GET", f"/{self.question}", assume=_NOTHING, bad=(_NONE,))
        return lines_in(told.body)


writer = ElasticsearchCanaries()


def lines_in(body: Any) -> str:
    """The canaries in the answer to a search, one to a line; nothing for any other answer."""
    found = body.get("hits", {}).get("hits", []) if isinstance(body, dict) else []
    return "\n".join(str(hit["_source"]["line"]) for hit in found if "line" in hit.get("_source", {}))


def _cluster(asset: Asset) -> Cluster:
    return cluster_at(asset, asset.host, canary_options(ElasticsearchCanaryOptions, asset))
