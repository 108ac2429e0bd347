"""The one catalogue of what the service measures of itself and of the city, and of when that calls somebody.

Moments are exported and not ages, so that an alert on an age also fires when nothing writes the file any more. Labels
are closed lists or ids of the inventory and the library, never of findings, runs or copies.
"""

from dataclasses import dataclass
from enum import StrEnum

from secops.model.text import Text


class Kind(StrEnum):
    """What a value does."""

    GAUGE = "gauge"
    COUNTER = "counter"
    """Only grows; its name ends in `_total`."""


class Unit(StrEnum):
    """What a value counts; the name says it."""

    ITEMS = ""
    SECONDS = "_seconds"
    MOMENT = "_timestamp_seconds"
    """Seconds since 1970, UTC."""
    BYTES = "_bytes"


class Urgency(StrEnum):
    """How soon a person should look; the `severity` label of the alert."""

    CRITICAL = "critical"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Metric:
    """One family of series."""

    name: str
    help: Text
    labels: tuple[str, ...] = ()
    unit: Unit = Unit.ITEMS
    kind: Kind = Kind.GAUGE


@dataclass(frozen=True, slots=True)
class Alert:
    """A condition over the metrics that calls somebody when it has held for a while."""

    name: str
    expression: str
    """PromQL."""
    hold_seconds: int
    urgency: Urgency
    summary: Text
    """May hold `{{ $labels.x }}` and `{{ $value }}`."""


METRICS = (
    Metric(
        "jindun_findings_open",
        Text("未关闭的发现;level 为系统的等级保护级别", "Open findings; level is that of the system"),
        ("severity", "level", "state"),
    ),
    Metric(
        "jindun_findings_overdue",
        Text("已过整改期限的未关闭发现", "Open findings whose deadline has passed"),
        ("severity",),
    ),
    Metric(
        "jindun_findings_near_due",
        Text(
            "整改时间已过 80 %、尚未逾期的发现", "Open findings that have used 80 % of their time and are not overdue"
        ),
        ("severity",),
    ),
    Metric(
        "jindun_risk_acceptances",
        Text("有效的和待批准的风险接受", "Risk acceptances that are in force, or wait for somebody's approval"),
        ("state",),
    ),
    Metric(
        "jindun_pairs_untested",
        Text(
            "最近一次未测成的(资产,检查)对;never 为从未测过",
            "Pairs of asset and check whose newest evaluation was not carried out; never: there was none",
        ),
        ("outcome",),
    ),
    Metric(
        "jindun_check_last_success_timestamp_seconds",
        Text("各检查最近一次测成的时刻", "When each check was last carried out on any asset"),
        ("check",),
        Unit.MOMENT,
    ),
    Metric("jindun_restore_points", Text("备份点数", "Restore points"), ("system", "vault")),
    Metric(
        "jindun_assets_without_copy",
        Text("按灾备等级应有备份而没有的资产数", "Assets that the tier wants copied and that have no copy"),
        ("system", "vault"),
    ),
    Metric(
        "jindun_copy_newest_timestamp_seconds",
        Text("最新备份点的时刻,取最落后的资产", "When the newest copy was taken, of the asset furthest behind"),
        ("system", "vault"),
        Unit.MOMENT,
    ),
    Metric(
        "jindun_copy_newest_clean_timestamp_seconds",
        Text(
            "最新一个已证明干净的备份点的时刻,取最落后的资产;有资产没有则无此序列",
            "When the newest copy that is proven clean was taken, of the asset furthest behind; absent if one has none",
        ),
        ("system", "vault"),
        Unit.MOMENT,
    ),
    Metric(
        "jindun_copy_proven_timestamp_seconds",
        Text(
            "最近一次通过恢复证明备份的时刻,取最落后的资产;有资产没有则无此序列",
            "When a copy was last proven by restoring it, of the asset furthest behind; absent if one never was",
        ),
        ("system", "vault"),
        Unit.MOMENT,
    ),
    Metric(
        "jindun_recoverable_timestamp_seconds",
        Text(
            "从各中心能恢复到的时刻(备份与日志中较新者),取最落后的资产",
            "As of when the system can be recovered from each centre, by copies and logs, of the asset furthest behind",
        ),
        ("system", "role"),
        Unit.MOMENT,
    ),
    Metric(
        "jindun_canary_acknowledged_timestamp_seconds",
        Text(
            "最近一条已确认探针记录的时刻,取最落后的资产",
            "When the newest canary was acknowledged, of the asset furthest behind",
        ),
        ("system",),
        Unit.MOMENT,
    ),
    Metric(
        "jindun_canary_recoverable_timestamp_seconds",
        Text(
            "各中心最新可恢复备份(或副本)中最新探针记录的时刻,取最落后的资产;实测 RPO 即现在减去它",
            "When the newest canary in the newest restorable copy, or in the replica, of each centre was written, of the "
            "asset furthest behind; the measured RPO is now minus that",
        ),
        ("system", "role", "source"),
        Unit.MOMENT,
    ),
    Metric(
        "jindun_canaries_missing",
        Text(
            "已确认而在备份或副本中缺失的探针记录",
            "Acknowledged canaries that must be in copies or replicas and are not",
        ),
        ("system", "role", "source"),
    ),
    Metric(
        "jindun_canaries_forged",
        Text("备份或副本中伪造的探针记录", "Canaries in copies or replicas that are not ours"),
        ("system", "role", "source"),
    ),
    Metric(
        "jindun_rto_forecast_seconds",
        Text(
            "按最近一次实测恢复速率,从各备份库恢复该系统预计用时(数据量 ÷ 速率 + 日志重放)",
            "How long bringing the system back from each vault would take: size over the last measured rate, and replay",
        ),
        ("system", "vault"),
        Unit.SECONDS,
    ),
    Metric(
        "jindun_rpo_target_seconds",
        Text("从备份恢复时允许丢失的数据时长", "How old the newest copy may be, by the tier's policy"),
        ("system",),
        Unit.SECONDS,
    ),
    Metric(
        "jindun_rto_target_seconds",
        Text("从备份恢复时允许的恢复时间", "How long a recovery from a copy may take, by the tier's policy"),
        ("system",),
        Unit.SECONDS,
    ),
    Metric(
        "jindun_proof_target_seconds",
        Text("两次恢复验证之间允许的时长", "How far apart proofs by restore may be, by the tier's policy"),
        ("system",),
        Unit.SECONDS,
    ),
    Metric("jindun_runs_open", Text("尚未结束的剧本运行", "Playbook runs that have not ended"), ("mode", "state")),
    Metric(
        "jindun_runs_ended_total",
        Text("已结束的剧本运行", "Playbook runs that have ended"),
        ("mode", "state"),
        kind=Kind.COUNTER,
    ),
    Metric(
        "jindun_runs_waiting",
        Text("等人批准或判定的真实运行", "Real runs that wait for a person to approve or decide"),
    ),
    Metric(
        "jindun_recovery_seconds",
        Text("最近一次成功恢复的用时 T5−T0,已知时才有", "T5−T0 of the last recovery that succeeded, where it is known"),
        ("system", "playbook"),
        Unit.SECONDS,
    ),
    Metric(
        "jindun_outbox_entries",
        Text("等待写入 Elasticsearch 的条目", "What waits to be written to Elasticsearch"),
    ),
    Metric(
        "jindun_outbox_oldest_timestamp_seconds",
        Text("最早的等待条目写入队列的时刻,没有则无", "Since when the oldest of these waits, where there is one"),
        unit=Unit.MOMENT,
    ),
    Metric(
        "jindun_outbox_dead_letters",
        Text("Elasticsearch 或生命周期不接受的写入", "Writes that Elasticsearch or the life cycle did not take"),
    ),
    Metric(
        "jindun_outbox_dropped_observations_total",
        Text("因队列已满而丢弃的观测", "Observations that were dropped because the outbox was full"),
        kind=Kind.COUNTER,
    ),
    Metric(
        "jindun_state_bytes",
        Text("服务自身数据所占空间", "What the service's own records take up"),
        ("store",),
        Unit.BYTES,
    ),
    Metric(
        "jindun_collected_timestamp_seconds",
        Text("这些指标的采集时刻", "When these metrics were collected"),
        unit=Unit.MOMENT,
    ),
)

ALERTS = (
    Alert(
        "JindunGraveFindingOpen",
        'sum by (level, severity) (jindun_findings_open{severity=~"critical|high", level=~"3|4|5"}) > 0',
        300,
        Urgency.CRITICAL,
        Text(
            "第 {{ $labels.level }} 级系统有 {{ $value }} 个 {{ $labels.severity }} 级发现未关闭",
            "{{ $value }} open {{ $labels.severity }} findings on systems of level {{ $labels.level }}",
        ),
    ),
    Alert(
        "JindunFindingOverdue",
        'jindun_findings_overdue{severity=~"critical|high"} > 0',
        300,
        Urgency.CRITICAL,
        Text(
            "{{ $value }} 个 {{ $labels.severity }} 级发现已过整改期限",
            "{{ $value }} {{ $labels.severity }} findings are overdue",
        ),
    ),
    Alert(
        "JindunFindingNearDue",
        'jindun_findings_near_due{severity=~"critical|high"} > 0',
        300,
        Urgency.WARNING,
        Text(
            "{{ $value }} 个 {{ $labels.severity }} 级发现的整改时间已过 80 %",
            "{{ $value }} {{ $labels.severity }} findings have used 80 % of their time",
        ),
    ),
    Alert(
        "JindunCheckStale",
        "time() - jindun_check_last_success_timestamp_seconds > 2 * 86400",
        3600,
        Urgency.WARNING,
        Text(
            "检查 {{ $labels.check }} 已 {{ $value | humanizeDuration }} 没有测成",
            "the check {{ $labels.check }} was not carried out for {{ $value | humanizeDuration }}",
        ),
    ),
    Alert(
        "JindunCheckBroken",
        'jindun_pairs_untested{outcome="error"} > 0',
        0,
        Urgency.WARNING,
        Text("{{ $value }} 项检查因程序缺陷未测成", "{{ $value }} evaluations ended by a bug of the product"),
    ),
    Alert(
        "JindunCopyMissing",
        "jindun_assets_without_copy > 0",
        3600,
        Urgency.CRITICAL,
        Text(
            "系统 {{ $labels.system }} 有 {{ $value }} 项资产在 {{ $labels.vault }} 没有备份",
            "{{ $value }} assets of {{ $labels.system }} have no copy in {{ $labels.vault }}",
        ),
    ),
    Alert(
        "JindunCopyTooOld",
        "time() - jindun_copy_newest_timestamp_seconds > on (system) group_left () jindun_rpo_target_seconds",
        600,
        Urgency.CRITICAL,
        Text(
            "系统 {{ $labels.system }} 在 {{ $labels.vault }} 的最新备份已有 {{ $value | humanizeDuration }},超过 RPO",
            "the newest copy of {{ $labels.system }} in {{ $labels.vault }} is {{ $value | humanizeDuration }} old, "
            "more than its RPO",
        ),
    ),
    Alert(
        "JindunRpoMissed",
        "time() - jindun_recoverable_timestamp_seconds > on (system) group_left () jindun_rpo_target_seconds",
        600,
        Urgency.CRITICAL,
        Text(
            "系统 {{ $labels.system }} 在 {{ $labels.role }} 中心只能恢复到 {{ $value | humanizeDuration }} 前,超过 RPO",
            "from the {{ $labels.role }} centre {{ $labels.system }} can be recovered as of {{ $value | humanizeDuration }} "
            "ago, more than its RPO",
        ),
    ),
    Alert(
        "JindunCanarySilent",
        "time() - jindun_canary_acknowledged_timestamp_seconds > 900",
        300,
        Urgency.WARNING,
        Text(
            "系统 {{ $labels.system }} 已 {{ $value | humanizeDuration }} 没有写成探针记录,RPO 无法实测",
            "no canary was written into {{ $labels.system }} for {{ $value | humanizeDuration }}: its RPO is not measured",
        ),
    ),
    Alert(
        "JindunMeasuredRpoMissed",
        'time() - jindun_canary_recoverable_timestamp_seconds{source="copy"} > on (system) group_left () '
        "jindun_rpo_target_seconds",
        600,
        Urgency.CRITICAL,
        Text(
            "系统 {{ $labels.system }} 在 {{ $labels.role }} 中心的实测 RPO 为 {{ $value | humanizeDuration }},已超标",
            "measured by canaries, the RPO of {{ $labels.system }} in the {{ $labels.role }} centre is "
            "{{ $value | humanizeDuration }}, and missed",
        ),
    ),
    Alert(
        "JindunCanariesMissing",
        "jindun_canaries_missing > 0",
        0,
        Urgency.CRITICAL,
        Text(
            "系统 {{ $labels.system }} 在 {{ $labels.role }} 中心缺 {{ $value }} 条已确认的探针记录",
            "{{ $value }} acknowledged canaries of {{ $labels.system }} are missing in the {{ $labels.role }} centre",
        ),
    ),
    Alert(
        "JindunCanariesForged",
        "jindun_canaries_forged > 0",
        0,
        Urgency.CRITICAL,
        Text(
            "系统 {{ $labels.system }} 在 {{ $labels.role }} 中心有 {{ $value }} 条伪造的探针记录",
            "{{ $value }} canaries of {{ $labels.system }} in the {{ $labels.role }} centre are forged",
        ),
    ),
    Alert(
        "JindunRtoOutOfReach",
        "min by (system) (jindun_rto_forecast_seconds) > on (system) group_left () 0.8 * jindun_rto_target_seconds",
        600,
        Urgency.WARNING,
        Text(
            "从备份恢复系统 {{ $labels.system }} 预计需 {{ $value | humanizeDuration }},已过 RTO 的 80 %",
            "bringing {{ $labels.system }} back from a copy would take {{ $value | humanizeDuration }}, over 80 % of its RTO",
        ),
    ),
    Alert(
        "JindunNoCleanCopy",
        "jindun_restore_points > 0 unless jindun_copy_newest_clean_timestamp_seconds",
        3600,
        Urgency.CRITICAL,
        Text(
            "系统 {{ $labels.system }} 在 {{ $labels.vault }} 有资产没有已证明干净的备份",
            "an asset of {{ $labels.system }} has no copy in {{ $labels.vault }} that is proven clean",
        ),
    ),
    Alert(
        "JindunCopyUnproven",
        "time() - jindun_copy_proven_timestamp_seconds > on (system) group_left () 2 * jindun_proof_target_seconds",
        600,
        Urgency.WARNING,
        Text(
            "系统 {{ $labels.system }} 在 {{ $labels.vault }} 的备份已 {{ $value | humanizeDuration }} 未经恢复验证",
            "no copy of {{ $labels.system }} in {{ $labels.vault }} was proven by a restore for "
            "{{ $value | humanizeDuration }}",
        ),
    ),
    Alert(
        "JindunRunWaiting",
        "jindun_runs_waiting > 0",
        300,
        Urgency.CRITICAL,
        Text("{{ $value }} 个运行在等人批准或判定", "{{ $value }} runs wait for a person"),
    ),
    Alert(
        "JindunRunFailed",
        'increase(jindun_runs_ended_total{mode="real", state=~"failed|rolled_back"}[1h]) > 0',
        0,
        Urgency.CRITICAL,
        Text(
            "一小时内有剧本运行以 {{ $labels.state }} 结束",
            "a playbook run ended as {{ $labels.state }} in the last hour",
        ),
    ),
    Alert(
        "JindunRecoveryTooSlow",
        "jindun_recovery_seconds > on (system) group_left () jindun_rto_target_seconds",
        0,
        Urgency.WARNING,
        Text(
            "系统 {{ $labels.system }} 最近一次恢复用时 {{ $value | humanizeDuration }},超过 RTO",
            "the last recovery of {{ $labels.system }} took {{ $value | humanizeDuration }}, more than its RTO",
        ),
    ),
    Alert(
        "JindunOutboxStuck",
        "time() - jindun_outbox_oldest_timestamp_seconds > 900",
        300,
        Urgency.WARNING,
        Text(
            "待写队列中最早的条目已等待 {{ $value | humanizeDuration }},请检查 Elasticsearch",
            "findings have waited for {{ $value | humanizeDuration }} to be written; look after Elasticsearch",
        ),
    ),
    Alert(
        "JindunDeadLetters",
        "jindun_outbox_dead_letters > 0",
        300,
        Urgency.WARNING,
        Text(
            "{{ $value }} 条写入未被接受;见 secops store dead list",
            "{{ $value }} writes were not taken; see `secops store dead list`",
        ),
    ),
    Alert(
        "JindunObservationsDropped",
        "increase(jindun_outbox_dropped_observations_total[1h]) > 0",
        0,
        Urgency.WARNING,
        Text("待写队列已满,一小时内有观测被丢弃", "the outbox is full: observations were dropped in the last hour"),
    ),
    Alert(
        "JindunSilent",
        "absent(jindun_collected_timestamp_seconds) or time() - jindun_collected_timestamp_seconds > 900",
        300,
        Urgency.CRITICAL,
        Text("津盾的指标超过 15 分钟没有更新", "Jindun's metrics have not been renewed for 15 minutes"),
    ),
)
