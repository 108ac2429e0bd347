"""One etcd of three members for each module, healed for each test."""

import uuid
from collections.abc import Iterator

import pytest

from tests.lab.etcd_trio import ETCD, EtcdTrio, running_trio


@pytest.fixture(scope="module")
def module_trio() -> Iterator[EtcdTrio]:
    if not ETCD:
        pytest.skip("etcd is not installed")
    with running_trio() as running:
        yield running


@pytest.fixture
def trio(module_trio: EtcdTrio) -> Iterator[EtcdTrio]:
    yield module_trio
    module_trio.heal()


@pytest.fixture
def prefix() -> str:
    """A place in the store that no other test uses."""
    return f"/jindun/{uuid.uuid4().hex[:8]}/"
