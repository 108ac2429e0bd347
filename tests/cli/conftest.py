"""A home with the sample city and a few findings, and the command line on it."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from secops.model.finding import Severity
from secops.model.outcome import Outcome
from secops.support import language
from tests.cli.typed import Done, Findings, store, typed
from tests.contracts.evaluations import evaluation, weakness

ROOT = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "secops/inventory/sample_city.yaml", tmp_path / "inventory.yaml")
    (tmp_path / "jindun.yaml").write_text("state: state\n")
    (tmp_path / "state").mkdir()
    with store(tmp_path) as opened:
        opened.record(
            "scan-1",
            [
                evaluation(weakness(), weakness("/b", Severity.CRITICAL), weakness("/gone")),
                evaluation(asset="far", check="open-ports", outcome=Outcome.UNREACHABLE, system="tax"),
            ],
        )
        opened.record("scan-2", [evaluation(weakness(), weakness("/b", Severity.CRITICAL), minutes=5)])
    return tmp_path


@pytest.fixture
def findings(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Findings]:
    """Runs the command line as `secops` does, in this process for speed."""
    monkeypatch.setenv("JINDUN_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()

    def run(*arguments: str, lang: str = "en") -> Done:
        return typed(monkeypatch, capsys, "--lang", lang, "findings", *arguments)

    yield run
    language.choose(None)
    monkeypatch.undo()
    time.tzset()
