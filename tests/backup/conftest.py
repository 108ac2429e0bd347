"""Sentences are compared in English; procedures run for real."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from secops.support.language import choose
from tests.backup.performing import Performing


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    choose("en")
    yield
    choose(None)


@pytest.fixture
def performing(tmp_path: Path) -> Iterator[Performing]:
    with Performing(tmp_path) as opened:
        yield opened
