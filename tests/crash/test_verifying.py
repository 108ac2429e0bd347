"""The orchestrator killed with `kill -9` while it proves a copy, at boundaries all along the way, and resumed."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from secops.execution.journal import RunState
from secops.service.home import Home
from secops.service.running import resume
from tests.service.test_proving import VERIFY, Town, town

__all__ = ["town"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ALL = VERIFY.replace("place: room", "place: room, only_unproven: false")
_CHILD = """
import os, signal, sys
from pathlib import Path
from playbooks.load import parse_playbook
from secops.service.home import Home
from secops.service.running import Watchers, start

folder, text, name, wanted = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
seen = 0

def at_boundary(boundary, path):
    global seen
    seen += 1
    if seen == wanted:
        os.kill(os.getpid(), signal.SIGKILL)

with Home(folder) as home:
    start(home, parse_playbook(text, "trial.yaml"), {}, run_id=name, watchers=Watchers(at_boundary=at_boundary))
print(seen)
"""


def child(home: Home, name: str, wanted: int) -> "subprocess.CompletedProcess[str]":
    argv = (sys.executable, "-c", _CHILD, str(home.folder), ALL, name, str(wanted))
    return subprocess.run(argv, capture_output=True, text=True, timeout=300, cwd=Path(__file__).parents[2])


def boundaries(total: int) -> Iterator[int]:
    """Eight of them, spread from the first effect to the last."""
    yield from range(3, total, max(1, total // 8))


def test_killed_along_the_way_it_proves_the_same(town: Town) -> None:
    point = town.copied()
    whole = child(town.home, "whole", 0)
    assert whole.returncode == 0, whole.stderr
    expected = town.home.catalogue.get(point.id).verdict
    assert expected.proven_clean, expected.because
    for number in boundaries(int(whole.stdout)):
        killed = child(town.home, f"killed-{number}", number)
        assert killed.returncode == -9, killed.stderr
        ended = resume(town.home, f"killed-{number}")
        assert ended.run.state is RunState.SUCCEEDED, f"after boundary {number}: {ended.run.because.en}"
        verdict = town.home.catalogue.get(point.id).verdict
        assert verdict.proven_clean and verdict.rules == expected.rules
        assert list(town.room.iterdir()) == [], f"after boundary {number} something is left"
