"""A process that stands for leader and writes a counter while it leads: `candidate.py ENDPOINTS PREFIX NAME [blind]`.

Each try is one line of JSON on standard output. `blind` takes the clock away, so that only the guard in etcd can stop it.
"""

import asyncio
import json
import os
import sys
from contextlib import suppress

from secops.coordination.etcd import Etcd, EtcdUnreachable
from secops.coordination.etcd_wire import Put
from secops.coordination.leadership import Leadership, NotLeader
from secops.coordination.lease_times import LeaseTimes, boot_clock
from secops.coordination.mirror import Mirror
from secops.coordination.session import Session

TIMES = LeaseTimes(lives_seconds=3, renewed_every_seconds=0.5, self_stop_seconds=2.0)


async def stand(endpoints: list[str], prefix: str, name: str, *, blind: bool) -> None:
    clock = (lambda: 0.0) if blind else boot_clock
    async with Etcd(endpoints) as etcd:
        session, mirror = Session(etcd, TIMES, clock), Mirror(etcd, prefix)
        leadership = Leadership(etcd, session, mirror, f"{prefix}leader", name)
        async with asyncio.TaskGroup() as tasks:
            for part in (session.run(), mirror.run(), leadership.run(), work(leadership, prefix)):
                tasks.create_task(part)


async def work(leadership: Leadership, prefix: str) -> None:
    tell(event="ready")
    led = False
    while True:
        if leadership.leads or led:
            led = True
            try:
                token = leadership.token
                tell(event="try", token=token)
                done = await leadership.write([], [Put(f"{prefix}counter", str(token).encode())])
                tell(event="wrote", token=token, revision=done.revision)
            except NotLeader:
                led = False
                tell(event="refused")
            except EtcdUnreachable:
                tell(event="unreachable")
        await asyncio.sleep(0.02)


def tell(**fields: object) -> None:
    print(json.dumps(fields | {"at": boot_clock(), "pid": os.getpid()}), flush=True)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(stand(sys.argv[1].split(","), sys.argv[2], sys.argv[3], blind="blind" in sys.argv[4:]))
