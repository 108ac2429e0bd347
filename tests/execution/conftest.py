"""Sentences are compared in English."""

from collections.abc import Iterator

import pytest

from secops.support.language import choose


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    choose("en")
    yield
    choose(None)
