"""The report of a drill, laid out by clauses 6 to 9 of GB/T 20988-2025, out of the journal, catalogue and inventory.

It follows the clauses as a table of contents; it claims no conformity with them.
"""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeAlias

from backup.policies import Policy
from backup.protection import three_two_one
from playbooks.load import parse_playbook
from playbooks.records import StepRecord, StepState, step_records
from secops.evidence.new_file import new_file
from secops.evidence.report import Report, Rows, Section, as_html
from secops.evidence.report_docx import as_docx
from secops.evidence.timings import MEASURES, MOMENTS, Timings
from secops.execution.journal import Kind, Mode, Run, RunState
from secops.inventory.words import LEVELS, ROLES, TIERS
from secops.model.city import Asset, System
from secops.model.text import Text
from secops.service.home import Home
from secops.service.packing import pack_path, timings_of, tool_versions
from secops.service.protecting import Protection
from secops.support.clock import now, to_text
from secops.support.durations import format_duration
from secops.support.errors import BadInput

LANGUAGES = ("zh", "en")
_Fact: TypeAlias = tuple[Text | str, Text | str]
_NOTHING = Text("无", "none")


def write_report(home: Home, run: Run, folder: Path | None = None) -> list[Path]:
    """HTML and Word files in both languages, beside the run's evidence pack or in `folder`.

    Raises BadInput for a run that is no ended drill, AlreadyThere for files that are there, Incomplete for a full disk.
    """
    report = drill_report(home, run)
    where = folder or pack_path(home, run.id).parent
    written = []
    for language in LANGUAGES:
        files = {"html": as_html(report, language).encode(), "docx": as_docx(report, language)}
        for ending, content in files.items():
            path = where / f"{run.id}.{language}.{ending}"
            with new_file(path) as file:
                file.write(content)
            written.append(path)
    return written


def drill_report(home: Home, run: Run) -> Report:
    """What the drill was, how it went and what it proved."""
    if run.mode is not Mode.DRILL or not run.state.ended:
        raise BadInput(Text(f"运行 {run.id} 不是已结束的演练", f"run {run.id} is no drill that has ended"))
    asset = home.inventory.asset(run.inputs["values"]["asset"])
    told = _Drill(home, run, asset)
    good = run.state is RunState.SUCCEEDED
    return Report(
        title=Text(
            f"灾难恢复演练报告:{told.system.name.zh} / {asset.name.zh}",
            f"Disaster recovery drill: {told.system.name.en} / {asset.name.en}",
        ),
        verdict=told.conclusion,
        good=good and not told.missed,
        sections=(told.planning(), told.building(), *told.operation(), told.evaluation(), told.evidence()),
    )


class _Drill:
    """One drill, looked up once."""

    def __init__(self, home: Home, run: Run, asset: Asset) -> None:
        self.home, self.run, self.asset = home, run, asset
        self.system: System = home.inventory.system_of(asset.id)
        self.entries = home.journal.entries(run.id)
        self.records: Mapping[str, StepRecord] = step_records(self.entries)
        self.timings: Timings = timings_of(home, run)
        tier = home.inventory.tier(self.system)
        self.policy: Policy | None = home.policies[tier] if tier else None

    @property
    def missed(self) -> list[Text]:
        """Targets of the tier that the drill did not reach."""
        if self.policy is None:
            return []
        targets = self.policy.from_copy
        measured = {"RTO": (self.timings.rto, targets.rto), "RPO": (self.timings.rpo, targets.rpo)}
        return [
            Text(
                f"{name} 实测 {_span(taken)},目标 {format_duration(target)}",
                f"{name} was {_span(taken)}, the target is {format_duration(target)}",
            )
            for name, (taken, target) in measured.items()
            if taken is not None and taken.total_seconds() > target
        ]

    @property
    def conclusion(self) -> Text:
        """The whole in a sentence."""
        if self.run.state is not RunState.SUCCEEDED:
            because = self.run.because
            return Text(f"结论:未通过。{because.zh}", f"Conclusion: failed. {because.en}")
        if self.missed:
            zh, en = "；".join(one.zh for one in self.missed), "; ".join(one.en for one in self.missed)
            return Text(f"结论:已恢复,但未达到目标:{zh}", f"Conclusion: recovered, but short of the targets: {en}")
        return Text(
            "结论:通过,已恢复并达到本地策略的目标。", "Conclusion: passed; recovered within the targets of the policy."
        )

    def planning(self) -> Section:
        """Clause 6."""
        system, policy = self.system, self.policy
        level = self.home.inventory.level(system)
        tier = self.home.inventory.tier_ruling(system).effective
        facts: list[_Fact] = [
            (Text("系统", "system"), f"{system.id} {system.name.zh} / {system.name.en}"),
            (Text("等级保护", "classified protection"), LEVELS[level]),
            (Text("灾备等级", "DR tier"), TIERS[tier.action]),
            (Text("理由", "because"), tier.because),
        ]
        if policy:
            facts += [
                (Text("目标(本地策略)", "targets (local policy)"), _targets(policy)),
                *((Text("依据", "basis"), basis.name) for basis in policy.basis),
                (Text("演练周期", "drilled every"), format_duration(policy.drill_every)),
            ]
        return Section(Text("6 灾难恢复规划", "6 Planning"), (_facts(facts),))

    def building(self) -> Section:
        """Clause 7."""
        inventory = self.home.inventory
        protected = Protection(self.home, self.run.started).of(self.asset) if self.policy else None
        shelves = protected.shelves if protected else ()
        head = (Text("备份库", "vault"), Text("中心", "centre"), Text("恢复点", "points"), Text("最新", "newest"))
        rows = tuple(
            (
                shelf.vault.id,
                ROLES[inventory.centre(shelf.vault.centre).role],
                str(len(shelf.points)),
                to_text(shelf.newest) if shelf.newest else "-",
            )
            for shelf in shelves
        )
        parts: list[Text | Rows] = [Rows(head, rows)]
        if protected:
            figures = three_two_one(protected).text
            parts.append(Text(f"3-2-1-1-0:{figures}", f"3-2-1-1-0: {figures}"))
        tools = tuple((name, said) for name, said in tool_versions(self.home).items())
        parts.append(Rows((Text("工具", "tool"), Text("版本", "version")), tools))
        return Section(Text("7 灾难恢复建设", "7 Building"), tuple(parts))

    def operation(self) -> Iterator[Section]:
        """Clause 8."""
        playbook = parse_playbook(self.run.text, f"{self.run.playbook}.yaml").spec
        digest = hashlib.sha256(self.run.text.encode()).hexdigest()
        plan: list[_Fact] = [
            (Text("剧本", "playbook"), f"{playbook.id} SHA-256 {digest}"),
            (Text("方式", "mode"), Text("演练:真实操作,只在隔离区", "drill: real effects, in isolation only")),
            (Text("隔离区", "isolated place"), str(self.run.inputs["values"]["place"])),
        ]
        yield Section(Text("8.1 预案", "8.1 Plans"), (_facts(plan),))
        yield Section(Text("8.2 运行维护", "8.2 Operation and maintenance"), (self._point(),))
        yield Section(Text("8.3 响应与接管", "8.3 Response and takeover"), (self._moments(), self._steps()))
        yield Section(Text("8.4 重建与回退", "8.4 Rebuilding and falling back"), (self._cleared(),))
        people = tuple(
            (to_text(entry.at), str(entry.body.get("by", "")), str(entry.body.get("reason", "")))
            for entry in self.entries
            if entry.kind is Kind.APPROVAL
        )
        head = (Text("时刻", "at"), Text("批准人", "approved by"), Text("理由", "because"))
        agreed: Text | Rows = Rows(head, people) if people else Text("本演练无需批准。", "No approval was asked for.")
        yield Section(Text("8.5 审计", "8.5 Audit"), (agreed,))

    def evaluation(self) -> Section:
        """Clause 9."""
        outputs = self.records["ask"].outputs if "ask" in self.records else {}
        checked = [_text(one) for one in outputs.get("checked", ())] or [_NOTHING]
        unchecked = [_text(one) for one in outputs.get("unchecked", ())] or [_NOTHING]
        head = (Text("检查", "looked at"), Text("结果", "result"))
        rows = (
            *((one, Text("通过", "passed")) for one in checked),
            *((one, Text("未检查", "not looked at")) for one in unchecked),
            *((one, Text("未达标", "short of the target")) for one in self.missed),
        )
        return Section(
            Text("9 测试与评估", "9 Test and evaluation"), (self._measures(), Rows(head, rows), self.conclusion)
        )

    def evidence(self) -> Section:
        """What the report can be held against."""
        last = self.entries[-1]
        facts: list[_Fact] = [
            (Text("运行", "run"), self.run.id),
            (Text("日志条数与末条哈希", "entries of the journal, hash of the last"), f"{last.n + 1} {last.hash}"),
        ]
        pack = pack_path(self.home, self.run.id)
        if pack.exists():
            digest = hashlib.sha256(pack.read_bytes()).hexdigest()
            facts.append((Text("已签名的证据包", "signed evidence pack"), f"{pack.name} SHA-256 {digest}"))
        facts.append((Text("报告生成于", "report made"), to_text(now())))
        claim = Text(
            "本报告按 GB/T 20988-2025 第 6 至 9 章的结构编排,不代表对该标准的符合性声明;时间目标均为本地策略。",
            "Laid out by clauses 6 to 9 of GB/T 20988-2025; no conformity is claimed. Targets of time are local policy.",
        )
        return Section(Text("证据", "Evidence"), (_facts(facts), claim))

    def _point(self) -> Text | Rows:
        restored = self.records.get("restore")
        if restored is None or "point" not in restored.outputs:
            return Text("没有恢复点被恢复。", "No restore point was restored.")
        outputs = restored.outputs
        return _facts(
            [
                (Text("恢复点", "restore point"), str(outputs["point"])),
                (Text("取于", "taken"), str(outputs["taken"])),
                (Text("字节数", "bytes"), f"{outputs['bytes']:,}"),
                (Text("选择理由", "chosen because"), _text(outputs["because"])),
            ]
        )

    def _moments(self) -> Rows:
        head = (Text("时刻", "moment"), Text("UTC", "UTC"), Text("含义", "means"))
        moments = self.timings.moments.items()
        return Rows(head, tuple((name, _moment(at), MOMENTS[name]) for name, at in moments))

    def _measures(self) -> Rows:
        head = (Text("指标", "measure"), Text("实测", "measured"), Text("含义", "means"))
        taken = self.timings.measures
        return Rows(head, tuple((name, _span(taken[name]), means) for name, (_, means) in MEASURES.items()))

    def _steps(self) -> Rows:
        head = (Text("步骤", "step"), Text("结果", "result"), Text("秒", "seconds"), Text("说明", "because"))
        rows = ((one.path, one.state.value, f"{one.seconds:.2f}", one.because) for one in self.records.values())
        return Rows(head, tuple(rows))

    def _cleared(self) -> Text:
        cleared = self.records.get("clear") or self.records.get("restore!rollback/0")
        if cleared is None or cleared.state is not StepState.DONE:
            return Text("演练环境未确认清理干净。", "It is not confirmed that the drill left nothing behind.")
        looked = ", ".join(map(str, cleared.outputs.get("looked_for", ())))
        return Text(
            f"演练只在隔离区进行,结束后已清理;已检查无残留:{looked}。",
            f"The drill took place in isolation and was cleared up; nothing is left of: {looked}.",
        )


def _targets(policy: Policy) -> str:
    rpo, rto = format_duration(policy.from_copy.rpo), format_duration(policy.from_copy.rto)
    return f"RPO {rpo}, RTO {rto}"


def _facts(facts: list[_Fact]) -> Rows:
    return Rows((Text("项目", "item"), Text("内容", "content")), tuple(facts))


def _text(told: Mapping[str, str]) -> Text:
    return Text(told["zh"], told["en"])


def _moment(at: datetime | None) -> Text | str:
    return to_text(at) if at else Text("本次未涉及", "not part of this drill")


def _span(taken: timedelta | None) -> str:
    return f"{taken.total_seconds():,.1f} s" if taken is not None else "-"
