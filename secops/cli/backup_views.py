"""Plans, ages and forecasts of copies as a person reads them."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text as Shown

from backup.forecast import ALARM_SHARE, Forecast, recovery_age_seconds
from backup.measured import Measured
from backup.policies import Policy
from backup.protection import Protected, Shelf
from playbooks.records import StepRecord
from secops.cli.finding_words import severity_word
from secops.cli.tables import fill, plain, table
from secops.inventory.words import ROLES, TIERS
from secops.model.restore_point import RestorePoint, Verdict
from secops.service.protecting import SystemPlan
from secops.support.clock import local
from secops.support.durations import format_duration
from secops.support.language import say, tell

_MEGA = 1e6


def plans_table(plans: Iterable[SystemPlan]) -> Table:
    """A row per system: tier, standard, what it gets, 3-2-1-1-0, what is missing."""
    made = table(
        "",
        say(zh="系统", en="system"),
        say(zh="单位", en="unit"),
        say(zh="等级", en="tier"),
        say(zh="标准", en="standards"),
        say(zh="本地策略", en="local policy"),
        "3-2-1-1-0",
        say(zh="不足", en="what is missing"),
    )
    return fill(made, (_plan_row(plan) for plan in plans))


def _plan_row(plan: SystemPlan) -> tuple[object, ...]:
    figures = plan.figures
    shown = Shown(figures.text, style="green" if figures.met else "yellow") if figures else Shown("–", style="dim")
    standards = "\n".join(tell(basis.name) for basis in plan.policy.basis)
    name = f"{plan.system}\n{tell(plan.name)}"
    return name, plan.unit, tell(TIERS[plan.policy.tier]), standards, policy_words(plan.policy), shown, _missing(plan)


def policy_words(policy: Policy) -> str:
    """The figures of a tier, which no standard gives."""
    where = ", ".join(tell(ROLES[role]) for role in policy.vaults)
    every, apart = format_duration(policy.every), format_duration(policy.apart_every)
    proofs = ", ".join(f"L{int(depth.rung)} {format_duration(depth.every)}" for depth in policy.verify)
    rpo, rto = format_duration(policy.from_copy.rpo), format_duration(policy.from_copy.rto)
    drill = format_duration(policy.drill_every)
    return say(
        zh=f"每 {every} → {where};离线每 {apart}\nRPO {rpo} RTO {rto}\n验证 {proofs};演练 {drill}\n{_keep_words(policy)}",
        en=f"every {every} → {where}; apart every {apart}\nRPO {rpo} RTO {rto}\nproof {proofs}; drill {drill}\n"
        f"{_keep_words(policy)}",
    )


def _keep_words(policy: Policy) -> str:
    keep = policy.keep
    rules = {
        say(zh="全部", en="all"): keep.all,
        say(zh="每时", en="hourly"): keep.hourly,
        say(zh="每日", en="daily"): keep.daily,
        say(zh="每周", en="weekly"): keep.weekly,
        say(zh="每月", en="monthly"): keep.monthly,
        say(zh="每年", en="yearly"): keep.yearly,
    }
    told = ", ".join(f"{name} {format_duration(seconds)}" for name, seconds in rules.items() if seconds)
    return say(zh=f"保留 {told}", en=f"keep {told}")


def _missing(plan: SystemPlan) -> Shown:
    if plan.figures is None:
        return Shown(say(zh="没有要备份的资产", en="nothing that is to be copied"), style="dim")
    if not plan.shortfalls:
        return Shown("✔", style="green")
    shown = Shown("")
    for number, (asset, weakness) in enumerate(plan.shortfalls):
        shown.append("\n" if number else "").append_text(severity_word(weakness.severity)).append(" ")
        shown.append_text(plain(f"{asset}: {tell(weakness.reason)}"))
    return shown


def ages_table(rows: Iterable[tuple[Protected, Shelf]], moment: datetime) -> Table:
    """A row per asset and vault: as of when it can be recovered from there, against the RPO."""
    made = table(
        "",
        say(zh="系统", en="system"),
        say(zh="资产", en="asset"),
        say(zh="中心", en="centre"),
        say(zh="备份库", en="vault"),
        say(zh="可恢复到", en="recoverable as of"),
        "RPO",
        say(zh="允许", en="allowed"),
    )
    return fill(made, (_age_row(protected, shelf, moment) for protected, shelf in rows))


def _age_row(protected: Protected, shelf: Shelf, moment: datetime) -> tuple[object, ...]:
    age, allowed = recovery_age_seconds(shelf, moment), protected.policy.from_copy.rpo
    late = age is None or age > allowed
    shown = Shown(format_duration(age) if age is not None else "–", style="red" if late else "green")
    until = local(shelf.newest) if shelf.newest else "–"
    centre = tell(ROLES[shelf.role])
    return protected.system, protected.asset.id, centre, shelf.vault.id, until, shown, format_duration(allowed)


def measured_table(rows: Iterable[tuple[Protected, Measured]], moment: datetime) -> Table:
    """A row per place whose canaries were read: what a recovery from there would really lose."""
    made = table(
        say(zh="以探针记录实测", en="measured by canaries"),
        say(zh="资产", en="asset"),
        say(zh="中心", en="centre"),
        say(zh="来自", en="from"),
        say(zh="最新探针记录", en="newest canary"),
        "RPO",
        say(zh="将丢失", en="would be lost"),
        say(zh="缺失", en="missing"),
        say(zh="伪造", en="forged"),
    )
    return fill(made, (_measured_row(protected, found, moment) for protected, found in rows))


def _measured_row(protected: Protected, found: Measured, moment: datetime) -> tuple[object, ...]:
    holding, policy = found.holding, protected.policy
    targets = policy.from_replica if found.live else policy.from_copy
    age = found.age_seconds(holding.looked if found.live else moment)
    late = age is None or (targets is not None and age > targets.rpo)
    shown = Shown(format_duration(age) if age is not None else "–", style="red" if late else "green")
    written = f"{holding.newest} @ {local(holding.moment)}" if holding.moment else "–"
    counts = (str(found.lost), _alarming(found.missing_count), _alarming(holding.forged))
    return protected.asset.id, tell(ROLES[found.role]), holding.subject, written, shown, *counts


def _alarming(count: int) -> Shown:
    return Shown(str(count), style="bold red" if count else "")


def forecasts_table(rows: Iterable[tuple[str, Forecast]]) -> Table:
    """A row per asset and vault: how long it would take to bring it back, and from what that follows."""
    made = table(
        "",
        say(zh="系统", en="system"),
        say(zh="资产", en="asset"),
        say(zh="备份库", en="vault"),
        say(zh="大小 MB", en="MB"),
        "MB/s",
        say(zh="实测于", en="measured"),
        say(zh="预计", en="forecast"),
        "RTO",
    )
    return fill(made, (_forecast_row(system, one) for system, one in rows))


def _forecast_row(system: str, one: Forecast) -> tuple[object, ...]:
    style = "red" if one.share > 1 else "yellow" if one.share > ALARM_SHARE else "green"
    size, speed = f"{one.size_bytes / _MEGA:.1f}", f"{one.rate.bytes_per_second / _MEGA:.1f}"
    took = Shown(f"{format_duration(one.seconds)} ({one.share:.0%})", style=style)
    return system, one.asset, one.vault, size, speed, local(one.rate.measured), took, format_duration(one.rto_seconds)


def verdicts_table(point: RestorePoint, verdicts: Iterable[Verdict]) -> Table:
    """Every verdict on a point, oldest first: what was proven when, by which rules."""
    made = table(
        point.id,
        say(zh="时间", en="judged"),
        say(zh="级", en="rung"),
        say(zh="可读/可恢复/干净", en="readable/restorable/clean"),
        say(zh="规则", en="rules"),
        say(zh="用时", en="took"),
        say(zh="理由", en="because"),
    )
    return fill(made, map(_verdict_row, verdicts))


def _verdict_row(verdict: Verdict) -> tuple[object, ...]:
    answers = f"{verdict.readable} / {verdict.restorable} / {verdict.clean}"
    rules = verdict.rules[:12] + (f" {verdict.rules_date:%Y-%m-%d}" if verdict.rules_date else "")
    when = local(verdict.judged) if verdict.judged else "–"
    return when, f"L{int(verdict.rung)}", answers, rules or "–", format_duration(verdict.seconds), tell(verdict.because)


def print_rates(screen: Console, records: Iterable[StepRecord]) -> None:
    """What the steps of a run brought, and how fast, where an engine told."""
    for record in records:
        told: Mapping[str, Any] = record.outputs
        brought, seconds = told.get("added_bytes", told.get("fetched_bytes")), told.get("seconds")
        if brought is None or not seconds:
            continue
        added, took, speed = brought / _MEGA, format_duration(seconds), brought / _MEGA / seconds
        screen.print(
            say(
                zh=f"  新增 {added:.1f} MB,用时 {took}({speed:.1f} MB/s)",
                en=f"  {added:.1f} MB added in {took} ({speed:.1f} MB/s)",
            ),
            style="dim",
        )
        for vault, why in told.get("waiting", {}).items():
            screen.print(plain(f"  {vault}: {say(zh=why['zh'], en=why['en'])}", "yellow"))
