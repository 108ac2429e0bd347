"""Canaries in etcd: keys below a prefix of their own, in the order of their counters."""

from backup.canary import KEPT, LOOKED_AT, Canary, CanaryWriter, canary_options
from backup.engines.etcd import PACKAGE, EtcdOptions, member_command
from backup.programs import refuse_missing
from secops.model.city import Asset, AssetKind, Product
from secops.model.step import Procedure, Step, require
from secops.model.text import Text

_PREFIX = "jindun/canary/"
_SHORT_SECONDS = 60.0
NEWEST = ("--prefix", "--sort-by=KEY", "--order=DESCEND", f"--limit={LOOKED_AT}", "--print-value-only")
"""How `etcdctl get` gives the newest of what begins with a prefix, one to a line."""


class EtcdCanaryOptions(EtcdOptions):
    """How the cluster is logged in to. The account may read and write all keys that begin with `jindun/canary/`."""


class EtcdCanaries(CanaryWriter):
    """Acknowledged by a majority of the members. Older revisions go when the cluster compacts its history."""

    name = "etcd"
    describes = Text("写入 etcd 的键", "into keys of etcd")
    kind = AssetKind.DATABASE
    product = Product.ETCD
    needs = ("etcdctl",)
    options = EtcdCanaryOptions
    question = _PREFIX

    def write(self, asset: Asset, canary: Canary) -> Procedure[None]:
        # Again puts the same value under the same key.
        yield from _ask(asset, "write the canary", "put", "--", _key(canary.counter), canary.line, changes=True)
        if canary.counter > KEPT:
            old = ("del", "--", _key(0), _key(canary.counter - KEPT + 1))
            yield from _ask(asset, "drop old canaries", *old, changes=True)

    def read(self, asset: Asset) -> Procedure[str]:
        return (yield from _ask(asset, "read the canaries", "get", *NEWEST, "--", _PREFIX))


writer = EtcdCanaries()


def _key(counter: int) -> str:
    """Sorted by the number."""
    return f"{_PREFIX}{counter:018}"


def _ask(asset: Asset, name: str, *words: str, changes: bool = False) -> Procedure[str]:
    told = yield Step(
        name,
        member_command(asset, canary_options(EtcdCanaryOptions, asset), *words),
        changes=changes,
        timeout_seconds=_SHORT_SECONDS,
    )
    refuse_missing(told, asset.host, "etcdctl", PACKAGE)
    return require(told, f"etcd {asset.id} 没有应答", f"etcd {asset.id} does not answer").output
