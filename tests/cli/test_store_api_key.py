"""An API key as the login: a real gate with TLS asks for it before a real server."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from secops.service.home import Home
from secops.store.elasticsearch_errors import LoginRefused
from secops.store.elasticsearch_indices import Indices
from secops.store.elasticsearch_store import ElasticsearchStore
from secops.store.sqlite_store import SqliteStore
from tests.cli.test_store import home_with
from tests.cli.test_verbs import secops
from tests.lab.elasticsearch import shared_elasticsearch
from tests.lab.key_gate import KEY, KeyGate, key_gate
from tests.store.elasticsearch_lab import fresh_indices
from tests.store.faults.ledger import everything
from tests.store.faults.scans import scan

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("elasticsearch")]

FOUND = {
    "template-id": "listing",
    "info": {"name": "listing", "severity": "high"},
    "type": "http",
    "matched-at": "https://health.city.example/d/",
    "timestamp": "2026-03-01T08:00:00Z",
}


@pytest.fixture
def indices() -> Iterator[Indices]:
    with fresh_indices(shared_elasticsearch()) as made:
        yield made


@pytest.fixture
def gate(tmp_path: Path, indices: Indices) -> Iterator[KeyGate]:
    with key_gate(tmp_path / "gate", indices.server.name) as running:
        yield running


def home_of(folder: Path, gate: KeyGate, indices: Indices, trust: str, key: str = KEY) -> Path:
    login = 'api_key: "${file:keys/search}"' if key else ""
    store = f'kind: elasticsearch, urls: ["{gate.url}"], prefix: {indices.prefix}'
    made = home_with(folder, "{" + ", ".join(part for part in (store, trust, login) if part) + "}")
    (made / "keys" / "search.pem").write_bytes(gate.authority.read_bytes())
    secret = made / "keys" / "search"
    secret.touch(0o600)
    secret.write_text(f"{key}\n")
    return made


@pytest.mark.parametrize("how", ["ca_file", "own", "authority"])
def test_the_right_key_opens_everything(how: str, tmp_path: Path, gate: KeyGate, indices: Indices) -> None:
    trust = "ca_file: keys/search.pem" if how == "ca_file" else f'fingerprint: "{gate.fingerprints[how]}"'
    home = home_of(tmp_path, gate, indices, trust)
    report = tmp_path / "report.jsonl"
    report.write_text(json.dumps(FOUND) + "\n", "utf-8")
    said = [
        secops("findings", "import", str(report), home=home),
        secops("store", "status", "--json", home=home),
    ]
    assert [one.returncode for one in said] == [0, 0], "".join(one.stderr for one in said)
    told = json.loads(said[1].stdout)["status"]
    assert {one["kind"]: one["documents"] for one in told["indices"]}["findings"] == 1
    assert not told["insecure"]
    assert any("_bulk" in line for line in gate.asked()), "it went through the gate"
    assert KEY not in "".join(one.stdout + one.stderr for one in said)


@pytest.mark.parametrize("key", ["d3Jvbmc6d3Jvbmc=", ""])
def test_a_wrong_key_or_none_is_refused_with_two(key: str, tmp_path: Path, gate: KeyGate, indices: Indices) -> None:
    home = home_of(tmp_path, gate, indices, "ca_file: keys/search.pem", key)
    for verb in (("--lang", "en", "findings", "list"), ("--lang", "zh", "store", "setup")):
        done = secops(*verb, home=home)
        assert done.returncode == 2, done.stderr
        told = "refused the login or the right to do this" if "en" in verb else "拒绝了登录或权限不足"
        assert told in done.stderr
        assert "security_exception" in done.stderr
        assert not key or key not in done.stdout + done.stderr
    assert not indices.server.indices(f"{indices.prefix}-*"), "nothing came through"


@pytest.mark.parametrize("trust", ["", f'fingerprint: "{"00:" * 31}00"'])
def test_a_gate_that_nobody_vouches_for_never_sees_the_key(
    trust: str, tmp_path: Path, gate: KeyGate, indices: Indices
) -> None:
    done = secops("store", "setup", home=home_of(tmp_path, gate, indices, trust))
    assert done.returncode == 3
    assert f"the certificate of {gate.url} is not trusted" in done.stderr
    assert gate.asked() == [], "no request, so no key"


def test_a_key_that_is_revoked_while_scans_go_on_loses_nothing(tmp_path: Path, gate: KeyGate, indices: Indices) -> None:
    home = home_of(tmp_path, gate, indices, "ca_file: keys/search.pem")
    with Home(home) as opened, SqliteStore(tmp_path / "ledger.sqlite") as right:
        store = opened.store
        for number in range(6):
            right.record(f"s{number}", scan(number))
        store.record("s0", scan(0))
        gate.revoke()
        for number in range(1, 6):
            with pytest.raises(LoginRefused):
                store.record(f"s{number}", scan(number))
        gate.renew()
        assert isinstance(store, ElasticsearchStore)
        store.ship()
        assert everything(store) == everything(right)
        assert store.waiting().depth == store.waiting().dead_letters == 0
