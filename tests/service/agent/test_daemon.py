"""Daemons of three centres guard a real PostgreSQL pair: one story, whose chapters are told in order."""

import base64
import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.etcd_trio import ETCD
from tests.lab.haproxy import HAPROXY
from tests.service.agent.standing import CENTRES, Process, Standing, standing

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("daemon"),
    pytest.mark.skipif(not (ETCD and HAPROXY), reason="etcd or haproxy is not installed"),
    pytest.mark.timeout(240),
]


@pytest.fixture(scope="module")
def module_city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """The database `a` is under protection, and `b` can take over."""
    with standing(tmp_path_factory.mktemp("city")) as running:
        for centre in CENTRES:
            running.start(centre)
        running.wish("adopt", "a")
        running.wait(lambda: running.protected("a"))
        yield running


@pytest.fixture
def city(module_city: Standing) -> Iterator[Standing]:
    """Whatever a test did: all daemons run, and whoever serves is protected again."""
    yield module_city
    module_city.trio.heal()
    for centre in CENTRES:
        if module_city.daemons[centre].process.poll() is not None:
            module_city.start(centre)
        module_city.daemons[centre].process.send_signal(signal.SIGCONT)
    module_city.wait(lambda: module_city.protected(serving(module_city)))


def serving(city: Standing) -> str:
    return str(city.published()["primary"])


def epoch(city: Standing) -> int:
    return int(city.published()["version"]["epoch"])


def other(name: str) -> str:
    return "b" if name == "a" else "a"


def leader(city: Standing) -> Process:
    city.wait(lambda: any(daemon.leads for daemon in living(city)))
    return next(daemon for daemon in living(city) if daemon.leads)


def led_from_c3(city: Standing) -> Process:
    """The daemon there leads, and can be spared: neither member is its own."""
    chosen = leader(city)
    if chosen.centre != "c3":
        chosen.end(signal.SIGTERM)
        city.wait(lambda: city.daemons["c3"].leads)
        city.start(chosen.centre)
        city.wait(lambda: city.protected(serving(city)))
    return city.daemons["c3"]


def living(city: Standing) -> list[Process]:
    return [daemon for daemon in city.daemons.values() if daemon.process.poll() is None]


def test_whoever_leads_is_not_where_the_primary_is(city: Standing) -> None:
    centre = {"a": "c1", "b": "c2"}[serving(city)]
    city.wait(lambda: leader(city).centre != centre)


def test_a_killed_primary_is_followed_and_nothing_acknowledged_is_lost(city: Standing) -> None:
    before, number = serving(city), epoch(city)
    acknowledged = {key for key in (f"kill-{n}" for n in range(20)) if city.write(key)}
    assert acknowledged
    city.pair.kill(before)
    city.wait(lambda: serving(city) == other(before))
    assert epoch(city) > number
    city.wait(lambda: city.write("kill-after"))
    assert acknowledged <= city.ledger()


def test_a_planned_switchover_hands_over(city: Standing) -> None:
    before, number = serving(city), epoch(city)
    assert city.write("switch-before")
    city.wish("switchover", other(before))
    city.wait(lambda: city.protected(other(before), number + 1))
    city.wait(lambda: city.write("switch-after"))
    assert {"switch-before", "switch-after"} <= city.ledger()
    # What was asked for is not asked again.
    time.sleep(0.5)
    assert serving(city) == other(before)


def test_the_leader_is_killed_with_the_primary(city: Standing) -> None:
    """Somebody serves again: the standby once there is a leader, or the old one, started where it stood before that."""
    assert city.write("both-before")
    leader(city).end()
    city.pair.kill(serving(city))
    city.wait(lambda: city.write("both-after"))
    assert {"both-before", "both-after"} <= city.ledger()


def test_a_leader_frozen_past_its_lease_thaws_without_harm(city: Standing) -> None:
    frozen = led_from_c3(city)
    frozen.process.send_signal(signal.SIGSTOP)
    city.pair.kill(serving(city))
    city.wait(lambda: city.write("thaw-before"))
    city.wait(lambda: any(daemon.leads for daemon in living(city) if daemon is not frozen))
    city.wait(lambda: city.protected(serving(city)))
    number = epoch(city)
    frozen.process.send_signal(signal.SIGCONT)
    city.wait(lambda: frozen.said("daemon")[-1] != "c3 leads")
    assert city.write("thaw-after") and epoch(city) == number
    assert {"thaw-before", "thaw-after"} <= city.ledger()


def test_without_a_majority_nothing_is_decided_and_writing_goes_on(city: Standing) -> None:
    """The standby still confirms every commit, so that nobody can have taken over."""
    before, number = serving(city), epoch(city)
    members = [member for member in range(3) if member != 2][:2]
    for member in members:
        city.trio.kill(member)
    city.wait(lambda: not any(daemon.leads for daemon in living(city)))
    assert city.write("minority")
    city.trio.heal()
    city.wait(lambda: any(daemon.leads for daemon in living(city)))
    city.wait(lambda: city.protected(before))
    city.wait(lambda: "minority" in city.ledger())
    assert epoch(city) == number


def test_one_lost_etcd_changes_nothing(city: Standing) -> None:
    before, number = serving(city), epoch(city)
    city.trio.kill(0)
    until = time.monotonic() + 3
    while time.monotonic() < until:
        city.write("one-lost", 10)
    assert (serving(city), epoch(city)) == (before, number)


def test_a_second_daemon_of_a_centre_waits_for_the_first_to_end(city: Standing) -> None:
    second = city.start("c3", "c3-twin")
    city.wait(lambda: second.said("daemon"))
    time.sleep(1.0)
    assert second.said("daemon") == ["c3 waits for etcd, or for another daemon to end"]
    first = city.daemons["c3"]
    first.end(signal.SIGTERM)
    assert first.process.returncode == 0, city.told()
    city.wait(lambda: len(second.said("daemon")) > 1)
    second.end(signal.SIGTERM)


def test_one_memory_is_used_by_one_daemon(city: Standing) -> None:
    argv = ["-m", "tests.service.agent.daemon_process", str(city.folder / "c1.json")]
    again = subprocess.run([sys.executable, *argv], capture_output=True, text=True, timeout=280)
    assert again.returncode != 0 and "another daemon works in" in again.stderr


def test_what_was_done_is_known_without_the_centre_that_did_it(city: Standing) -> None:
    """A copy of every act is in etcd: intent, outcome, and why."""
    prefix = base64.b64encode(b"/jindun/test/runs/").decode()
    end = base64.b64encode(b"/jindun/test/runs0").decode()
    body = json.dumps({"key": prefix, "range_end": end}).encode()
    with urllib.request.urlopen(f"{city.trio.endpoints[2]}/v3/kv/range", data=body, timeout=5) as answer:
        runs = [json.loads(base64.b64decode(one["value"])) for one in json.load(answer)["kvs"]]
    promoted = [run for run in runs if run["act"] == "promote"]
    assert promoted and all(run["because"]["zh"] and run["state"] == "succeeded" for run in promoted)
    assert len({run["inputs"]["epoch"] for run in promoted}) == len(promoted)
    kinds = {entry["kind"] for run in promoted for entry in run["entries"]}
    assert {"started", "intent", "outcome", "state"} <= kinds


def test_no_memory_ever_goes_back(city: Standing) -> None:
    """A daemon that was started anew refuses what is below what it had seen."""
    path: Path = city.folder / "c2" / "failover" / "orders.json"
    highest = json.loads(path.read_text())["highest"]
    assert highest["epoch"] == epoch(city)
