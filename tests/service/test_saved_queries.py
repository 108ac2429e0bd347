"""Saved queries, when several people save at once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from secops.service.saved_queries import SavedQueries


def test_of_queries_that_are_saved_at_once_none_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "queries.json"
    names = [f"name-{number}" for number in range(60)]
    with ThreadPoolExecutor(8) as people:
        list(people.map(lambda name: SavedQueries(path).save(name, "severity:high"), names))
    assert sorted(SavedQueries(path).all()) == sorted(names)
