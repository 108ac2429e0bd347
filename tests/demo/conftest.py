"""Centres that stand while a module's tests run, and folders for those that come and go."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from secops.demo.centres import Centres, start
from secops.demo.processes import new_folder


@pytest.fixture(scope="module")
def centres() -> Iterator[Centres]:
    with start() as standing:
        yield standing


@pytest.fixture
def folder() -> Iterator[Path]:
    """A path that does not exist yet; pytest's own are too long for unix sockets."""
    path = new_folder()
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def short_path() -> Iterator[Path]:
    """An existing folder with a short path, open to other users."""
    with tempfile.TemporaryDirectory(prefix="jd") as path:
        Path(path).chmod(0o777)
        yield Path(path)
