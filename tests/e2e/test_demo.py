"""The demo as a newcomer runs it: the whole story, nothing left behind, also after Ctrl-C at any moment."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from secops.evidence.keys import load_public_key
from secops.evidence.verify import verify_pack
from tests.demo.standing import eventually, processes_naming

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def room() -> Iterator[Path]:
    """A temporary directory of the demo's own: everything that it leaves would lie in it."""
    with tempfile.TemporaryDirectory(prefix="jd") as path:
        yield Path(path)


def command(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "secops", *arguments)


def environment(room: Path) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(room), "COLUMNS": "160"}


def left(room: Path) -> list[str]:
    return [*processes_naming(room), *(str(path) for path in room.iterdir())]


def test_the_story_ends_well_and_leaves_nothing_but_the_evidence(room: Path, tmp_path: Path) -> None:
    arguments = command("--lang", "zh", "demo", "--evidence", str(tmp_path / "evidence"))
    done = subprocess.run(arguments, env=environment(room), capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    assert left(room) == []
    pack = next((tmp_path / "evidence").glob("*.jsonl"))
    assert verify_pack(pack, load_public_key(next((tmp_path / "evidence").glob("*.pem")))).ok
    for words in ("34 个系统", "page-tamper.hidden-link: 新发现 → 已解决", "签名与哈希链有效", "不干净"):
        assert words in done.stdout
    # Every moment of the timeline was measured.
    assert re.findall(r"│ (T\d) │ \d{4}-", done.stdout) == [f"T{n}" for n in range(7)]


@pytest.mark.parametrize("after_seconds", [0.3, 3.0, 9.0])
def test_an_interrupt_cleans_up(room: Path, after_seconds: float) -> None:
    running = subprocess.Popen(
        command("demo"),
        env=environment(room),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    time.sleep(after_seconds)
    running.send_signal(signal.SIGINT)
    assert running.wait(60) != 0
    assert eventually(lambda: left(room) == [], 30), left(room)


def test_keep_leaves_it_standing_until_it_is_ended(room: Path) -> None:
    done = subprocess.run(
        command("--lang", "en", "demo", "--keep"), env=environment(room), capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stdout + done.stderr
    home, guardian = re.search(r"JINDUN_HOME=(\S+?)\. .*kill (\d+)", done.stdout.replace("\n", " ")).groups()  # type: ignore[union-attr]
    try:
        listed = subprocess.run(
            command("--home", home, "findings", "list", "--json"), capture_output=True, text=True, timeout=280
        )
        assert listed.returncode == 0, listed.stderr
        assert "http-headers" in listed.stdout
        points = subprocess.run(
            command("--home", home, "backup", "list", "convenience-01-content", "--json"),
            capture_output=True,
            text=True,
            timeout=280,
        )
        verdicts = [point["verdict"]["clean"] for point in json.loads(points.stdout)["points"]]
        # Before the intrusion, with the intruder in it, and again after the restore, which nobody has verified yet.
        assert verdicts == ["unknown"] * 3 + ["no"] * 3 + ["yes"] * 3
    finally:
        os.kill(int(guardian), signal.SIGTERM)
    assert eventually(lambda: left(room) == [], 30), left(room)
