"""Alerts, evaluated by Prometheus's own engine over made-up series: each fires when it should and is else silent."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from dashboards.prometheus import alert_rules

PAIR = 'system="portal",vault="v1"'
FINE = {
    'jindun_findings_open{severity="high",level="2",state="new"}': "3x880",
    'jindun_findings_overdue{severity="critical"}': "0x880",
    'jindun_findings_overdue{severity="low"}': "2x880",
    'jindun_findings_near_due{severity="high"}': "0x880",
    'jindun_risk_acceptances{state="requested"}': "1x880",
    'jindun_pairs_untested{outcome="error"}': "0x880",
    'jindun_pairs_untested{outcome="never"}': "5x880",
    'jindun_check_last_success_timestamp_seconds{check="tls"}': "0+300x880",
    f"jindun_restore_points{{{PAIR}}}": "4x880",
    f"jindun_assets_without_copy{{{PAIR}}}": "0x880",
    f"jindun_copy_newest_timestamp_seconds{{{PAIR}}}": "0+300x880",
    f"jindun_copy_newest_clean_timestamp_seconds{{{PAIR}}}": "0+300x880",
    f"jindun_copy_proven_timestamp_seconds{{{PAIR}}}": "0+300x880",
    'jindun_recoverable_timestamp_seconds{system="portal",role="local_dr"}': "0+300x880",
    'jindun_canary_acknowledged_timestamp_seconds{system="portal"}': "0+300x880",
    'jindun_canary_recoverable_timestamp_seconds{system="portal",role="local_dr",source="copy"}': "0+300x880",
    'jindun_canary_recoverable_timestamp_seconds{system="portal",role="local_dr",source="replica"}': "0x880",
    'jindun_canaries_missing{system="portal",role="local_dr",source="copy"}': "0x880",
    'jindun_canaries_forged{system="portal",role="local_dr",source="copy"}': "0x880",
    f"jindun_rto_forecast_seconds{{{PAIR}}}": "2000x880",
    'jindun_rto_forecast_seconds{system="portal",vault="far"}': "9000x880",
    'jindun_rpo_target_seconds{system="portal"}': "1800x880",
    'jindun_rto_target_seconds{system="portal"}': "3600x880",
    'jindun_proof_target_seconds{system="portal"}': "86400x880",
    "jindun_runs_waiting": "0x880",
    'jindun_runs_ended_total{mode="real",state="failed"}': "2x880",
    'jindun_runs_ended_total{mode="rehearsal",state="failed"}': "0+1x880",
    'jindun_recovery_seconds{system="portal",playbook="restore"}': "60x880",
    "jindun_outbox_oldest_timestamp_seconds": "0+300x880",
    "jindun_outbox_dead_letters": "0x880",
    "jindun_outbox_dropped_observations_total": "7x880",
    "jindun_collected_timestamp_seconds": "0+300x880",
}
"""Series of a city where all is well, one sample every five minutes for three days: whatever is a moment is now."""
TROUBLES: dict[str, dict[str, str]] = {
    "JindunGraveFindingOpen": {'jindun_findings_open{severity="critical",level="3",state="new"}': "1x880"},
    "JindunFindingOverdue": {'jindun_findings_overdue{severity="critical"}': "1x880"},
    "JindunFindingNearDue": {'jindun_findings_near_due{severity="high"}': "1x880"},
    "JindunCheckStale": {'jindun_check_last_success_timestamp_seconds{check="tls"}': "0x880"},
    "JindunCheckBroken": {'jindun_pairs_untested{outcome="error"}': "1x880"},
    "JindunCopyMissing": {f"jindun_assets_without_copy{{{PAIR}}}": "1x880"},
    "JindunCopyTooOld": {f"jindun_copy_newest_timestamp_seconds{{{PAIR}}}": "0x880"},
    "JindunRpoMissed": {'jindun_recoverable_timestamp_seconds{system="portal",role="local_dr"}': "0x880"},
    "JindunCanarySilent": {'jindun_canary_acknowledged_timestamp_seconds{system="portal"}': "0x880"},
    "JindunMeasuredRpoMissed": {
        'jindun_canary_recoverable_timestamp_seconds{system="portal",role="local_dr",source="copy"}': "0x880"
    },
    "JindunCanariesMissing": {'jindun_canaries_missing{system="portal",role="local_dr",source="copy"}': "1x880"},
    "JindunCanariesForged": {'jindun_canaries_forged{system="portal",role="local_dr",source="copy"}': "1x880"},
    "JindunRtoOutOfReach": {f"jindun_rto_forecast_seconds{{{PAIR}}}": "3000x880"},
    "JindunNoCleanCopy": {f"jindun_copy_newest_clean_timestamp_seconds{{{PAIR}}}": "_x880"},
    "JindunCopyUnproven": {f"jindun_copy_proven_timestamp_seconds{{{PAIR}}}": "0x880"},
    "JindunRunWaiting": {"jindun_runs_waiting": "1x880"},
    "JindunRunFailed": {'jindun_runs_ended_total{mode="real",state="failed"}': "2x860 3x20"},
    "JindunRecoveryTooSlow": {'jindun_recovery_seconds{system="portal",playbook="restore"}': "3601x880"},
    "JindunOutboxStuck": {"jindun_outbox_oldest_timestamp_seconds": "0x880"},
    "JindunDeadLetters": {"jindun_outbox_dead_letters": "1x880"},
    "JindunObservationsDropped": {"jindun_outbox_dropped_observations_total": "7x860 9x20"},
    "JindunSilent": {"jindun_collected_timestamp_seconds": "_x880"},
}
ALERTS = [rule["alert"] for rule in yaml.safe_load(alert_rules())["groups"][0]["rules"]]


@pytest.fixture
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed (Debian package prometheus)")
    return found


def fired(promtool: str, folder: Path, series: dict[str, str], expected: str | None) -> None:
    """Assert that of all alerts only the expected one fires, at minute 4320."""
    (folder / "rules.yml").write_text(alert_rules(), "utf-8")
    expression = 'ALERTS{alertstate="firing"}'
    labels = f'{{__name__="ALERTS", alertname="{expected}"}}'
    query = {
        "expr": f"count by (__name__, alertname) ({expression})",
        "eval_time": "4320m",
        "exp_samples": [{"labels": labels, "value": 1}] if expected else [],
    }
    test = {
        "interval": "5m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [query],
    }
    (folder / "test.yml").write_text(
        yaml.safe_dump({"rule_files": ["rules.yml"], "evaluation_interval": "5m", "tests": [test]}), "utf-8"
    )
    command = [promtool, "test", "rules", "test.yml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_its_trouble() -> None:
    assert list(TROUBLES) == ALERTS


@pytest.mark.slow
def test_nothing_fires_while_all_is_well(promtool: str, tmp_path: Path) -> None:
    fired(promtool, tmp_path, FINE, None)


@pytest.mark.slow
@pytest.mark.parametrize("alert", TROUBLES)
def test_the_alert_fires_alone(promtool: str, tmp_path: Path, alert: str) -> None:
    fired(promtool, tmp_path, FINE | TROUBLES[alert], alert)
