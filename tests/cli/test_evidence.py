"""`secops evidence` as somebody types it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner, Result

from secops.cli.evidence import verb
from secops.evidence.chain import Kind, Record
from secops.evidence.keys import PUBLIC_KEY_NAME, load_private_key, make_key
from secops.evidence.pack import header, write_pack
from secops.model.text import Text
from secops.support import language
from tests.evidence.conftest import BEGUN, records


@pytest.fixture(autouse=True)
def plain_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JINDUN_LANG", "en")
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.delenv("JINDUN_HOME", raising=False)
    monkeypatch.setattr(language, "_chosen", None)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    make_key(tmp_path / "a.pem", tmp_path / "a.pub.pem")
    make_key(tmp_path / "b.pem", tmp_path / "b.pub.pem")
    return tmp_path / "a.pub.pem"


@pytest.fixture
def key(tmp_path: Path, key_file: Path) -> Ed25519PrivateKey:
    return load_private_key(tmp_path / "a.pem")


@pytest.fixture
def pack(tmp_path: Path, key: Ed25519PrivateKey) -> Path:
    write_pack(tmp_path / "run.jsonl", records(key), key)
    return tmp_path / "run.jsonl"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(verb, [str(argument) for argument in arguments])


def spoil(pack: Path) -> None:
    pack.write_bytes(pack.read_bytes().replace(b"step 1", b"step 9"))


def test_a_whole_pack(pack: Path, key_file: Path) -> None:
    result = run("verify", pack, "--key", key_file)
    assert result.exit_code == 0
    assert "evidence whole run run-1: 11 records" in result.stdout


def test_the_first_broken_link_is_named(pack: Path, key_file: Path) -> None:
    spoil(pack)
    result = run("verify", pack, "--key", key_file)
    assert result.exit_code == 1
    assert "evidence broken line 4 (journal): its content does not match its hash" in result.stdout


def test_in_chinese(pack: Path, key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JINDUN_LANG", "zh")
    assert "证据完好" in run("verify", pack, "--key", key_file).stdout
    assert "津城" in run("show", pack).stdout
    spoil(pack)
    assert "第 4 行(journal):内容与其哈希不符" in run("verify", pack, "--key", key_file).stdout


def test_json_for_machines(pack: Path, key_file: Path) -> None:
    good = json.loads(run("verify", pack, "--key", key_file, "--json").stdout)
    assert (good["ok"], good["broken"], good["records"]) == (True, None, 11)
    shown = json.loads(run("show", pack, "--key", key_file, "--json").stdout)
    assert (shown["verified"], shown["summary"]["kinds"]["journal"]) == (True, 3)
    assert shown["summary"]["attachments"] == ["capture.bin", "page.html"]
    spoil(pack)
    result = run("verify", pack, "--key", key_file, "--json")
    broken = json.loads(result.stdout)["broken"]
    assert (result.exit_code, broken["line"], broken["kind"], broken["breach"]) == (1, 4, "journal", "changed")


def test_show_tells_the_story(pack: Path, key_file: Path) -> None:
    result = run("show", pack, "--key", key_file)
    assert result.exit_code == 0
    for words in ("run-1", "Jin [bold]city", "T6", "5m", "haproxy", "critical", "page.html", "signature valid"):
        assert words in result.stdout, words
    assert "nothing proves who signed it" in run("show", pack).stdout


def test_show_counts_open_findings_alone(tmp_path: Path, key: Ed25519PrivateKey) -> None:
    body = {"weakness": {"severity": "critical"}}
    write_pack(
        tmp_path / "healed.jsonl",
        [
            header(BEGUN, run="r", product="0", city=Text("城", "city"), key=key.public_key()),
            Record(Kind.FINDING_BEFORE, BEGUN, {**body, "state": "new"}),
            Record(Kind.FINDING_AFTER, BEGUN, {**body, "state": "resolved"}),
            Record(Kind.FINDING_AFTER, BEGUN, {**body, "state": ["odd"]}),
        ],
        key,
    )
    summary = json.loads(run("show", tmp_path / "healed.jsonl", "--json").stdout)["summary"]
    assert (summary["before"], summary["after"]) == ({"critical": 1}, {"critical": 1})
    assert "open findings" in run("show", tmp_path / "healed.jsonl").stdout


def test_a_fingerprint_is_never_cut_short(pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert "…" not in run("show", pack).stdout


def test_show_says_where_it_is_broken(pack: Path, key_file: Path) -> None:
    spoil(pack)
    result = run("show", pack)
    assert result.exit_code == 1
    assert "line 4" in result.stdout


def test_a_stranger_cannot_steer_the_terminal(tmp_path: Path, key: Ed25519PrivateKey, key_file: Path) -> None:
    evil = "\x1b]0;owned\x07[red]\x1b[2J\nfake line"
    odd = {"moments": [1], "measures": {"rto": {"seconds": "x"}}, "inconsistencies": "no", evil: evil}
    write_pack(
        tmp_path / "evil.jsonl",
        [
            header(BEGUN, run=evil, product=evil, city=Text(evil, evil), key=key.public_key()),
            Record(Kind.TIMING, BEGUN, odd),
            Record(Kind.TOOLS, BEGUN, {evil: evil}),
            Record(Kind.FINDING_AFTER, BEGUN, {"weakness": 7, "severity": evil}),
            Record(Kind.ATTACHMENT, BEGUN, {"name": evil}),
        ],
        key,
    )
    for arguments in (("show",), ("verify", "--key", key_file)):
        result = run(*arguments, tmp_path / "evil.jsonl")
        assert result.exit_code == 0
        assert "\x1b" not in result.stdout
        assert "\x07" not in result.stdout
        assert "\nfake line" not in result.stdout


def _secops(*arguments: object, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "JINDUN_LANG": "en"} | ({"JINDUN_HOME": str(home)} if home else {})
    return subprocess.run(
        [sys.executable, "-m", "secops", "evidence", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=280,
        check=False,
    )


@pytest.mark.slow
def test_what_cannot_be_read_ends_with_two(pack: Path, key_file: Path, tmp_path: Path) -> None:
    for arguments, words in (
        (("verify", tmp_path / "gone.jsonl", "--key", key_file), "cannot be read: No such file"),
        (("verify", pack, "--key", tmp_path / "gone.pem"), "cannot be read: No such file"),
        (("verify", pack, "--key", pack), "not an Ed25519 public key"),
        (("verify", pack), "name it with --key"),
        (("show", tmp_path), "cannot be read: Is a directory"),
    ):
        ended = _secops(*arguments)
        assert ended.returncode == 2, ended.stderr
        assert words in ended.stderr


@pytest.mark.slow
def test_the_key_of_the_home_is_the_default(pack: Path, tmp_path: Path, key_file: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "jindun.yaml").write_text("inventory: inventory.yaml\n")
    key_file.rename(tmp_path / "keys" / PUBLIC_KEY_NAME)
    assert _secops("verify", pack, home=tmp_path).returncode == 0
    other = _secops("verify", pack, "--key", tmp_path / "b.pub.pem", home=tmp_path)
    assert (other.returncode, "line 1 (header): the pack names another key" in other.stdout) == (1, True)
