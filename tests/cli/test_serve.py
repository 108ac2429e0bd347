"""`secops serve` as somebody types it, and homes that agree through an etcd."""

import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from secops.coordination.coordinator import Held
from secops.service.home import Home
from tests.inventory.test_topology import CITY
from tests.lab.etcd_trio import ETCD, EtcdTrio, running_trio
from tests.service.homes import environment

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trio() -> Iterator[EtcdTrio]:
    if not ETCD:
        pytest.skip("etcd is not installed")
    with running_trio() as running:
        yield running


def home_of(folder: Path, endpoints: list[str], city: str = CITY) -> Path:
    """With three centres; nobody listens where the members should be."""
    folder.mkdir()
    coordination = {"prefix": "/jindun/cli", "endpoints": dict(zip(("c1", "c2", "c3"), endpoints, strict=False))}
    (folder / "jindun.yaml").write_bytes(orjson.dumps({"coordination": coordination}))
    (folder / "inventory.yaml").write_text(city.replace("192.0.2.", "127.0.0."))
    return folder


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "secops", "serve", "--listen", "127.0.0.1:0", *arguments]


@pytest.mark.parametrize(
    ("endpoints", "city", "centre", "said"),
    [
        ([], CITY, "c1", "no coordination.endpoints"),
        (["http://127.0.0.1:9"], CITY.partition("clusters:")[0], "c1", "no clusters"),
        (["http://127.0.0.1:9"], CITY, "c9", "none of the voting centres"),
    ],
)
def test_what_cannot_be_served_is_bad_input(
    tmp_path: Path, endpoints: list[str], city: str, centre: str, said: str
) -> None:
    home = home_of(tmp_path / "home", endpoints, city)
    done = subprocess.run(
        command("--centre", centre), capture_output=True, text=True, env=environment(home, "en"), timeout=90
    )
    assert done.returncode == 2 and said in done.stderr


def test_it_serves_until_it_is_told_to_end(trio: EtcdTrio, tmp_path: Path) -> None:
    home, log = home_of(tmp_path / "home", trio.endpoints), tmp_path / "log"
    with log.open("wb") as sink:
        process = subprocess.Popen(command("--centre", "c1", "--json"), stdout=sink, env=environment(home, "en"))
    try:
        deadline = time.monotonic() + 60
        while "c1 leads" not in log.read_text():
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        first, *told = map(json.loads, log.read_text().splitlines())
        with urllib.request.urlopen(first["metrics"], timeout=30) as answer:
            families = {one.name: one for one in text_string_to_metric_families(answer.read().decode())}
        assert families["jindun_agent_leads"].samples[0].value == 1
        assert {sample.labels["member"] for sample in families["jindun_failover_member_seconds"].samples} <= {
            "m1",
            "m2",
            "m3",
        }
        assert all(line["text"]["zh"] and line["text"]["en"] for line in told)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


def test_homes_of_several_centres_take_their_leases_from_one_place(trio: EtcdTrio, tmp_path: Path) -> None:
    with (
        Home(home_of(tmp_path / "first", trio.endpoints)) as first,
        Home(home_of(tmp_path / "second", trio.endpoints)) as second,
    ):
        with first.coordinator.acquire("run-1") as lease, pytest.raises(Held), second.coordinator.acquire("run-1"):
            raise AssertionError
        with second.coordinator.acquire("run-1") as later:
            assert later.token > lease.token
