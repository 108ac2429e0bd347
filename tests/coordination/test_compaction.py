"""Old revisions are forgotten by who leads, and a full store is seen, on a real etcd."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from secops.coordination.compaction import Compaction
from secops.coordination.etcd import Compacted, Etcd
from secops.coordination.etcd_wire import Put
from secops.coordination.mirror import Mirror
from tests.lab.etcd_trio import EtcdTrio

pytestmark = pytest.mark.slow


@asynccontextmanager
async def _compacting(etcd: Etcd, prefix: str, kept_seconds: float, *, leads: bool) -> AsyncIterator[Compaction]:
    mirror = Mirror(etcd, prefix)
    compaction = Compaction(etcd, mirror, lambda: leads, kept_seconds, 0.05)
    tasks = [asyncio.create_task(part()) for part in (mirror.run, compaction.run)]
    try:
        yield compaction
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _is_forgotten(etcd: Etcd, prefix: str, revision: int) -> bool:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(5):
            try:
                async for _ in etcd.watch(prefix, revision, prefix=True):
                    return False
            except Compacted:
                return True
    return False


@pytest.mark.parametrize(
    ("leads", "kept_seconds", "forgotten"), [(True, 0.3, True), (False, 0.3, False), (True, 600, False)]
)
def test_who_leads_forgets_what_is_old(
    trio: EtcdTrio, prefix: str, leads: bool, kept_seconds: float, forgotten: bool
) -> None:
    async def work() -> None:
        async with Etcd(trio.endpoints) as etcd, _compacting(etcd, prefix, kept_seconds, leads=leads):
            old = await etcd.put(Put(f"{prefix}k", b"1"))
            for n in range(30):
                await etcd.put(Put(f"{prefix}k", str(n).encode()))
                await asyncio.sleep(0.05)
            assert await _is_forgotten(etcd, prefix, old) is forgotten
            assert (await etcd.range(f"{prefix}k")).found[0].value == b"29"

    asyncio.run(work())


def test_a_full_store_is_seen(trio: EtcdTrio, prefix: str) -> None:
    async def work() -> None:
        async with Etcd(trio.endpoints) as etcd, _compacting(etcd, prefix, 600, leads=False) as compaction:
            member = await etcd.status(trio.endpoints[0])
            assert not await etcd.alarms()
            alarm = {"memberID": str(member.id), "alarm": "NOSPACE"}
            try:
                await etcd._ask("maintenance/alarm", alarm | {"action": "ACTIVATE"}, dict)
                async with asyncio.timeout(30):
                    while compaction.alarms != {"NOSPACE"}:
                        await asyncio.sleep(0.05)
            finally:
                await etcd._ask("maintenance/alarm", alarm | {"action": "DEACTIVATE"}, dict)

    asyncio.run(work())
