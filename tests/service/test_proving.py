"""The whole way of an infected copy: refused, refused to one person, restored for two, and stopped by the gate."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from backup.rescoring import Indicator
from playbooks.approvals import Approval
from playbooks.load import parse_playbook
from playbooks.records import StepState
from secops.execution.journal import RunState
from secops.model.restore_point import Proof, RestorePoint, Rung
from secops.model.step import Enter
from secops.service.beginning import make_home
from secops.service.home import FILE, Home
from secops.service.packing import pack_path
from secops.service.proving import proof_schedule, rescore_points
from secops.service.running import Ended, approve, resume, start
from secops.support.clock import now, to_text
from secops.support.errors import BadInput
from secops.support.language import choose
from tests.lab.clamd import marker, marker_rule

pytestmark = pytest.mark.slow

CITY = """\
name: {{zh: 小城, en: Small town}}
sites: [{{id: here, name: {{zh: 本地, en: here}}}}]
centres: [{{id: c1, name: {{zh: 本地中心, en: local centre}}, site: here, role: production}}]
units: [{{id: office, name: {{zh: 办公室, en: office}}}}]
vaults: [{{id: v1, centre: c1, location: "{folder}/vault"}}]
places: [{{id: room, centre: c1, host: local, path: "{folder}/room", url: "http://127.0.0.1:1/"}}]
systems:
  - id: portal
    name: {{zh: 门户, en: portal}}
    programme: {{zh: 演示, en: trial}}
    lead_units: [office]
    grade:
      information: {{object: legal_rights, degree: general}}
      service: {{object: legal_rights, degree: general}}
    assets:
      - {{id: site, kind: file_tree, name: {{zh: 网站, en: site}}, centre: c1, host: local, path: "{folder}/site"}}
"""
SETTINGS = """\
scope: {{approved_by: tester, networks: [127.0.0.1/32]}}
backup: {{state_directory: "{folder}/borg"}}
malware: {{rules: rules}}
"""
COPY = """\
id: copy
name: {zh: 备份, en: copy}
steps:
  - {id: copy, uses: backup.run, with: {asset: site, vaults: [v1]}, timeout: 10m}
"""
VERIFY = """\
id: verify
name: {zh: 验证, en: verify}
steps:
  - {id: verify, uses: backup.verify, with: {asset: site, place: room}, timeout: 10m}
"""
SPARING = VERIFY.replace("place: room", "place: room, most_gigabytes: {gigabytes}")
RESTORE = """\
id: restore
name: {zh: 恢复, en: restore}
inputs:
  point: {describes: {zh: 点, en: point}}
steps:
  - {id: restore, uses: backup.restore, with: {point: "${{ inputs.point }}", place: room}, timeout: 10m}
"""
SELECT = """\
id: select
name: {zh: 选择, en: select}
inputs:
  before: {describes: {zh: 时刻, en: moment}}
  lasts: {describes: {zh: 有效期, en: how long proof lasts}, default: 1d}
steps:
  - id: select
    uses: backup.select_clean
    with: {asset: site, before: "${{ inputs.before }}", proof_lasts: "${{ inputs.lasts }}"}
"""
SPOT = """\
id: spot
name: {zh: 抽查, en: spot}
steps:
  - {id: spot, uses: backup.spot_check, with: {asset: site, sample_percent: 100}}
"""


@dataclass
class Town:
    home: Home
    site: Path
    room: Path
    rules: Path

    def run(self, text: str, **given: str) -> Ended:
        return start(self.home, parse_playbook(text, "trial.yaml"), given)

    def copied(self) -> RestorePoint:
        """A new point of the site as it is."""
        ended = self.run(COPY)
        assert ended.run.state is RunState.SUCCEEDED, ended.run.because
        return self.home.catalogue.points("site")[0]

    def verified(self, point: RestorePoint) -> RestorePoint:
        """The point with the verdict of a verification of all that is due."""
        ended = self.run(VERIFY)
        assert ended.run.state is RunState.SUCCEEDED, ended.run.because
        return self.home.catalogue.get(point.id)

    def infect(self) -> str:
        """SHA-256 of what was laid into the site."""
        content = b"<?php /*" + marker() + b"*/"
        (self.site / "upload.php").write_bytes(content)
        return sha256(content).hexdigest()

    def learn(self) -> None:
        """A rule that knows the marker."""
        (self.rules / "marker.yar").write_text(marker_rule())


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    choose("en")
    folder = tmp_path / "home"
    make_home(folder)
    (folder / FILE).write_text(SETTINGS.format(folder=tmp_path))
    (folder / "inventory.yaml").write_text(CITY.format(folder=tmp_path))
    (folder / "rules").mkdir()
    (folder / "rules" / "none.yar").write_text("rule nothing { condition: false }")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("<h1>ok</h1>")
    with Home(folder) as home:
        yield Town(home, tmp_path / "site", tmp_path / "room", folder / "rules")
    choose(None)


def why(ended: Ended) -> str:
    return ended.run.because.en


def test_an_infected_copy_is_refused_but_to_two_people_and_never_gets_through_the_gate(town: Town) -> None:
    town.learn()
    town.infect()
    point = town.verified(town.copied())
    assert (point.verdict.clean, point.verdict.failed, point.verdict.rung) == (Proof.NO, Rung.SCAN, Rung.RESTORE)
    assert (
        "yara-rules: found in 1 place(s): upload.php (matches the YARA rule jindun_marker)" in point.verdict.because.en
    )

    refused = town.run(RESTORE, point=point.id)
    assert refused.run.state is RunState.FAILED
    assert "is not proven clean: is not clean" in why(refused) and "upload.php" in why(refused)
    none = town.run(SELECT, before=to_text(now()))
    assert none.run.state is RunState.FAILED and "is proven clean; passed over" in why(none)

    asked = start(
        town.home,
        town.home.library.get("restore-unproven-copy"),
        {"point": point.id, "asset": "site", "place": "room"},
    )
    assert asked.run.state is RunState.WAITING_APPROVAL
    approve(town.home, asked.run.id, "restore", Approval("alice", "the only copy of the council's minutes"))
    for same in ("alice", " Alice "):
        again = resume(town.home, asked.run.id)
        assert again.run.state is RunState.WAITING_APPROVAL and "1 more approval" in why(again)
        approve(town.home, asked.run.id, "restore", Approval(same, "I insist"))
    assert not town.room.exists() or not any(town.room.iterdir()), "nothing is restored for one person"

    approve(town.home, asked.run.id, "restore", Approval("bob", "seen with alice; upload.php is taken out by hand"))
    ended = resume(town.home, asked.run.id)
    records = {record.path: record for record in ended.records}
    assert records["restore"].state is StepState.DONE
    assert "is not clean" in records["restore"].outputs["overruled"]["en"]
    restored = Path(records["restore"].outputs["directory"])
    assert (restored / "upload.php").read_bytes() == (town.site / "upload.php").read_bytes()
    assert ended.run.state is RunState.FAILED and "did not pass the scan" in why(ended), "two people open no gate"

    pack = pack_path(town.home, ended.run.id).read_text("utf-8")
    for word in ("alice", "bob", "the only copy of the council's minutes", "upload.php is taken out by hand"):
        assert word in pack
    assert town.home.catalogue.get(point.id).verdict.clean is Proof.NO, "an override is no proof"


def test_an_unproven_copy_that_is_clean_gets_through_the_gate_for_two_people(town: Town) -> None:
    point = town.copied()
    refused = town.run(RESTORE, point=point.id)
    assert "not proven readable (not verified yet)" in why(refused)
    given = {"point": point.id, "asset": "site", "place": "room"}
    asked = start(town.home, town.home.library.get("restore-unproven-copy"), given)
    for person in ("alice", "bob"):
        approve(town.home, asked.run.id, "restore", Approval(person, "no time to verify"))
    ended = resume(town.home, asked.run.id)
    assert ended.run.state is RunState.SUCCEEDED, why(ended)


def test_a_playbook_that_would_ask_fewer_people_is_refused(town: Town) -> None:
    text = RESTORE.replace("backup.restore", "backup.restore_unproven")
    for approval in ("", "approval: {quorum: 1}, "):
        with pytest.raises(BadInput, match="takes the approval of 2 people"):
            parse_playbook(text.replace("{id: restore, ", "{id: restore, " + approval), "trial.yaml")
    parse_playbook(text.replace("{id: restore, ", "{id: restore, approval: {quorum: 2}, "), "trial.yaml")


def test_proof_ages_and_is_refused_with_the_reason(town: Town) -> None:
    point = town.verified(town.copied())
    assert point.verdict.proven_clean, point.verdict.because
    fresh = town.run(SELECT, before=to_text(now() + timedelta(seconds=1)))
    assert fresh.run.state is RunState.SUCCEEDED, why(fresh)
    aged = town.run(SELECT, before=to_text(now()), lasts="1ms")
    assert aged.run.state is RunState.FAILED
    assert "was proven too long ago" in why(aged) and "proof lasts 0.001s" in why(aged)
    restored = town.run(RESTORE, point=point.id)
    assert restored.run.state is RunState.SUCCEEDED, why(restored)


def test_a_new_rule_makes_old_proof_due_again_and_nothing_is_overwritten(town: Town) -> None:
    town.infect()
    point = town.verified(town.copied())
    assert point.verdict.proven_clean, "no rule knew it"
    again = town.run(VERIFY)
    assert again.records[0].outputs["verified"] == []
    town.learn()
    point = town.verified(point)
    assert point.verdict.clean is Proof.NO
    verdicts = town.home.catalogue.verdicts(point.id)
    assert [verdict.clean for verdict in verdicts] == [Proof.YES, Proof.NO]
    assert verdicts[0].rules != verdicts[1].rules


def test_a_hash_names_the_first_infected_and_the_last_clean_point_without_a_restore(town: Town) -> None:
    first = town.verified(town.copied())
    _next_second(first)
    known = town.infect()
    second = town.verified(town.copied())
    assert first.verdict.proven_clean and second.verdict.proven_clean
    before = sorted(town.room.iterdir()) if town.room.exists() else []
    rescored = rescore_points(town.home, "site", Indicator("case 7", hashes=frozenset({known})))
    assert rescored.first_infected and rescored.first_infected.id == second.id
    assert rescored.last_clean and rescored.last_clean.id == first.id
    assert town.home.catalogue.get(second.id).verdict.clean is Proof.NO
    assert (sorted(town.room.iterdir()) if town.room.exists() else []) == before
    chosen = town.run(SELECT, before=to_text(now()))
    assert chosen.records[0].outputs["point"] == first.id
    assert "holds upload.php, known from case 7" in chosen.records[0].outputs["because"]["en"]


def test_a_wrong_rule_stops_before_anything_is_restored(town: Town) -> None:
    town.copied()
    (town.rules / "bad.yar").write_text("rule x { condition: $y }")
    ended = town.run(VERIFY)
    assert ended.run.state is RunState.FAILED and "bad.yar:1:21" in why(ended)


def test_a_source_that_is_being_encrypted_fails_its_spot_check(town: Town) -> None:
    for number in range(20):
        (town.site / f"page {number}").write_text(f"page {number}")
    town.copied()
    fine = town.run(SPOT)
    assert fine.run.state is RunState.SUCCEEDED, why(fine)
    assert fine.records[0].outputs["compared"] == 21
    for path in town.site.iterdir():
        path.write_bytes(b"locked " + path.name.encode())
    off = town.run(SPOT)
    assert off.run.state is RunState.FAILED and "of 21 compared, 21 differ" in why(off)


def test_what_is_proven_next_follows_the_policy(town: Town) -> None:
    point = town.copied()
    (job,) = proof_schedule(town.home, 10**9).jobs
    assert (job.point.id, job.upto) == (point.id, Rung.SCAN)
    town.verified(point)
    assert proof_schedule(town.home, 10**9).jobs == ()


def _next_second(point: RestorePoint) -> None:
    """Names of copies are as fine as seconds."""
    while now() < point.taken.replace(microsecond=0) + timedelta(seconds=1):
        pass


def test_documents_of_old_verdicts_are_read(town: Town) -> None:
    """A ledger entry from before the ladder has none of its fields."""
    point = town.copied()
    document = {"readable": "yes", "restorable": "yes", "clean": "yes", "because": {"zh": "好", "en": "good"}}
    effect = Enter("verdicts", point.id, json.dumps({**document, "judged": to_text(now())}))
    assert town.home.runners.perform(effect, 5).ok
    assert town.home.catalogue.get(point.id).verdict.proven_clean


def test_what_passes_the_budget_of_a_run_is_proven_by_the_next(town: Town) -> None:
    (town.site / "bulk").write_bytes(bytes(1_000_000))
    points = []
    for _copy in range(3):
        points.append(town.copied())
        time.sleep(1.0)  # copies are named by the second
    sparing = SPARING.replace("{gigabytes}", "0.007")
    told = []
    for _run in range(3):
        ended = town.run(sparing)
        assert ended.run.state is RunState.SUCCEEDED, ended.run.because
        told.append(ended.records[0].outputs)
    assert [(len(one["verified"]), len(one["waiting"])) for one in told] == [(2, 1), (1, 0), (0, 0)]
    verdicts = [town.home.catalogue.get(point.id).verdict for point in points]
    assert all(verdict.rung is Rung.SCAN for verdict in verdicts)
    assert sum(verdict.read_bytes for verdict in verdicts if verdict.judged) <= 3 * 3.2e6


def test_one_copy_that_passes_the_budget_alone_is_proven_nevertheless(town: Town) -> None:
    (town.site / "bulk").write_bytes(bytes(1_000_000))
    point = town.copied()
    assert town.run(SPARING.replace("{gigabytes}", "0.001")).run.state is RunState.SUCCEEDED
    assert town.home.catalogue.get(point.id).verdict.rung is Rung.SCAN
