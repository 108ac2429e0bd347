"""The demo's story: what happens in which order, told to a narrator. Everything in it really happens."""

import hashlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from playbooks.approvals import Approval
from playbooks.engine import Progress
from playbooks.records import StepRecord
from playbooks.schema import PlaybookSpec, StepSpec
from secops.demo import city, site
from secops.demo.centres import Centres
from secops.evidence.keys import PUBLIC_KEY_NAME, load_public_key
from secops.evidence.timings import Timings
from secops.evidence.verify import Verification, verify_pack
from secops.execution.journal import Mode, RunState
from secops.inventory.inventory import Inventory
from secops.inventory.words import TIERS
from secops.model.city import Asset
from secops.model.finding import Finding
from secops.model.outcome import Evaluation
from secops.model.restore_point import RestorePoint
from secops.model.step import Fetch
from secops.model.text import Text
from secops.service.assessing import assess_tiers
from secops.service.canary import Canary
from secops.service.copying import copy_and_verify
from secops.service.home import Home
from secops.service.packing import pack_path, timings_of
from secops.service.reacting import Reaction, react, reactions, trigger_of
from secops.service.running import Ended, Watchers, start
from secops.service.scanning import Scanned
from secops.support.errors import Incomplete

OPERATOR = Text("演示操作员", "demo operator")
_TREES = (city.TREE, f"{city.PORT}-content", f"{city.GRID}-content")
_CANARY_PATH = "index.html"


@dataclass(frozen=True, slots=True)
class Proof:
    """Where the evidence lies and what checking it said."""

    pack: Path
    public_key: Path
    verification: Verification
    timings: Timings
    transactions: int
    bad_transactions: int


class Narrator(Protocol):
    """Tells the story to somebody."""

    def chapter(self, title: Text, said: Text) -> None:
        """A new part begins."""
        ...

    def centres(self, centres: Centres) -> None:
        """What stands on loopback."""
        ...

    def city(self, inventory: Inventory) -> None:
        """The city, and why the three systems of the story have their tiers."""
        ...

    def scanning(self, total: int) -> AbstractContextManager["Watch"]:
        """A scan of so many evaluations goes on."""
        ...

    def scanned(self, scanned: Scanned, findings: Sequence[Finding]) -> None:
        """What a scan found and what it could not test."""
        ...

    def playbook(self, title: Text) -> AbstractContextManager["Steps"]:
        """A run goes on."""
        ...

    def plan(self, playbook: PlaybookSpec, records: Sequence[StepRecord]) -> None:
        """What a rehearsal says."""
        ...

    def points(self, points: Sequence[RestorePoint]) -> None:
        """Copies and their verdicts."""
        ...

    def ended(self, proof: Proof, before: Sequence[Finding], after: Sequence[Finding]) -> None:
        """Timeline, RTO and RPO, evidence."""
        ...


class Watch(Protocol):
    """Is told of each evaluation."""

    def __call__(self, evaluation: Evaluation, /) -> None: ...


class Steps(Protocol):
    """Is told of each step."""

    def __call__(self, progress: Progress, /) -> None: ...


def tell(centres: Centres, home: Home, narrator: Narrator) -> Proof:
    """The whole story. Raises Incomplete when a part of it does not end as it should."""
    narrator.chapter(
        Text("三个中心", "Three centres"),
        Text("本机回环上的真实 nginx、sshd、备份库与 HAProxy 入口。", "Real nginx, sshd, vaults and an HAProxy entry."),
    )
    narrator.centres(centres)
    _load(home, narrator)
    _first_scan(home, narrator)
    _back_up(home, narrator)
    return _attack_and_restore(centres, home, narrator)


def _load(home: Home, narrator: Narrator) -> None:
    narrator.chapter(
        Text("城市清单", "The city"),
        Text(
            "34 个系统的等级由受侵害客体与程度推出,灾备等级由规则推出。",
            "Levels follow from impact; tiers follow from rules.",
        ),
    )
    narrator.city(home.inventory)


def _first_scan(home: Home, narrator: Narrator) -> None:
    narrator.chapter(
        Text("扫描", "Scan"),
        Text(
            "批准首页为基线,然后检查全部资产;授权范围之外的一律不碰,并如实记录。",
            "The home page is approved as baseline, then every asset is checked; what is out of scope is not touched, "
            "and says so.",
        ),
    )
    page = home.inventory.asset(city.PAGE)
    home.eyes.learn(home.eyes.pairs([page]), OPERATOR.en)
    _scan(home, narrator, home.inventory.assets(), tuple(assess_tiers(home.inventory, home.inventory.systems)))


def _back_up(home: Home, narrator: Narrator) -> None:
    narrator.chapter(
        Text("按等级备份", "Back up by tier"),
        Text(
            "每份副本都恢复出来、逐文件比对,页面还要复测。",
            "Every copy is restored, compared file by file, and rescanned.",
        ),
    )
    for tree in _TREES:
        _backup_run(home, narrator, tree)


def _attack_and_restore(centres: Centres, home: Home, narrator: Narrator) -> Proof:
    narrator.chapter(
        Text("入侵", "Intrusion"),
        Text(
            "有人在生产中心的首页里埋了一段看不见的外链;随后的定时备份把它也备份了进去。",
            "Somebody hides a block of links in production's home page; the next scheduled copy copies it, too.",
        ),
    )
    with _canary(centres, home) as canary:
        if not canary.wait_for_good(5):
            raise Incomplete(Text("探针没有得到良好的应答", "the canary got no good answer"))
        site.tamper(centres.production)
        _backup_run(home, narrator, city.TREE)
        narrator.chapter(
            Text("发现", "Detection"), Text("页面检查与基线比对。", "The page check compares with the baseline.")
        )
        scanned = _scan(home, narrator, [home.inventory.asset(city.PAGE)])
        reaction = next(reactions(home, scanned.recorded.new), None)
        if reaction is None:
            raise Incomplete(Text("页面检查没有发现篡改", "the page check did not find the tampering"))
        return _respond(home, narrator, reaction, canary)


def _respond(home: Home, narrator: Narrator, reaction: Reaction, canary: Canary) -> Proof:
    spec = reaction.playbook.spec
    narrator.chapter(
        Text("预演", "Plan"), Text("真实探测,不作任何改动。", "Live probes, no change made: what would each step do?")
    )
    rehearsal = start(home, reaction.playbook, {}, finding=reaction.finding, mode=Mode.REHEARSAL)
    narrator.plan(spec, rehearsal.records)
    narrator.chapter(Text("处置", "Response"), spec.name)
    with narrator.playbook(spec.name) as steps:
        ended = react(home, reaction, Watchers(_approve, steps, canary=canary))
    _require(ended)
    return _prove(home, narrator, ended, reaction, canary)


def _prove(home: Home, narrator: Narrator, ended: Ended, reaction: Reaction, canary: Canary) -> Proof:
    narrator.chapter(
        Text("证据", "Evidence"), Text("时间线、RTO/RPO、签名证据包。", "Timeline, RTO and RPO, signed pack.")
    )
    public = home.path(home.settings.keys) / PUBLIC_KEY_NAME
    pack = pack_path(home, ended.run.id)
    samples = canary.samples
    proof = Proof(
        pack=pack,
        public_key=public,
        verification=verify_pack(pack, load_public_key(public)),
        timings=timings_of(home, ended.run, canary),
        transactions=len(samples),
        bad_transactions=sum(not sample.good for sample in samples),
    )
    after = [home.store.get(reaction.finding.id)]
    narrator.ended(proof, [reaction.finding], after)
    if (
        proof.verification.broken
        or after[0].state.open
        or not home.journal.triggered(trigger_of(reaction.playbook, reaction.finding))
    ):
        raise Incomplete(Text("演示没有得到完整的证明", "the demo did not end with a whole proof"))
    return proof


def _scan(home: Home, narrator: Narrator, assets: Sequence[Asset], assessed: Sequence[Evaluation] = ()) -> Scanned:
    pairs = home.eyes.pairs(assets)
    with narrator.scanning(len(pairs) + len(assessed)) as watch:
        scanned = home.eyes.scan(pairs, watch, assessed)
    narrator.scanned(scanned, [home.store.get(name) for name in scanned.recorded.new])
    return scanned


def _backup_run(home: Home, narrator: Narrator, tree: str) -> None:
    system = home.inventory.system_of(tree)
    tier = home.inventory.tier(system)
    title = Text(f"备份 {system.name.zh}({TIERS[tier].zh})", f"Back up {system.name.en} ({TIERS[tier].en} tier)")
    with narrator.playbook(title) as steps:
        _require(copy_and_verify(home, tree, Watchers(on_progress=steps)))
    narrator.points(home.catalogue.points(tree))


def _canary(centres: Centres, home: Home) -> Canary:
    """Asks for the home page through the entry; only the page as it was before the intrusion counts as good."""
    transaction = Fetch(centres.entry_url + _CANARY_PATH)
    before = home.runners.perform(transaction, 5)
    if not before.ok:
        raise Incomplete(Text(f"入口没有应答:{before.reason}", f"the entry does not answer: {before.reason}"))
    good = hashlib.sha256(before.output.encode()).hexdigest()
    return Canary(home.runners.fetch, transaction, good_sha256=frozenset({good}))


def _approve(step: StepSpec, missing: int) -> Approval:  # noqa: ARG001
    return Approval(OPERATOR.en, "the demo approves by itself")


def _require(ended: Ended) -> None:
    if ended.run.state is not RunState.SUCCEEDED:
        raise Incomplete(ended.run.because)
