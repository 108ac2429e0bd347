"""Elasticsearch by its own snapshots.

A vault is a directory here that every node reaches under the same path and allows in `path.repo`; each source has a
repository of snapshots in it. Clusters name snapshots in small letters, so each carries the name of its copy with it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from backup.comparison import steady
from backup.elasticsearch import (
    LONG_SECONDS,
    Answer,
    Cluster,
    ElasticsearchOptions,
    cluster_of,
    everything_but_restored,
    hold,
    indices_of,
    prefix_of,
)
from backup.engine import Copied, CopyBroken, Engine, Keys, refuse_moment
from backup.manifest import Kind, Manifest
from backup.programs import probe
from secops.model.city import Asset, AssetKind, Product, Vault
from secops.model.restore_point import RestorePoint
from secops.model.step import Command, Procedure, ProcedureFailed, Step, require, under
from secops.model.text import Text
from secops.support.clock import to_text

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_WHOLE = "SUCCESS"
_THERE_ALREADY = "snapshot with the same name already exists"
_SAMPLE_STATUS = {"snapshots": [{"stats": {"incremental": {"size_in_bytes": 0}, "time_in_millis": 0}}]}
_THERE = {"snapshots": [{"state": _WHOLE}]}
_NO_SHARDS = {"snapshot": {"shards": {"total": 0, "failed": 0}}}
_WRITE = """\
set -eu
umask 022
mkdir -p -- "$0"
cd -- "$0"
while read -r path content; do
    mkdir -p -- "${path%/*}"
    printf '%s\\n' "$content" >"$path"
done
"""


class Elasticsearch(Engine):
    """Copies the indices of a cluster as snapshots; they are not encrypted, so their directory must be.

    A restore into a directory makes indices whose names begin with `restored-` and a hash of the directory's path, and
    lists in the directory what they hold: for each index the number of its documents and the hashes of a sample of
    them. The manifest of a copy is such a list too; what changed while the copy was made is not held against it. The
    indices go with `discard`, and nothing else of the cluster is touched: no settings, no aliases, no features' state.
    """

    name = "elasticsearch"
    describes = Text("用快照备份 Elasticsearch", "copies Elasticsearch by snapshots")
    kinds = frozenset({AssetKind.DATABASE})
    lists = True
    products = frozenset({Product.ELASTICSEARCH})
    needs = ("curl", "sh", "find", "mkdir")
    chosen = True
    encrypts = False
    options = ElasticsearchOptions

    def prepare(self, source: Asset, vault: Vault, keys: Keys) -> Procedure[None]:
        yield from probe(source.host, "curl", "--version", package="curl", least=(7, 76))
        yield from _open(_shelf(source, vault))

    def backup(self, source: Asset, vault: Vault, keys: Keys, archive: str, taken: datetime) -> Procedure[Copied]:
        shelf = _shelf(source, vault)
        snapshot = _named(archive)
        yield from self.prepare(source, vault, keys)
        if archive in (yield from _copies(shelf, "look for the copy")):
            contents = yield from _contents(shelf, archive)
            return replace((yield from _measure(shelf, archive, taken)), manifest=contents)
        before = yield from _listing(shelf, "list before")
        patterns = everything_but_restored(shelf.options.indices)
        made = yield from shelf.cluster.ask(
            "take the snapshot",
            "PUT",
            f"{shelf.path}/{snapshot}?wait_for_completion=true",
            {
                "indices": ",".join(patterns),
                "include_global_state": False,
                "metadata": {"archive": archive, "taken": to_text(taken)},
            },
            changes=True,
            assume={"snapshot": {"state": _WHOLE}},
            bad=(400,),
            timeout_seconds=LONG_SECONDS,
        )
        yield from _require_whole(shelf, archive, made)
        after = yield from _listing(shelf, "list after")
        copied = yield from _measure(shelf, archive, taken)
        return replace(copied, manifest=steady(before, after))

    def points(self, source: Asset, vault: Vault, keys: Keys) -> Procedure[tuple[str, ...]]:
        shelf = _shelf(source, vault)
        yield from _open(shelf)
        return (yield from _copies(shelf, "list the copies"))

    def check_repository(self, source: Asset, vault: Vault, keys: Keys) -> Procedure[None]:
        """All nodes reach the repository, and its own lists are whole."""
        yield from under("check", _check(_shelf(source, vault)))

    def read_sample(self, source: Asset, vault: Vault, keys: Keys, archive: str, percent: int) -> Procedure[None]:
        """Its lists alone: a part of a snapshot cannot be read."""
        shelf = _shelf(source, vault)
        yield from under("sample", _open(shelf))
        yield from under("sample", _require_there(shelf, archive))
        yield from under("sample", _status(shelf, archive))

    def read_check(self, source: Asset, vault: Vault, keys: Keys, archive: str) -> Procedure[None]:
        """Restores it under other names, which reads all of it and compares every checksum, and drops that again."""
        shelf = _shelf(source, vault)
        yield from under("read", _open(shelf))
        yield from under("read", _require_there(shelf, archive))
        yield from under("read", _contents(shelf, archive))

    def restore(
        self,
        source: Asset,
        point: RestorePoint,
        vault: Vault,
        keys: Keys,
        host: str,
        into: str,
        until: datetime | None = None,
    ) -> Procedure[None]:
        refuse_moment(self, until)
        held = yield Step(
            "look that the directory is empty",
            Command(host, ("find", into, "-mindepth", "1", "-print", "-quit"), good_exit_codes=(0, 1)),
        )
        require(held, f"无法查看 {into}", f"cannot look into {into}")
        if found := held.output.strip():
            raise ProcedureFailed(f"恢复目录 {into} 不为空,有 {found}", f"the directory {into} is not empty: {found}")
        shelf = _shelf(source, vault, host, restores=True)
        yield from _open(shelf)
        yield from _require_there(shelf, point.archive)
        prefix = prefix_of(into)
        yield from _drop(shelf.cluster, prefix, "drop what an earlier try left")
        yield from _bring_back(shelf, point.archive, prefix)
        back = yield from hold(shelf.cluster, "look at what was restored", [f"{prefix}*"], prefix)
        written = "".join(f"{entry.path} {line}\n" for entry, line in back.items() if entry.kind is Kind.FILE)
        wrote = yield Step(
            "write down what was restored", Command(host, ("sh", "-c", _WRITE, into), stdin=written), changes=True
        )
        require(wrote, f"无法写入 {into}", f"cannot write into {into}")

    def discard(self, source: Asset, host: str, into: str) -> Procedure[None]:
        cluster = cluster_of(source, host, restores=True)
        yield from _drop(cluster, prefix_of(into), "drop what was restored")

    def expire(self, source: Asset, vault: Vault, keys: Keys, host: str, archives: Sequence[str]) -> Procedure[None]:
        """Asked of the cluster: only it knows what other snapshots share. The vault's own side cannot."""
        shelf = _shelf(source, vault)
        yield from _open(shelf)
        there = yield from _copies(shelf, "list the copies")
        for archive in archives:
            if archive in there:
                yield from shelf.cluster.ask(
                    f"take out {archive}",
                    "DELETE",
                    f"{shelf.path}/{_named(archive)}",
                    changes=True,
                    assume={},
                    bad=(404,),
                    timeout_seconds=LONG_SECONDS,
                )


elasticsearch = Elasticsearch()


@dataclass(frozen=True, slots=True)
class _Shelf:
    """One source's repository in one vault, as one cluster knows it."""

    cluster: Cluster
    repository: str
    location: str
    readonly: bool

    @property
    def options(self) -> ElasticsearchOptions:
        return self.cluster.options

    @property
    def path(self) -> str:
        return f"/_snapshot/{self.repository}"


def _shelf(source: Asset, vault: Vault, host: str = "", restores: bool = False) -> _Shelf:
    if not vault.location.startswith("/"):
        raise ProcedureFailed(
            f"Elasticsearch 的备份库须是各节点都能访问的目录,而 {vault.id} 是 {vault.location}",
            f"a vault of Elasticsearch is a directory that all nodes reach, and {vault.id} is {vault.location}",
        )
    if not _SAFE_NAME.fullmatch(source.id):
        raise ProcedureFailed(f"资产标识 {source.id!r} 不能作为目录名", f"{source.id!r} cannot name a directory")
    cluster = cluster_of(source, host or source.host, restores=restores)
    elsewhere = restores and bool(cluster.options.restores_to)
    return _Shelf(cluster, f"{vault.id}-{source.id}", f"{vault.location.rstrip('/')}/{source.id}", elsewhere)


def _named(archive: str) -> str:
    """The snapshot of that copy."""
    if not _SAFE_NAME.fullmatch(archive):
        raise ProcedureFailed(f"备份名 {archive!r} 不可用", f"{archive!r} cannot be the name of a copy")
    return archive.lower()


def _open(shelf: _Shelf) -> Procedure[None]:
    """Let the cluster know the repository: nothing when it does. Another cluster's is only read."""
    known = yield from shelf.cluster.ask("ask for the repository", "GET", shelf.path, bad=(404,))
    settings = {"location": shelf.location} | ({"readonly": True} if shelf.readonly else {})
    if known.status == 200 and known.body[shelf.repository]["settings"].get("location") == shelf.location:
        return
    yield from shelf.cluster.ask(
        "make the repository", "PUT", shelf.path, {"type": "fs", "settings": settings}, changes=True, assume={}
    )


def _check(shelf: _Shelf) -> Procedure[None]:
    yield from _open(shelf)
    yield from shelf.cluster.ask(
        "let the nodes verify the repository", "POST", f"{shelf.path}/_verify", changes=True, assume={}
    )
    for archive in (yield from _copies(shelf, "list the copies")):
        yield from _status(shelf, archive)


def _snapshots(shelf: _Shelf, label: str) -> Procedure[list[Mapping[str, Any]]]:
    listed = yield from shelf.cluster.ask(label, "GET", f"{shelf.path}/_all", assume={"snapshots": []}, bad=(404, 500))
    if listed.status == 500:
        raise CopyBroken(f"快照仓库读不出:{listed.reason}", f"the repository cannot be read: {listed.reason}")
    found: list[Mapping[str, Any]] = listed.body.get("snapshots", [])
    return found


def _copies(shelf: _Shelf, label: str) -> Procedure[tuple[str, ...]]:
    """The names of whole copies, oldest first; snapshots of others are none of ours."""
    snapshots = yield from _snapshots(shelf, label)
    ours = [
        (str(each["metadata"]["taken"]), str(each["metadata"]["archive"]))
        for each in snapshots
        if each["state"] == _WHOLE and {"taken", "archive"} <= set(each.get("metadata") or {})
    ]
    return tuple(archive for _, archive in sorted(ours))


def _require_there(shelf: _Shelf, archive: str) -> Procedure[None]:
    there = yield from shelf.cluster.ask(
        "look for the copy", "GET", f"{shelf.path}/{_named(archive)}", assume=_THERE, bad=(404, 500)
    )
    if there.status == 404:
        raise CopyBroken(f"备份 {archive} 不存在", f"the copy {archive} does not exist")
    if there.status != 200 or there.body["snapshots"][0]["state"] != _WHOLE:
        raise CopyBroken(f"备份 {archive} 不完整", f"the copy {archive} is not whole")


def _require_whole(shelf: _Shelf, archive: str, made: Answer) -> Procedure[None]:
    """A snapshot that lacks shards is taken away again, so that the next try can have its name."""
    if made.status == 200 and made.body["snapshot"]["state"] == _WHOLE:
        return
    there_already = made.status != 200 and _THERE_ALREADY in made.reason
    # The try that was cut off may have been done.
    if there_already and archive in (yield from _copies(shelf, "look whether it is whole")):
        return
    if made.status == 200 or there_already:
        yield from shelf.cluster.ask(
            "take the incomplete snapshot away",
            "DELETE",
            f"{shelf.path}/{_named(archive)}",
            changes=True,
            assume={},
            bad=(404,),
            timeout_seconds=LONG_SECONDS,
        )
    why = made.reason if made.status != 200 else str(made.body["snapshot"].get("failures", ""))[:300]
    raise ProcedureFailed(f"快照不完整:{why}", f"the snapshot is not whole: {why}")


def _status(shelf: _Shelf, archive: str) -> Procedure[Mapping[str, Any]]:
    """What the repository says of the copy's files; CopyBroken when its lists are not whole."""
    told = yield from shelf.cluster.ask(
        f"read the lists of {archive}",
        "GET",
        f"{shelf.path}/{_named(archive)}/_status",
        assume=_SAMPLE_STATUS,
        bad=(404, 500),
    )
    if told.status != 200:
        raise CopyBroken(
            f"备份 {archive} 已损坏:{told.reason}", f"the copy {archive}, the copy is damaged: {told.reason}"
        )
    stats: Mapping[str, Any] = told.body["snapshots"][0]["stats"]
    return stats


def _measure(shelf: _Shelf, archive: str, taken: datetime) -> Procedure[Copied]:
    stats = yield from _status(shelf, archive)
    return Copied(archive, taken, int(stats["incremental"]["size_in_bytes"]), stats["time_in_millis"] / 1000)


def _listing(shelf: _Shelf, label: str) -> Procedure[Manifest]:
    return Manifest.of((yield from hold(shelf.cluster, label, everything_but_restored(shelf.options.indices))))


def _contents(shelf: _Shelf, archive: str) -> Procedure[Manifest]:
    """What the copy holds, by restoring it for the look; ProcedureFailed leaves nothing behind either."""
    prefix = prefix_of(f"{shelf.repository}/{archive}")
    yield from _drop(shelf.cluster, prefix, "drop what an earlier look left")
    try:
        yield from _bring_back(shelf, archive, prefix)
        held = yield from hold(shelf.cluster, "look at what came back", [f"{prefix}*"], prefix)
    except ProcedureFailed:
        yield from _drop(shelf.cluster, prefix, "drop what came back of a damaged copy")
        raise
    yield from _drop(shelf.cluster, prefix, "drop what came back")
    return Manifest.of(held)


def _bring_back(shelf: _Shelf, archive: str, prefix: str) -> Procedure[None]:
    back = yield from shelf.cluster.ask(
        "restore the snapshot under other names",
        "POST",
        f"{shelf.path}/{_named(archive)}/_restore?wait_for_completion=true",
        {
            "include_global_state": False,
            "include_aliases": False,
            "rename_pattern": "(.+)",
            "rename_replacement": f"{prefix}$1",
            "index_settings": {"index.number_of_replicas": 0},
            "ignore_index_settings": ["index.lifecycle.name", "index.blocks.*"],
        },
        changes=True,
        assume=_NO_SHARDS,
        bad=(404, 500),
        timeout_seconds=LONG_SECONDS,
    )
    failed = back.body["snapshot"]["shards"]["failed"] if back.status == 200 else 0
    if back.status != 200 or failed:
        why = back.reason if back.status != 200 else f"{failed} shards"
        raise CopyBroken(f"备份 {archive} 已损坏:{why}", f"{archive} cannot be restored, the copy is damaged: {why}")


def _drop(cluster: Cluster, prefix: str, label: str) -> Procedure[None]:
    """By full names: clusters refuse to drop by pattern."""
    indices = yield from indices_of(cluster, label, [f"{prefix}*"])
    for number, index in enumerate(indices, 1):
        yield from cluster.ask(f"{label}, index {number}", "DELETE", f"/{index}", changes=True, assume={}, bad=(404,))
