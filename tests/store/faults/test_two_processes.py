"""Two processes that write the same findings: every sighting counts once, every edit that was taken is there."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.evaluations import id_of
from tests.lab.elasticsearch import shared_elasticsearch
from tests.store.elasticsearch_lab import fresh_indices
from tests.store.faults.rival import ASSET, ROUNDS, STATES, opened

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("elasticsearch")]

HERE = Path(__file__).parents[3]


@pytest.fixture(params=["a file", "two homes of a server", "one home of a server"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[list[Path], list[str]]]:
    """The folder of each process, and the server if there is one."""
    folders = [tmp_path / "0", tmp_path / ("1" if request.param == "two homes of a server" else "0")]
    for folder in folders:
        folder.mkdir(exist_ok=True)
    if request.param == "a file":
        yield folders, []
        return
    with fresh_indices(shared_elasticsearch()) as indices:
        yield folders, [indices.server.name, indices.prefix]


def test_two_processes_on_one_finding(place: tuple[list[Path], list[str]]) -> None:
    folders, server = place
    rivals = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.store.faults.rival", name, str(folder), *server],
            cwd=HERE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name, folder in zip(STATES, folders, strict=True)
    ]
    try:
        for rival in rivals:
            assert rival.stdout and rival.stdout.readline() == "open\n"
        said = [rival.stdin and rival.stdin.write("go\n") and rival.stdin.flush() for rival in rivals]
        assert said == [None, None]
        moved = {name: int(rival.communicate(timeout=120)[0]) for name, rival in zip(STATES, rivals, strict=True)}
    finally:
        for rival in rivals:
            rival.kill()
    with opened(folders[0], server) as store:
        for path in ("/", "/b"):
            assert store.get(id_of(path, ASSET)).times_seen == 2 * ROUNDS
        assert len(store.coverage()) == 2
        events = store.history(id_of("/b", ASSET))
        actors = [event.actor for event in events[1:]]
        assert {name: actors.count(name) for name in STATES} == moved
        assert sum(moved.values()) >= 2
        assert [event.revision for event in events] == list(range(1, sum(moved.values()) + 2))
        assert len(store.audit()) == sum(moved.values())
