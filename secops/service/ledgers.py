"""The ledgers that playbooks consult and enter: restore points with their verdicts, manifests, baselines."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
from pydantic import TypeAdapter

from backup.canary import canaries_in
from backup.canary_ledger import CanaryLedger, Holding
from backup.catalogue import Catalogue, Look
from secops.execution.runner import failure
from secops.model.restore_point import RestorePoint, Verdict
from secops.model.step import Consult, Enter, Result, Trouble
from secops.model.text import Text
from secops.service.failover.cluster_ledger import ClusterLedger
from secops.support.clock import from_text, now, to_text
from secops.support.errors import BadInput, JindunError

_POINTS = TypeAdapter(tuple[RestorePoint, ...])
_POINT = TypeAdapter(RestorePoint)
_VERDICT = TypeAdapter(Verdict)
_LOOK = TypeAdapter(Look)


class Ledgers:
    """Performs `Consult` and `Enter`.

    | ledger | key | document |
    |---|---|---|
    | restore_points | consult: asset; enter: point | consult: list, newest first; enter: `{point, manifest}` |
    | manifests | point | the manifest's text, as a JSON string |
    | restore_point | point | consult: the point with its newest verdict |
    | verdicts | point | enter: a verdict |
    | clock | `now` | consult: the present moment |
    | rules | asset | consult: names of the rules that a restored tree of it would be scanned by now |
    | looks | asset | consult: the newest look into each vault; enter: a look |
    | use | vault | consult: bytes that each unit takes |
    | dated | `asset vault` | consult: what retention looks at, newest first |
    | gone | vault | enter: `{points, moment}` that were taken out |
    | logs | asset | consult: by vault, until when its log is there; enter: `{vault, until}` |
    | canaries | asset | enter: `{moment}`, begins a canary of that moment |
    | canary | `asset moment` | consult: its `{counter, signature}`; null when none was begun |
    | canaries_acknowledged | asset | enter: `{counter}` |
    | canary_holdings | point or replica | enter: `{asset, wanted, exact, lines}`, what it was found to hold |
    | canary_holding | point or replica | consult: what came of that; null when it was not looked at |
    | clusters | cluster | consult: who leads and serves, the epoch, who may take over, why |
    | wishes | cluster | enter: `{id, kind, target, by, typed, reason}`; written once it is done |
    | signatures | a text | consult: the service's signature in hexadecimal; empty without a key |
    """

    def __init__(
        self,
        catalogue: Catalogue,
        sign: Callable[[str], str] = lambda _text: "",
        rules: Callable[[str], Sequence[str]] = lambda _asset: (),
        canaries: Callable[[], CanaryLedger] | None = None,
        clusters: ClusterLedger | None = None,
    ) -> None:
        """`canaries` opens their ledger when it is first needed."""
        self._clusters = clusters
        self._catalogue = catalogue
        self._canaries = canaries or _no_ledger
        self._readers: Mapping[str, Callable[[str], bytes]] = {
            "restore_points": lambda asset: _POINTS.dump_json(tuple(catalogue.points(asset))),
            "restore_point": lambda point: _POINT.dump_json(catalogue.get(point)),
            "clock": lambda _key: orjson.dumps(to_text(now())),
            "rules": lambda asset: orjson.dumps(list(rules(asset))),
            "manifests": lambda point: orjson.dumps(catalogue.manifest(point)),
            "looks": lambda asset: orjson.dumps([look for look in catalogue.looks() if look.asset == asset]),
            "use": lambda vault: orjson.dumps(catalogue.use(vault)),
            "dated": lambda key: orjson.dumps(catalogue.dated(*key.split(" "))),
            "signatures": lambda text: orjson.dumps(sign(text)),
            "clusters": lambda cluster: orjson.dumps(self._known_clusters().state(cluster)),
            "logs": lambda asset: orjson.dumps(
                {vault: to_text(until) for (one, vault), until in catalogue.logs().items() if one == asset}
            ),
            "canary": self._canary,
            "canary_holding": lambda subject: orjson.dumps(self._canaries().holding(subject)),
        }
        self._writers: Mapping[str, Callable[[str, Any], object]] = {
            "restore_points": self._add_point,
            "looks": lambda _asset, look: catalogue.looked(_LOOK.validate_python(look)),
            "gone": lambda _vault, told: catalogue.give_up(told["points"], from_text(told["moment"])),
            "logs": lambda asset, told: catalogue.log_brought(asset, told["vault"], from_text(told["until"])),
            "canaries": lambda asset, told: self._canaries().begin(asset, from_text(told["moment"])),
            "canaries_acknowledged": lambda asset, told: self._canaries().acknowledge(asset, told["counter"], now()),
            "canary_holdings": self._hold_canaries,
            "verdicts": lambda point, verdict: catalogue.judge(point, _VERDICT.validate_python(verdict)),
        }

    def perform(self, effect: Consult | Enter, timeout_seconds: float) -> Result:
        """As Performs.perform; the ledgers are local files, the timeout is theirs. That of clusters is etcd."""
        try:
            if isinstance(effect, Consult):
                return Result(ok=True, output=self._readers[effect.ledger](effect.key).decode())
            document = orjson.loads(effect.document)
            if effect.ledger == "wishes":
                self._known_clusters().ask(effect.key, document, timeout_seconds)
            else:
                self._writers[effect.ledger](effect.key, document)
            return Result(ok=True)
        except KeyError:
            return failure(Trouble.INTERNAL, zh=f"没有台账 {effect.ledger}", en=f"there is no ledger {effect.ledger}")
        except JindunError as error:
            return failure(Trouble.FAILED, zh=error.text.zh, en=error.text.en)

    def _known_clusters(self) -> ClusterLedger:
        if self._clusters is None:
            raise BadInput(Text("此处不知道集群", "clusters are not known here"))
        return self._clusters

    def _canary(self, key: str) -> bytes:
        asset, _, moment = key.partition(" ")
        found = self._canaries().at(asset, from_text(moment))
        return orjson.dumps({"counter": found.counter, "signature": found.signature} if found else None)

    def _hold_canaries(self, subject: str, told: Any) -> None:
        found = canaries_in("\n".join(told["lines"]), told["asset"])
        asked = Holding(subject, told["asset"], now(), from_text(told["wanted"]))
        self._canaries().hold(subject, found, asked, told["exact"])

    def _add_point(self, _point: str, document: Any) -> None:
        self._catalogue.add(_POINT.validate_python(document["point"]), document["manifest"])


def _no_ledger() -> CanaryLedger:
    raise BadInput(Text("此处没有探针台账", "there is no ledger of canaries here"))
