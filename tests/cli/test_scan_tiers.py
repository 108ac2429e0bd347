"""`secops scan` assesses the DR tiers with the rest, as somebody types it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.service.homes import HOST, SYSTEM, environment, new_home, strip_assets

pytestmark = pytest.mark.slow  # each starts a process of its own


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return new_home(tmp_path, "data")


def secops(home: Path, *arguments: str, lang: str = "en") -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "secops", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment(home, lang), timeout=280)


def scanned(home: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    done = secops(home, "scan", "--json", *arguments)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def tiers_of(scan: dict[str, Any]) -> list[str]:
    return [one["asset"] for one in scan["evaluations"] if one["check"] == "dr-tier"]


def test_alone_it_touches_nothing_and_finds_what_is_set_too_low(home: Path) -> None:
    (home / "jindun.yaml").write_text("{}\n")
    code, scan = scanned(home, "--check", "dr-tier")
    assert code == 1
    assert len(scan["evaluations"]) == len(tiers_of(scan)) == 34
    (finding,) = scan["findings"]
    assert (finding["asset"], finding["weakness"]["rule"]) == (HOST, "dr-tier.set-too-low")
    assert "set by hand to data" in finding["weakness"]["reason"]["en"]
    covered = json.loads(secops(home, "findings", "coverage", "--check", "dr-tier", "--json").stdout)
    assert sorted(row["outcome"] for row in covered) == ["found"] + ["tested_clean"] * 33
    refused = secops(home, "scan", "--system", SYSTEM)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "nothing is authorised" in refused.stderr


def test_it_goes_with_every_scan_and_only_for_what_is_chosen(home: Path) -> None:
    code, scan = scanned(home, "--system", SYSTEM)
    assert code == 1
    assert tiers_of(scan) == [HOST]
    assert len(scan["evaluations"]) > 1
    assert tiers_of(scanned(home, "--system", SYSTEM, "--check", "tcp-ports")[1]) == []
    assert tiers_of(scanned(home, "--asset", HOST)[1]) == [HOST]
    assert tiers_of(scanned(home, "--asset", "infrastructure-04-site")[1]) == []


def test_unknown_checks_are_refused_with_a_guess(home: Path) -> None:
    for name, guess in (("dr-teir", "did you mean dr-tier?"), ("tcp-port", "did you mean tcp-ports?")):
        done = secops(home, "scan", "--check", "dr-tier", "--check", name)
        assert (done.returncode, done.stdout) == (2, "")
        assert guess in done.stderr


def test_it_is_told_in_chinese(home: Path) -> None:
    done = secops(home, "scan", "--check", "dr-tier", lang="zh")
    assert done.returncode == 1
    assert "灾备等级设得过低" in done.stdout


def test_a_system_without_assets_leaves_the_scan_incomplete(home: Path) -> None:
    strip_assets(home)
    code, scan = scanned(home, "--system", SYSTEM)
    assert (code, [one["outcome"] for one in scan["evaluations"]]) == (3, ["skipped"])
    assert "no asset" in scan["evaluations"][0]["reason"]["en"]
    assert "system:infrastructure-04" in secops(home, "findings", "coverage", "--missing", "--check", "dr-tier").stdout
    assert scanned(home, "--check", "dr-tier")[0] == 3
    assert tiers_of(scanned(home, "--system", SYSTEM, "--kind", "host")[1]) == []
