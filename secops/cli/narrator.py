"""The demo's story in the terminal."""

from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import timedelta

from rich.console import Console, Group
from rich.panel import Panel
from rich.rule import Rule
from rich.text import Text as Shown

from playbooks.records import StepRecord
from playbooks.schema import PlaybookSpec
from secops.cli.finding_words import STATES
from secops.cli.point_views import points_table
from secops.cli.run_views import StepLines, print_plan
from secops.cli.scan_views import coverage, progress_bar, worst_findings
from secops.cli.tables import fill, table
from secops.demo import city
from secops.demo.centres import Centres
from secops.demo.story import Proof, Steps, Watch
from secops.evidence.timings import MEASURES, MOMENTS
from secops.inventory.inventory import Inventory
from secops.inventory.words import TIERS
from secops.model.finding import Finding
from secops.model.restore_point import RestorePoint
from secops.model.text import Text
from secops.service.scanning import Scanned
from secops.support.clock import local
from secops.support.durations import format_duration
from secops.support.language import say, tell


class TerminalNarrator:
    """A Narrator that prints."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._chapter = 0

    def chapter(self, title: Text, said: Text) -> None:
        """A rule with a number, and a sentence."""
        self._chapter += 1
        self._console.print()
        self._console.print(Rule(Shown(f"{self._chapter}  {tell(title)}", style="bold"), align="left"))
        self._console.print(Shown(tell(said), style="italic"))

    def centres(self, centres: Centres) -> None:
        """A row per centre."""
        made = table("", say(zh="中心", en="centre"), say(zh="网站", en="site"), "sshd", say(zh="备份库", en="vault"))
        rows = [
            (one.role.value, one.site_url, f"{one.address}:{one.ports.ssh}", one.vault.relative_to(centres.folder))
            for one in centres.all
        ]
        self._console.print(fill(made, rows))
        self._console.print(say(zh="用户经此入口访问:", en="Clients connect to: ") + centres.entry_url)

    def city(self, inventory: Inventory) -> None:
        """Counts, then why the three systems of the story have their tiers."""
        levels = Counter(int(inventory.level(system)) for system in inventory.systems)
        tiers = Counter(tell(TIERS[inventory.tier(system)]) for system in inventory.systems)
        counted = [f"{say(zh='等级', en='level')} {level}: {count}" for level, count in sorted(levels.items())]
        counted += [f"{tier}: {count}" for tier, count in sorted(tiers.items())]
        self._console.print(f"{len(inventory.systems)} {say(zh='个系统', en='systems')} · " + " · ".join(counted))
        made = table(
            "",
            say(zh="系统", en="system"),
            say(zh="等级", en="level"),
            say(zh="灾备", en="tier"),
            say(zh="理由", en="because"),
        )
        for name in (city.HEALTH, city.PORT, city.GRID):
            system = inventory.system(name)
            tier = inventory.tier(system)
            rulings = inventory.tier_ruling(system).rulings
            because = [tell(one.decision.because) for one in rulings if one.binding and one.decision.action == tier]
            fill(made, [(tell(system.name), int(inventory.level(system)), tell(TIERS[tier]), "; ".join(because))])
        self._console.print(made)

    def scanning(self, total: int) -> AbstractContextManager[Watch]:
        """A progress bar."""
        return progress_bar(self._console, total)

    def scanned(self, scanned: Scanned, findings: Sequence[Finding]) -> None:
        """What was covered, why something was not, the worst findings."""
        self._console.print(coverage(scanned.evaluations))
        if findings:
            self._console.print(worst_findings(findings))

    def playbook(self, title: Text) -> AbstractContextManager[Steps]:
        """A line per step, as it ends."""
        return StepLines(self._console, title)

    def plan(self, playbook: PlaybookSpec, records: Sequence[StepRecord]) -> None:
        """A row per step."""
        print_plan(self._console, playbook, records)

    def points(self, points: Sequence[RestorePoint]) -> None:
        """A row per copy."""
        self._console.print(points_table(points))

    def ended(self, proof: Proof, before: Sequence[Finding], after: Sequence[Finding]) -> None:
        """The timeline, the measures, the pack."""
        self._console.print(_timeline(proof))
        states = ", ".join(
            f"{one.weakness.rule}: {tell(STATES[was.state])} → {tell(STATES[one.state])}"
            for was, one in zip(before, after, strict=True)
        )
        good = proof.verification.ok
        lines = [
            say(zh="发现:", en="Finding: ") + states,
            say(zh="探针事务:", en="Canary transactions: ")
            + f"{proof.transactions}, "
            + say(zh=f"其中不良 {proof.bad_transactions}", en=f"{proof.bad_transactions} of them bad"),
            say(zh="证据包:", en="Evidence pack: ")
            + f"{proof.pack.name} · {proof.verification.records} "
            + say(zh="条记录,", en="records, ")
            + (
                say(zh="签名与哈希链有效", en="signature and chain verified")
                if good
                else str(proof.verification.broken)
            ),
        ]
        self._console.print(Panel(Group(*map(Shown, lines)), border_style="green" if good else "red", expand=False))


def _timeline(proof: Proof) -> Group:
    moments = table("", "", say(zh="时刻", en="moment"), say(zh="含义", en="meaning"), say(zh="距 T0", en="after T0"))
    start = proof.timings.t0
    for name, moment in proof.timings.moments.items():
        shown = local(moment) if moment else "–"
        after = f"+{(moment - start).total_seconds():.2f}s" if moment and start else ""
        fill(moments, [(name.upper(), shown, tell(MOMENTS[name]), after)])
    measures = table("", say(zh="指标", en="measure"), say(zh="实测", en="measured"), say(zh="含义", en="meaning"))
    for name, value in proof.timings.measures.items():
        fill(measures, [(name, _seconds(value), tell(MEASURES[name][1]))])
    return Group(moments, measures)


def _seconds(value: timedelta | None) -> str:
    return format_duration(value.total_seconds()) if value is not None else "–"
