"""What agreeing costs: a compare-and-set by our client, by a bare kept-alive connection to one member, and by etcdctl.

Then how long nobody leads: after the leader resigned, was killed, and was frozen; and for how long no write is taken when
the etcd member that all prefer is killed. A real etcd of three members on loopback, so that the network costs nothing.
"""

import asyncio
import http.client
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table

from secops.coordination.etcd import Etcd, EtcdUnreachable
from secops.coordination.etcd_wire import Compare, Field, Get, Put, transaction_request
from tests.coordination.candidate import TIMES
from tests.coordination.test_leadership import Candidate
from tests.lab.etcd_trio import EtcdTrio, running_trio

ROUNDS = 400
ETCDCTL_ROUNDS = 30
CHANGES = 5
MOST_TIMES_THE_FLOOR = 2.0
_KEY = "/bench/counter"


async def by_ours(trio: EtcdTrio) -> list[float]:
    """Seconds of each compare-and-set."""
    async with Etcd(trio.endpoints) as etcd:
        await etcd.warm()
        revision, took = await etcd.put(Put(_KEY, b"0")), []
        for n in range(ROUNDS):
            began = time.perf_counter()
            done = await etcd.transact(
                [Compare(_KEY, Field.CHANGED, revision)], [Put(_KEY, str(n).encode())], [Get(_KEY)]
            )
            took.append(time.perf_counter() - began)
            assert done.succeeded
            revision = done.revision
        return took


def by_bare_connection(trio: EtcdTrio) -> list[float]:
    """The same requests over one connection to the first member, with nothing around them: the floor."""
    line, took = http.client.HTTPConnection(urlsplit(trio.endpoints[0]).netloc), []
    put = {"key": b64encode(_KEY.encode()).decode(), "value": b64encode(b"0").decode()}
    revision = int(_post(line, "kv/put", put)["header"]["revision"])
    for n in range(ROUNDS):
        request = transaction_request(
            [Compare(_KEY, Field.CHANGED, revision)], [Put(_KEY, str(n).encode())], [Get(_KEY)]
        )
        began = time.perf_counter()
        answer = _post(line, "kv/txn", request)
        took.append(time.perf_counter() - began)
        assert answer["succeeded"]
        revision = int(answer["header"]["revision"])
    line.close()
    return took


def by_etcdctl(trio: EtcdTrio) -> list[float]:
    """Its own program, started each time, as scripts do."""
    took = []
    for n in range(ETCDCTL_ROUNDS):
        text = f'ver("{_KEY}") > "0"\n\nput {_KEY} {n}\n\nget {_KEY}\n\n'
        began = time.perf_counter()
        argv = ["etcdctl", "--endpoints", ",".join(trio.endpoints), "txn"]
        done = subprocess.run(argv, input=text, capture_output=True, text=True, timeout=30, check=True)
        took.append(time.perf_counter() - began)
        assert done.stdout.startswith("SUCCESS"), done.stdout
    return took


def leader_changes(trio: EtcdTrio, folder: Path, number: int) -> list[float]:
    """Seconds from the signal to the leader until another has written."""
    took = []
    for n in range(CHANGES):
        prefix = f"/bench/{number}-{n}/"
        first = Candidate(trio, prefix, "first", folder / f"{number}-{n}-first.log")
        first.wait("wrote")
        second = Candidate(trio, prefix, "second", folder / f"{number}-{n}-second.log")
        second.wait("ready")
        time.sleep(0.5)
        began = time.monotonic()
        first.process.send_signal(number)
        second.wait("wrote")
        took.append(time.monotonic() - began)
        first.end()
        second.end()
    return took


async def member_lost(trio: EtcdTrio) -> float:
    """The longest pause of a writer whose preferred member, a follower, is killed under it."""
    async with Etcd(trio.endpoints) as etcd:
        await etcd.warm()
        if (await etcd.status(trio.endpoints[0])).leads:
            await etcd.transfer_leadership(trio.endpoints[0], (await etcd.status(trio.endpoints[1])).id)
        longest, last = 0.0, time.monotonic()
        killed, until = False, last + 4
        while time.monotonic() < until:
            if not killed and time.monotonic() > until - 3:
                trio.kill(0)
                killed = True
            with suppress(EtcdUnreachable):
                await etcd.put(Put(_KEY, b"."))
                longest, last = max(longest, time.monotonic() - last), time.monotonic()
        return longest


def _post(line: http.client.HTTPConnection, path: str, request: dict[str, object]) -> dict[str, dict[str, str]]:
    line.request("POST", f"/v3/{path}", json.dumps(request))
    answer: dict[str, dict[str, str]] = json.loads(line.getresponse().read())
    return answer


def main() -> int:
    table = Table(title="coordination: etcd of three members, loopback")
    for column in ("what", "n", "p50", "p99 or max"):
        table.add_column(column, justify="left" if column == "what" else "right")
    with running_trio() as trio, tempfile.TemporaryDirectory() as folder:
        floor = by_bare_connection(trio)
        ours = asyncio.run(by_ours(trio))
        floor += by_bare_connection(trio)
        ours += asyncio.run(by_ours(trio))
        scripts = by_etcdctl(trio)
        killed = leader_changes(trio, Path(folder), signal.SIGKILL)
        frozen = leader_changes(trio, Path(folder), signal.SIGSTOP)
        pause = asyncio.run(member_lost(trio))
    for what, took in (
        ("compare-and-set, our client", ours),
        ("compare-and-set, bare connection", floor),
        ("compare-and-set, etcdctl", scripts),
    ):
        table.add_row(what, str(len(took)), *(f"{1000 * value:.2f} ms" for value in (_middle(took), _worst(took))))
    for what, took in (("leader killed", killed), ("leader frozen", frozen)):
        table.add_row(
            f"{what} (lease {TIMES.lives_seconds} s)", str(len(took)), f"{_middle(took):.2f} s", f"{max(took):.2f} s"
        )
    table.add_row("preferred etcd member killed: longest pause", "1", "", f"{1000 * pause:.0f} ms")
    Console().print(table)
    ratio = _middle(ours) / _middle(floor)
    result = {
        "name": "coordination",
        "ours": round(1000 * _middle(ours), 3),
        "peer": round(1000 * _middle(floor), 3),
        "ratio": round(ratio, 2),
        "target": MOST_TIMES_THE_FLOOR,
        "ok": ratio <= MOST_TIMES_THE_FLOOR and pause < 2.0,
        "etcdctl": round(1000 * _middle(scripts), 3),
        "leader_killed_seconds": round(_middle(killed), 2),
        "leader_frozen_seconds": round(_middle(frozen), 2),
        "member_lost_seconds": round(pause, 3),
    }
    print(json.dumps(result))
    return 0 if result["ok"] else 1


def _middle(took: list[float]) -> float:
    return statistics.median(took)


def _worst(took: list[float]) -> float:
    return statistics.quantiles(took, n=100)[98]


if __name__ == "__main__":
    sys.exit(main())
