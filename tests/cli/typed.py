"""What a command that somebody types says, and the store that it works on."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from secops.cli.main import main
from secops.store.sqlite_store import SqliteStore

Findings = Callable[..., "Done"]


def store(home: Path) -> SqliteStore:
    return SqliteStore(home / "state" / "findings.sqlite")


@dataclass
class Done:
    """How the command ended."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: object) -> Done:
    """Run the command line as `secops` does, in this process for speed."""
    monkeypatch.setattr(sys, "argv", ["secops", *map(str, words)])
    try:
        main()
        code = 0
    except SystemExit as ended:
        code = int(ended.code or 0)
    return Done(code, *capsys.readouterr())


def as_json(findings: Findings, *arguments: str) -> Any:
    done = findings(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
