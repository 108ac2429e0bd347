"""`secops metrics` as somebody types it."""

import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.service.homes import environment, new_home

pytestmark = pytest.mark.slow  # each starts a process of its own


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return new_home(tmp_path)


def secops(home: Path, *arguments: object, lang: str = "en") -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "secops", "metrics", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment(home, lang), timeout=280)


def names(text: str) -> set[str]:
    return {family.name for family in text_string_to_metric_families(text)}


def test_the_metrics_are_printed_in_both_languages(home: Path) -> None:
    english, chinese = secops(home), secops(home, lang="zh")
    assert (english.returncode, chinese.returncode) == (0, 0), english.stderr
    assert "jindun_runs_waiting" in names(english.stdout) == names(chinese.stdout)
    assert "# HELP jindun_restore_points 备份点数" in chinese.stdout


def test_a_file_is_replaced_as_a_whole_and_readable_by_the_collector(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "textfile" / "jindun.prom"
    file.parent.mkdir()
    file.write_text("old")
    done = secops(home, "--output", file)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "jindun_collected_timestamp_seconds" in names(file.read_text("utf-8"))
    assert file.stat().st_mode & 0o777 == 0o644
    assert list(file.parent.iterdir()) == [file]


def test_what_cannot_be_read_leaves_the_file_as_it_was(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "jindun.prom"
    file.write_text("old")
    (home / "inventory.yaml").write_text("no city\n")
    done = secops(home, "--output", file)
    assert (done.returncode, file.read_text()) == (2, "old")
    assert "Traceback" not in done.stderr


def test_a_folder_that_is_not_there_is_told(home: Path, tmp_path: Path) -> None:
    done = secops(home, "--output", tmp_path / "nowhere" / "jindun.prom")
    assert done.returncode == 3
    assert "cannot be written: No such file or directory" in " ".join(done.stderr.split())


def test_the_rules_need_no_home(tmp_path: Path) -> None:
    done = secops(tmp_path / "no-home", "--rules")
    assert done.returncode == 0, done.stderr
    rules = yaml.safe_load(done.stdout)["groups"][0]["rules"]
    assert "JindunCopyTooOld" in {rule["alert"] for rule in rules}
    assert secops(tmp_path / "no-home", "--rules", lang="zh").stdout == done.stdout
    assert secops(tmp_path / "no-home", "--rules", "--output", tmp_path / "rules.yml").returncode == 0
    assert (tmp_path / "rules.yml").read_text("utf-8") == done.stdout
    assert secops(tmp_path / "no-home").returncode == 2


@pytest.mark.slow
def test_it_serves_until_interrupted(home: Path) -> None:
    command = [sys.executable, "-m", "secops", "metrics", "serve", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(home)
    ) as served:
        try:
            assert served.stdout
            address = served.stdout.readline().strip()
            with urllib.request.urlopen(address, timeout=30) as answer:
                assert "jindun_runs_waiting" in names(answer.read().decode())
            served.send_signal(signal.SIGINT)
            assert served.wait(60) == 0
        finally:
            served.kill()


@pytest.mark.parametrize("listen", ["9466", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:99999", "192.0.2.1:0"])
def test_an_address_that_cannot_be_listened_on_is_refused(home: Path, listen: str) -> None:
    done = secops(home, "serve", "--listen", listen)
    assert (done.returncode, done.stdout) == (2, "")
    assert listen in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("lang", "told"), [("zh", "textfile 采集器"), ("en", "textfile collector")])
def test_help_speaks_both_languages(home: Path, lang: str, told: str) -> None:
    done = secops(home, "--help", lang=lang)
    assert done.returncode == 0
    assert told in done.stdout
