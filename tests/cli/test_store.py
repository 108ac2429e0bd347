"""`secops store`, as a user runs it."""

import json
from pathlib import Path

import pytest

from secops.service.beginning import make_home
from secops.service.home import FILE, Home
from secops.service.stores.sqlite import SQLITE_FILE
from secops.store.elasticsearch_documents import Kind
from secops.store.moving import Part, Sum, summed
from secops.store.sqlite_store import SqliteStore
from tests.cli.test_verbs import secops
from tests.contracts.evaluations import evaluation, weakness
from tests.lab.elasticsearch import PASSWORD, USER, Server, connect, shared_elasticsearch
from tests.lab.sshd import free_port
from tests.store.elasticsearch_lab import fresh_indices, write_findings
from tests.store.test_query_elasticsearch import finding

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("elasticsearch-secured")]


def home_with(folder: Path, store: str) -> Path:
    home = folder / "home"
    make_home(home)
    settings = home / FILE
    settings.write_text(settings.read_text("utf-8") + f"\nstore: {store}\n", "utf-8")
    return home


def secured_home(folder: Path, server: Server, prefix: str, trust: str = "ca_file: keys/search.pem") -> Path:
    made = home_with(
        folder,
        f'{{kind: elasticsearch, urls: ["{server.url}"], prefix: {prefix}, {trust}, user: {USER}, '
        'password: "${file:keys/search}"}',
    )
    assert server.authority
    (made / "keys" / "search.pem").write_bytes(server.authority.read_bytes())
    secret = made / "keys" / "search"
    secret.touch(0o600)
    secret.write_text(PASSWORD + "\n")
    return made


def test_indices_are_prepared_looked_at_copied_and_rolled(tmp_path: Path) -> None:
    server = shared_elasticsearch(secured=True)
    with fresh_indices(server) as indices:
        home = secured_home(tmp_path, server, indices.prefix)
        looked = secops("store", "status", "--json", home=home)
        assert looked.returncode == 3, "what is missing cannot be used"
        assert {one["health"] for one in json.loads(looked.stdout)["status"]["indices"]} == {"missing"}
        assert not indices.server.indices(f"{indices.prefix}-*"), "looking makes nothing"

        first, second = secops("store", "setup", home=home), secops("store", "setup", home=home)
        assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
        assert f"{indices.prefix}-findings-v1" in first.stdout
        assert second.stdout.strip() == "everything is there"

        write_findings(indices, [finding(number) for number in range(3)])
        told = json.loads(secops("store", "status", "--json", home=home).stdout)
        assert told["usable"]
        assert {one["kind"]: one["documents"] for one in told["status"]["indices"]}["findings"] == 3

        copied = secops("store", "reindex", "findings", "--json", home=home)
        assert copied.returncode == 0, copied.stderr
        (done,) = json.loads(copied.stdout)["reindexed"]
        assert (done["documents"], done["new"]) == (3, f"{indices.prefix}-findings-v2")

        rolled = secops("store", "roll", home=home)
        assert (rolled.returncode, rolled.stdout) == (0, "no index is full\nno index is too old\n")
        shown = secops("store", "status", home=home)
        assert shown.returncode == 0
        assert f"{indices.prefix}-findings" in shown.stdout
        with connect(server) as administrator:
            administrator.indices.add_block(index=f"{indices.prefix}-places", block="write")
        blocked = secops("store", "status", home=home)
        assert (blocked.returncode, "takes no writes" in blocked.stdout) == (3, True)
        everything = [*first.stdout, *first.stderr, *shown.stdout, *shown.stderr, *looked.stdout]
        assert PASSWORD not in "".join(everything)


def test_an_unverified_connection_is_warned_of(tmp_path: Path) -> None:
    server = shared_elasticsearch(secured=True)
    with fresh_indices(server) as indices:
        home = secured_home(tmp_path, server, indices.prefix, "insecure: true")
        assert secops("store", "setup", home=home).returncode == 0
        looked = secops("store", "status", "--json", home=home)
        assert looked.returncode == 0, looked.stderr
        assert json.loads(looked.stdout)["status"]["insecure"]
        assert looked.stderr == "warning: insecure: true, the connection is not verified or not encrypted\n"


def test_mistakes_end_with_two_and_what_is_down_with_three(tmp_path: Path) -> None:
    home = home_with(tmp_path, f'{{kind: elasticsearch, urls: ["http://127.0.0.1:{free_port()}"]}}')
    for arguments in (("status",), ("setup",), ("roll",), ("reindex",)):
        done = secops("store", *arguments, home=home)
        assert (done.returncode, "cannot reach Elasticsearch" in done.stderr) == (3, True), done.stderr
    for name in ("nothing", Kind.EVENTS.value):
        assert secops("store", "reindex", name, home=home).returncode == 2


def test_what_waits_and_dead_letters_are_told_to_machines(tmp_path: Path) -> None:
    server = shared_elasticsearch(secured=True)
    with fresh_indices(server) as indices:
        home = secured_home(tmp_path, server, indices.prefix)
        assert secops("store", "setup", home=home).returncode == 0
        shipped = secops("store", "ship", "--json", home=home)
        assert (shipped.returncode, json.loads(shipped.stdout)["depth"]) == (0, 0), shipped.stderr
        for verb, key in (("replay", "replayed"), ("drop", "dropped")):
            done = secops("store", "dead", verb, *(("--all",) if verb == "drop" else ()), "--json", home=home)
            assert json.loads(done.stdout) == {key: []}, done.stderr


def test_the_file_is_looked_at_alike(tmp_path: Path) -> None:
    home = home_with(tmp_path, "{kind: sqlite}")
    assert json.loads(secops("store", "status", "--json", home=home).stdout)["held"] is None
    assert not (home / "state" / "findings.sqlite").exists(), "looking makes nothing"
    assert secops("store", "setup", home=home).returncode == 0
    with Home(home) as opened:
        opened.store.record("s1", [evaluation(weakness(), observation=b"x")])
    for arguments in (("status",), ("roll",), ("reindex",), ("setup",)):
        told = json.loads(secops("store", *arguments, "--json", home=home).stdout)
        assert told["held"]["findings"] == 1
        assert told["bytes"] > 0
    assert "observations" in secops("store", "status", home=home).stdout


def test_everything_is_moved_there_and_back(tmp_path: Path) -> None:
    server = shared_elasticsearch(secured=True)
    home = secured_home(tmp_path, server, f"test-{tmp_path.name[-20:].replace('_', '-')}-moved")
    (home / "state").mkdir()
    with SqliteStore(home / "state" / SQLITE_FILE) as file:
        file.record("s1", [evaluation(weakness(), weakness("/b"), observation=b"seen")])
        file.approve_baseline("page", "page-tamper", b"body", "li")
    try:
        there = secops("store", "migrate", "--to", "elasticsearch", home=home)
        assert there.returncode == 0, there.stderr
        assert "everything arrived" in there.stdout
        listed = json.loads(secops("findings", "list", "--json", home=home).stdout)
        assert len(listed["findings"]) == 2
        (home / "state" / SQLITE_FILE).rename(tmp_path / "aside")
        back = secops("store", "migrate", "--to", "sqlite", "--json", home=home)
        told = json.loads(back.stdout)
        assert (back.returncode, told["arrived"]) == (0, True), back.stdout
        sums = {one["part"]: one["source"] for one in told["parts"]}
        with SqliteStore(tmp_path / "aside") as aside, SqliteStore(home / "state" / SQLITE_FILE) as fresh:
            for part in Part:
                assert summed(aside.dump(part)) == summed(fresh.dump(part)) == Sum(**sums[part.value])
    finally:
        with connect(server) as client:
            names = list(client.indices.get(index=f"test-{tmp_path.name[-20:].replace('_', '-')}-moved-*"))
            client.indices.delete(index=names)


def test_moving_needs_both(tmp_path: Path) -> None:
    made = tmp_path / "plain"
    make_home(made)
    refused = secops("store", "migrate", "--to", "elasticsearch", home=made)
    assert (refused.returncode, "names no Elasticsearch" in refused.stderr) == (2, True)
