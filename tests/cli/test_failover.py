"""`secops failover explain` says what the leader would do, and why."""

import json
import subprocess
import sys
from pathlib import Path

from pydantic import TypeAdapter

from backup.failover.situation import Seen, Situation
from tests.backup.failover.scenes import report, sights, situation

SILENT = sights(Seen.SILENT, 1.0)


def explain(folder: Path, *arguments: str, known: Situation | None = None) -> subprocess.CompletedProcess[str]:
    file = folder / "situation.json"
    if known:
        file.write_bytes(TypeAdapter(Situation).dump_json(known))
    words = ["failover", "explain", "clinic", "--situation", str(file), *arguments]
    command = [sys.executable, "-m", "secops", "--lang", "en", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_why_it_fails_over(tmp_path: Path) -> None:
    lost = situation(c2=report("c2", sights=SILENT), c3=report("c3", sights=SILENT), unheard=("c1",))
    told = explain(tmp_path, known=lost)
    assert told.returncode == 0, told.stderr
    assert "m1 has failed (c1: nothing heard; c2: silent 1.0 s; c3: silent 1.0 s)" in told.stdout
    assert "to be published" in told.stdout and "5 / 21" in told.stdout
    decided = json.loads(explain(tmp_path, "--json").stdout)
    assert decided["plan"] == "fail_over" and decided["publish"]["primary"] == "m2"


def test_what_is_no_situation(tmp_path: Path) -> None:
    assert explain(tmp_path).returncode == 2
    (tmp_path / "situation.json").write_text('{"cluster": 1}')
    told = explain(tmp_path)
    assert told.returncode == 2 and "is no situation: at cluster" in told.stderr
