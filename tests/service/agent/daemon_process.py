"""One daemon in a process of its own: `daemon_process.py STAND.json`, which names everything that the test has started.

Every sentence is one line of JSON on standard output.
"""

import asyncio
import json
import sys
from pathlib import Path

import orjson
from pydantic import TypeAdapter

from backup.failover.situation import Policy
from secops.coordination.lease_times import LeaseTimes
from secops.execution.dialogue import DialogueRunner
from secops.execution.fetch import FetchRunner
from secops.execution.local import LocalRunner
from secops.execution.runner import Runners
from secops.execution.secrets import Secrets
from secops.execution.sql import SqlRunner
from secops.model.cluster import Cluster
from secops.service.agent.daemon import Daemon, Stand
from secops.service.agent.telling import Told
from secops.support.clock import now, to_text


def main(path: Path) -> None:
    told = orjson.loads(path.read_bytes())
    local = LocalRunner(Secrets(path.parent))
    runner = Runners(local, local, DialogueRunner(), FetchRunner(lambda _host, _port: False), sql=SqlRunner())
    cluster = TypeAdapter(Cluster).validate_python(told["cluster"])
    stand = Stand(
        told["centre"],
        (cluster,),
        told["endpoints"],
        told["prefix"],
        Path(told["state"]),
        runner,
        # Patient, for machines that do much else.
        LeaseTimes(4, 0.5, 3.0),
        Policy(settle_seconds=1.0, report_stale_seconds=3.0, echo_stale_seconds=4.0),
    )
    asyncio.run(Daemon(stand).run(on_told=tell))


def tell(told: Told) -> None:
    print(json.dumps({"at": to_text(now()), "who": told.who, "text": told.text.en}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
