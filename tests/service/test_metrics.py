"""The metrics of a home: exactly those of the catalogue, and true."""

import re
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.error import HTTPError

import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from backup.canary_ledger import Holding
from dashboards.catalogue import METRICS
from secops.evidence.chain import Kind as RecordKind
from secops.evidence.chain import Record
from secops.evidence.keys import PRIVATE_KEY_NAME, load_private_key
from secops.evidence.pack import header, write_pack
from secops.evidence.timings import Timings, timing_body
from secops.execution.journal import Mode, Run, RunState
from secops.model.finding import Severity
from secops.model.outcome import Outcome
from secops.model.restore_point import Proof, Rung, Verdict
from secops.model.text import Text
from secops.service.home import Home
from secops.service.measuring import FILLED
from secops.service.metrics import exposition, serve
from secops.service.packing import pack_path
from secops.store.acceptances import approve, request
from secops.store.edits import Merge, SetDeadline
from secops.store.query_text import parse
from secops.support.clock import now
from secops.support.errors import BadInput
from tests.backup import points
from tests.contracts.evaluations import at, evaluation, id_of, weakness
from tests.lab.sshd import free_port
from tests.service.homes import HOST, SYSTEM, new_home

TREE = "infrastructure-04-content"
VAULT = "vault-production"
PAIR = {"system": SYSTEM, "vault": VAULT}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return new_home(tmp_path)


@pytest.fixture
def home(folder: Path) -> Iterator[Home]:
    with Home(folder) as opened:
        yield opened


def samples(home: Home) -> list[Sample]:
    text = exposition(lambda: Home(home.folder)).decode()
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def value(home: Home, name: str, **labels: str) -> float | None:
    found = [one.value for one in samples(home) if (one.name, one.labels) == (name, labels)]
    assert len(found) < 2
    return found[0] if found else None


def test_collector_and_catalogue_hold_the_same_metrics(home: Home) -> None:
    assert FILLED.keys() == {metric.name for metric in METRICS}
    text = exposition(lambda: Home(home.folder)).decode()
    assert re.findall(r"# TYPE (\w+) (\w+)", text) == [(metric.name, metric.kind) for metric in METRICS]


def test_a_full_home_shows_every_metric_with_its_labels_and_no_ids(home: Home) -> None:
    fill(home)
    shown = samples(home)
    catalogue = {metric.name: set(metric.labels) for metric in METRICS}
    assert {one.name for one in shown} == catalogue.keys() - {"jindun_outbox_oldest_timestamp_seconds"}
    assert all(one.labels.keys() == catalogue[one.name] for one in shown)
    values = {text for one in shown for text in one.labels.values()}
    assert not values & {id_of(), HOST, TREE, "run-1", f"{VAULT}/a"}


def test_what_waits_for_a_server_that_is_away_is_told_and_the_rest_besides(folder: Path) -> None:
    settings = folder / "jindun.yaml"
    away = f"http://127.0.0.1:{free_port()}"
    settings.write_text(f"{settings.read_text('utf-8')}\nstore:\n  kind: elasticsearch\n  urls: [{away}]\n", "utf-8")
    with Home(folder) as home:
        batch = [evaluation(weakness(), asset=HOST, check="tcp-ports", system=SYSTEM)]
        assert home.store.record("scan-1", batch).waiting == 1
        assert value(home, "jindun_outbox_entries") == 1
        assert (value(home, "jindun_outbox_oldest_timestamp_seconds") or 0) > 0
        assert value(home, "jindun_outbox_dead_letters") == value(home, "jindun_runs_waiting") == 0
        assert not any(one.name == "jindun_findings_open" for one in samples(home))


def fill(home: Home) -> None:
    """Something of everything."""
    home.store.record("scan-1", [evaluation(weakness(), asset=HOST, check="tcp-ports", system=SYSTEM)])
    add_point(home, "a", 0, replace(points.CLEAN, rung=Rung.SCAN, seconds=2.0))
    begin(home, "run-1", RunState.SUCCEEDED)
    seal(home, "run-1", seconds=9)
    write_canary(home, f"{VAULT}/a")


def write_canary(home: Home, point: str) -> None:
    """One that is acknowledged and in that copy."""
    file = home.folder / "inventory.yaml"
    path = "path: /srv/www/grid, host: infrastructure-04-web}"
    file.write_text(file.read_text("utf-8").replace(path, f"{path[:-1]}, canary: {{every: 1m}}}}"), "utf-8")
    canary = home.canaries.begin(TREE, now())
    home.canaries.acknowledge(TREE, canary.counter, now())
    home.canaries.hold(point, [canary], Holding(point, TREE, now(), now()))


def add_point(home: Home, name: str, minutes: float, verdict: Verdict | None = None, asset: str = TREE) -> None:
    point = points.point(name, minutes, verdict, asset)
    home.catalogue.add(replace(point, id=f"{VAULT}/{name}", vault=VAULT), points.MANIFEST.text)


def begin(home: Home, name: str, state: RunState, mode: Mode = Mode.REAL, *, minutes: float = 0) -> None:
    inputs = {"values": {}, "system": SYSTEM, "finding": {"id": "1-x"}, "before": []}
    home.journal.begin(Run(name, "restore", "text", mode, at(minutes), inputs), token=1)
    home.journal.set_state(name, 1, state, Text("因", "because"))


def seal(home: Home, run: str, *, seconds: float | None) -> None:
    """A pack that says how long the recovery took, or that nobody knows."""
    key = load_private_key(home.path(home.settings.keys) / PRIVATE_KEY_NAME)
    known = Timings(t0=at(0), t5=at(0) + timedelta(seconds=seconds)) if seconds is not None else Timings(t5=at(0))
    records = [
        header(at(0), run=run, product="0", city=Text("津", "Jin"), key=key.public_key()),
        Record(RecordKind.TIMING, at(0), timing_body(known)),
    ]
    write_pack(pack_path(home, run), records, key)


def test_open_findings_by_severity_level_and_state(home: Home) -> None:
    labels = {"severity": "critical", "level": "4", "state": "new"}
    assert value(home, "jindun_findings_open", **labels) == 0
    critical = [weakness(f"/{number}", Severity.CRITICAL) for number in range(3)]
    home.store.record("scan-1", [evaluation(*critical, asset=HOST, system=SYSTEM)])
    assert value(home, "jindun_findings_open", **labels) == 3
    home.store.record("scan-2", [evaluation(critical[0], asset=HOST, system=SYSTEM, minutes=1)])
    assert value(home, "jindun_findings_open", **labels) == 1
    home.store.record("scan-3", [evaluation(weakness(), asset="gone", system="a-system-that-left")])
    assert value(home, "jindun_findings_open", severity="medium", level="none", state="new") == 1


def test_findings_that_are_late_or_soon_will_be_and_risks_that_are_accepted(home: Home) -> None:
    before = now() - timedelta(days=60)
    seen = evaluation(weakness("/a", Severity.HIGH), weakness("/b", Severity.LOW), asset=HOST, system=SYSTEM)
    assert value(home, "jindun_findings_overdue", severity="high") == 0
    home.store.record("scan-1", [replace(seen, started=before)])
    assert value(home, "jindun_findings_overdue", severity="high") == 1
    home.review()
    assert value(home, "jindun_findings_overdue", severity="high") == 1
    assert value(home, "jindun_findings_near_due", severity="high") == 0
    low = home.store.get(id_of("/b", HOST))
    assert low.deadline
    near = replace(low.deadline, due=now() + timedelta(hours=1), told=80)
    home.store.edit(SetDeadline(low.id, Text("因", "because"), low.revision, near, seen=low.deadline), actor="test")
    assert value(home, "jindun_findings_near_due", severity="low") == 1
    for state in ("requested", "approved"):
        assert value(home, "jindun_risk_acceptances", state=state) == 0
    asked = request(
        parse("severity:high"),
        up_to=Severity.HIGH,
        reason="x",
        control="y",
        requester="li",
        expires=now() + timedelta(days=9),
        at=now(),
    )
    home.store.keep_acceptance(asked, actor="li", action="requested")
    assert value(home, "jindun_risk_acceptances", state="requested") == 1
    home.store.keep_acceptance(approve(asked, "wang", now()), actor="wang", action="approved")
    home.review()
    assert value(home, "jindun_risk_acceptances", state="approved") == 1
    assert value(home, "jindun_findings_overdue", severity="high") == 0, "nobody has to do anything about it"


def test_parts_are_not_counted_beside_what_stands_for_them(home: Home) -> None:
    both = [weakness("/a", Severity.CRITICAL), weakness("/b", Severity.CRITICAL)]
    home.store.record("scan-1", [evaluation(*both, asset=HOST, system=SYSTEM)])
    merge = Merge(id_of("/a", HOST), Text("因", "because"), part=id_of("/b", HOST))
    home.store.edit(merge, actor="li")
    assert value(home, "jindun_findings_open", severity="critical", level="4", state="new") == 1


def test_untested_pairs_and_the_last_success(home: Home) -> None:
    expected = len(list(home.eyes.everything()))
    assert value(home, "jindun_pairs_untested", outcome="never") == expected
    assert value(home, "jindun_check_last_success_timestamp_seconds", check="tcp-ports") is None
    hosts = [asset.id for asset in home.inventory.assets() if asset.kind == "host"]
    home.store.record("scan-1", [evaluation(asset=host, check="tcp-ports") for host in hosts[:2]])
    home.store.record("scan-2", [evaluation(asset=hosts[0], check="tcp-ports", minutes=7)])
    lost = evaluation(asset=hosts[1], check="tcp-ports", minutes=9, outcome=Outcome.UNREACHABLE)
    home.store.record("scan-3", [lost, evaluation(asset="retired", check="tcp-ports", outcome=Outcome.ERROR)])
    assert value(home, "jindun_pairs_untested", outcome="never") == expected - 2
    assert value(home, "jindun_pairs_untested", outcome="unreachable") == 1
    assert value(home, "jindun_pairs_untested", outcome="error") == 0, "what left the inventory is not counted"
    newest = value(home, "jindun_check_last_success_timestamp_seconds", check="tcp-ports")
    assert newest == at(7).timestamp()


def test_copies_by_system_and_vault(home: Home) -> None:
    assert value(home, "jindun_assets_without_copy", **PAIR) == 1
    assert value(home, "jindun_restore_points", **PAIR) is None
    add_point(home, "a", 0, points.CLEAN)
    add_point(home, "b", 10, replace(points.CLEAN, clean=Proof.NO, judged=points.at(11)))
    add_point(home, "c", 20)
    add_point(home, "z", 99, points.CLEAN, asset="left-the-inventory")
    assert value(home, "jindun_assets_without_copy", **PAIR) == 0
    assert value(home, "jindun_restore_points", **PAIR) == 3
    assert value(home, "jindun_copy_newest_timestamp_seconds", **PAIR) == points.at(20).timestamp()
    assert value(home, "jindun_copy_newest_clean_timestamp_seconds", **PAIR) == points.at(0).timestamp()
    assert value(home, "jindun_copy_proven_timestamp_seconds", **PAIR) == points.at(11).timestamp()
    home.catalogue.judge(f"{VAULT}/a", replace(points.CLEAN, clean=Proof.NO, judged=points.at(30)))
    assert value(home, "jindun_copy_newest_clean_timestamp_seconds", **PAIR) is None, "the newest verdict counts"


def test_the_asset_furthest_behind_decides(home: Home) -> None:
    add_point(home, "a", 30, points.CLEAN)
    add_point(home, "b", 5, points.CLEAN, asset="infrastructure-04-db")
    assert value(home, "jindun_copy_newest_timestamp_seconds", **PAIR) == points.at(5).timestamp()
    add_point(home, "c", 40, asset=HOST)
    assert value(home, "jindun_copy_newest_timestamp_seconds", **PAIR) == points.at(5).timestamp()
    assert value(home, "jindun_copy_newest_clean_timestamp_seconds", **PAIR) is None, "one asset has no clean copy"


def test_targets_are_the_policy_of_the_tier(home: Home) -> None:
    assert value(home, "jindun_rpo_target_seconds", system=SYSTEM) == 600
    assert value(home, "jindun_rto_target_seconds", system=SYSTEM) == 3600
    assert value(home, "jindun_proof_target_seconds", system=SYSTEM) == 43200


def test_runs_by_state_and_those_that_wait_for_people(home: Home) -> None:
    begin(home, "a", RunState.WAITING_APPROVAL)
    begin(home, "b", RunState.WAITING_DECISION)
    begin(home, "c", RunState.WAITING_APPROVAL, Mode.REHEARSAL)
    begin(home, "d", RunState.FAILED)
    assert value(home, "jindun_runs_waiting") == 2
    assert value(home, "jindun_runs_open", mode="real", state="waiting_approval") == 1
    assert value(home, "jindun_runs_open", mode="rehearsal", state="waiting_approval") == 1
    assert value(home, "jindun_runs_open", mode="real", state="running") == 0
    assert value(home, "jindun_runs_ended_total", mode="real", state="failed") == 1
    assert value(home, "jindun_runs_ended_total", mode="real", state="rolled_back") == 0


def test_the_last_recovery_that_succeeded_counts_where_its_time_is_known(home: Home) -> None:
    labels = {"system": SYSTEM, "playbook": "restore"}
    begin(home, "old", RunState.SUCCEEDED, minutes=1)
    seal(home, "old", seconds=99)
    begin(home, "new", RunState.SUCCEEDED, minutes=2)
    assert value(home, "jindun_recovery_seconds", **labels) is None, "its pack is not sealed yet"
    seal(home, "new", seconds=9)
    begin(home, "failed", RunState.FAILED, minutes=3)
    begin(home, "tried", RunState.SUCCEEDED, Mode.REHEARSAL, minutes=4)
    assert value(home, "jindun_recovery_seconds", **labels) == 9
    begin(home, "unwatched", RunState.SUCCEEDED, minutes=5)
    seal(home, "unwatched", seconds=None)
    assert value(home, "jindun_recovery_seconds", **labels) is None


def test_a_pack_that_was_altered_proves_no_time(home: Home) -> None:
    begin(home, "run", RunState.SUCCEEDED)
    seal(home, "run", seconds=9)
    pack = pack_path(home, "run")
    pack.write_bytes(pack.read_bytes().replace(b'"seconds":9.0', b'"seconds":1.0'))
    assert value(home, "jindun_recovery_seconds", system=SYSTEM, playbook="restore") is None


def test_what_the_records_take_up(home: Home) -> None:
    fill(home)
    assert value(home, "jindun_state_bytes", store="evidence") == pack_path(home, "run-1").stat().st_size
    for store, file in (("findings", "findings.sqlite"), ("journal", "journal.sqlite")):
        size = value(home, "jindun_state_bytes", store=store)
        assert size is not None and size >= (home.state / file).stat().st_size > 0


@pytest.mark.slow
def test_scrapes_see_what_changed_and_a_broken_home_says_so(folder: Path) -> None:
    port, stop = serve(lambda: Home(folder), "127.0.0.1", 0)
    try:
        assert b"jindun_runs_waiting 0.0" in scrape(port)
        with Home(folder) as home:
            begin(home, "a", RunState.WAITING_APPROVAL)
        assert b"jindun_runs_waiting 1.0" in scrape(port)
        with pytest.raises(BadInput):
            serve(lambda: Home(folder), "127.0.0.1", port)
        (folder / "inventory.yaml").write_text("no city\n", "utf-8")
        with pytest.raises(HTTPError) as error:
            scrape(port)
        assert error.value.code == 500
    finally:
        stop()


def scrape(port: int) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        content: bytes = answer.read()
    return content
