"""What the engines' real programs say of their progress is understood, and left out of what is kept."""

import random
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from backup.engine import engines
from backup.engines import borg, postgresql, restic
from secops.execution.executor import Advanced
from secops.model.city import CopiedBy, Line
from secops.model.step import LOCAL, Moved
from tests.backup.performing import Performing
from tests.backup.shelf import FIRST, make_shelf


@pytest.mark.parametrize(
    ("line", "moved"),
    [
        ("1.28 GB O 1.10 GB C 963.20 MB D 1 N 12 % N odd          \r", Moved(1_280_000_000)),
        ("0 B O 0 B C 0 B D 0 N src", Moved(0)),
        (" 13.9% Extracting: src/f\r", Moved(percent=13.9)),
        ("Checking segments 16.7%\r", Moved(percent=16.7)),
        ("./page: file changed while we backed it up\n", None),
        ("Data integrity error: Segment entry checksum mismatch [segment 4, offset 8]", None),
        ("12.5% of the time\n", None),
        ("Saving chunks cache\r", Moved()),
    ],
)
def test_what_borg_says(line: str, moved: Moved | None) -> None:
    assert borg.progress_of(line) == moved


@pytest.mark.parametrize(
    ("line", "moved"),
    [
        ('{"message_type":"status","percent_done":0.4,"total_bytes":629,"bytes_done":254}', Moved(254, 629)),
        ('{"message_type":"status","percent_done":0}', Moved()),
        ('{"message_type":"summary","data_added":3}', None),
        ("reading repository password from stdin", None),
        ('"status"', None),
    ],
)
def test_what_restic_says(line: str, moved: Moved | None) -> None:
    assert restic.progress_of(line) == moved


@pytest.mark.parametrize(
    ("line", "moved"),
    [
        ("  512/23026 kB (2%), 0/1 tablespace", Moved(512 * 1024, 23026 * 1024)),
        ("23026/23026 kB (100%), 1/1 tablespace (…00/base/5/1255)", Moved(23026 * 1024, 23026 * 1024)),
        ("waiting for checkpoint", None),
        ("Password: ", None),
    ],
)
def test_what_pg_basebackup_says(line: str, moved: Moved | None) -> None:
    assert postgresql.progress_of(line) == moved


@pytest.fixture(params=["borg", "restic"])
def told(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Advanced]]:
    """What was told while 40 MB were copied and restored."""
    engine = engines()[request.param]
    if not shutil.which(engine.name):
        pytest.skip(f"not installed: {engine.name}")
    monkeypatch.setenv("HOME", str(tmp_path))
    shelf = make_shelf(tmp_path)
    source = replace(shelf.source, copied_by=CopiedBy(engine.name, {}))
    (shelf.tree / "large").write_bytes(random.Random(1).randbytes(40_000_000))
    slow = replace(shelf.vault, line=Line(limit="20M"))
    advanced: list[Advanced] = []
    with Performing(tmp_path, on_advanced=advanced.append) as performing:
        performing.run(engine.backup(source, slow, shelf.keys, "one", FIRST))
        assert not [one for one in performing.performed if "large" in one.result.error_output + one.result.output]
        point = replace(shelf.point(engine, "one"), size_bytes=40_000_000)
        performing.run(engine.restore(source, point, shelf.vault, shelf.keys, LOCAL, str(tmp_path / "into")))
    assert (tmp_path / "into" / "large").stat().st_size == 40_000_000
    yield advanced


@pytest.mark.slow
def test_bytes_are_told_while_a_copy_is_made(told: list[Advanced]) -> None:
    copying = [one.moved for one in told if one.step.name.startswith("copy the source")]
    seen = [moved.done_bytes for moved in copying if moved.done_bytes]
    assert seen and seen == sorted(seen) and max(seen) <= 40_100_000
