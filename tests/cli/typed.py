"""What a command that somebody types says, and the store that it works on."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


def as_json(findings: Findings, *arguments: str) -> Any:
    done = findings(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
