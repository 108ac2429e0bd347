"""A restored Elasticsearch is looked at where its cluster brought it back: in indices of other names.

They are as apart as the cluster is that `restores_to` names; nothing is started, and `Engine.discard` removes them.
"""

import json
from typing import Any

from backup.canaries.elasticsearch import lines_in
from backup.comparison import compare, describe
from backup.elasticsearch import Cluster, cluster_of, hold, indices_of, prefix_of
from backup.listing import take_manifest
from backup.manifest import Manifest
from backup.trial import Looked, Trial, TrialFailed
from secops.model.city import Asset, Product
from secops.model.step import Procedure, ProcedureFailed
from secops.model.text import Text

_WAIT = "wait_for_status=yellow&timeout=60s"


class ElasticsearchTrial(Trial):
    """Counts and sampled documents must be those of the restore. A question is a path that begins with the name of an
    index as it was, like `people/_doc/7`; where the answer holds one value only, that is the answer."""

    name = "elasticsearch"
    describes = Text("检查恢复出的 Elasticsearch 索引", "looks at restored indices of Elasticsearch")
    product = Product.ELASTICSEARCH
    needs = ("curl", "find")

    def start(self, source: Asset, host: str, folder: str) -> Procedure[float]:
        cluster = cluster_of(source, host, restores=True)
        prefix = prefix_of(folder)
        if not (yield from indices_of(cluster, "look for the indices", [f"{prefix}*"])):
            raise TrialFailed(f"没有以 {prefix} 开头的索引", f"there are no indices that begin with {prefix}")
        health = yield from cluster.ask(
            "wait for the indices", "GET", f"/_cluster/health/{prefix}*?{_WAIT}", assume={"status": "green"}, bad=(408,)
        )
        if health.body.get("status") not in ("green", "yellow"):
            raise TrialFailed("恢复出的索引不可用", "the restored indices do not become ready")
        return float(health.seconds)

    def ask(self, source: Asset, host: str, folder: str, name: str, question: str) -> Procedure[str]:
        return _only_value((yield from _asked(source, host, folder, name, question)))

    def ask_canaries(self, source: Asset, host: str, folder: str, question: str) -> Procedure[str]:
        return lines_in((yield from _asked(source, host, folder, "read the canaries", question)))

    def inspect(self, source: Asset, host: str, folder: str) -> Procedure[Looked]:
        wanted = yield from take_manifest(host, folder, "read what was restored", assume=Manifest(()))
        if not wanted.lines:
            raise TrialFailed(f"{folder} 中没有恢复清单", f"{folder} does not say what was restored")
        found = yield from _held(cluster_of(source, host, restores=True), folder)
        if differences := compare(wanted, found):
            because = describe(differences)
            raise TrialFailed(because.zh, because.en)
        counted = sum(entry.path.endswith("/count") for entry in wanted.entries)
        return Looked(
            (Text(f"{counted} 个索引的计数与抽样一致", f"counts and samples of {counted} indices are equal"),)
        )

    def stop(self, source: Asset, host: str, folder: str) -> Procedure[None]:
        yield from ()


trial = ElasticsearchTrial()


def _asked(source: Asset, host: str, folder: str, name: str, question: str) -> Procedure[Any]:
    cluster = cluster_of(source, host, restores=True)
    try:
        answer = yield from cluster.ask(name, "GET", f"/{prefix_of(folder)}{question.lstrip('/')}", assume="-")
    except ProcedureFailed as refused:
        raise TrialFailed(refused.zh, refused.en) from None
    return answer.body


def _held(cluster: Cluster, folder: str) -> Procedure[Manifest]:
    prefix = prefix_of(folder)
    return Manifest.of((yield from hold(cluster, "look at the indices", [f"{prefix}*"], prefix)))


def _only_value(body: Any) -> str:
    inner = body
    while isinstance(inner, dict | list) and len(inner) == 1:
        (inner,) = inner.values() if isinstance(inner, dict) else inner
    return (
        str(inner)
        if isinstance(inner, str | int | float)
        else json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    )
