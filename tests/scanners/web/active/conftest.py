"""The vulnerable applications, once for all tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.lab.certificates import issue
from tests.lab.vulnerable.lab import Lab, running_lab


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Running; PHP and Node only where they are installed."""
    issued = issue(tmp_path_factory.mktemp("lab"), "127.0.0.1")
    with running_lab((issued.certificate_file, issued.key_file)) as lab:
        yield lab
