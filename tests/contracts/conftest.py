"""A store of every kind, with a clock that the test sets."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from secops.store.finding_store import FindingStore
from tests.contracts.evaluations import at
from tests.contracts.store_maker import StoreMaker, makers, names


class Clock:
    """A clock that stands where the test puts it."""

    def __init__(self) -> None:
        self.minutes: float = 0

    def __call__(self) -> datetime:
        return at(self.minutes)


@pytest.fixture(params=names())
def maker(request: pytest.FixtureRequest) -> StoreMaker:
    return makers()[request.param]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(maker: StoreMaker, tmp_path: Path, clock: Clock) -> Iterator[FindingStore]:
    with maker.open(tmp_path, clock) as opened:
        yield opened
