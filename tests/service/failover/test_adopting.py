"""A primary and a standby that somebody else set up are adopted, and no commit of a client fails meanwhile."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from backup.failover.canary.client import Client
from backup.failover.canary.ledger import Entered, Told
from tests.lab.postgresql_pair import Pair, running_pair
from tests.service.failover.city import failover, told, write_home

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """As people set them up: the standby has no name of its own, holds a slot, and commits are lenient."""
    with running_pair() as running:
        port = running.members[0].port
        for statement in (
            "SELECT pg_create_physical_replication_slot('old_slot', true)",
            "ALTER SYSTEM SET synchronous_standby_names = 'FIRST 1 (walreceiver)'",
            "ALTER SYSTEM SET synchronous_commit = 'local'",
        ):
            running.ask("a", statement)
        running.ask("b", f"ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port={port} user=postgres'")
        running.ask("b", "ALTER SYSTEM SET primary_slot_name = 'old_slot'")
        for name in "ba":
            running.ask(name, "SELECT pg_reload_conf()")
        until(running, "a", "SELECT application_name || sync_state FROM pg_stat_replication", "walreceiversync")
        yield running


def until(pair: Pair, name: str, question: str, answer: str) -> None:
    for _ in range(600):
        if pair.ask(name, question) == answer:
            return
        threading.Event().wait(0.1)
    raise AssertionError(pair.ask(name, question))


def members(pair: Pair) -> list[str]:
    words = (f"{one.name}={one.centre}@{one.address}:{one.port}" for one in pair.members)
    return [word for one in words for word in ("--member", one)]


@contextmanager
def writing(pair: Pair) -> Iterator[list[Entered]]:
    """A client that commits all the while."""
    entered: list[Entered] = []
    where = f"host=127.0.0.1 port={pair.members[0].port} user=postgres dbname=postgres"
    ended = threading.Event()
    thread = threading.Thread(target=Client("k", [where], entered.append).run, args=(ended,))
    thread.start()
    try:
        yield entered
    finally:
        ended.set()
        thread.join()


def test_the_plan_says_everything_and_changes_nothing(pair: Pair, tmp_path: Path) -> None:
    home = write_home(tmp_path / "home", {}, "")
    turn_fsync(pair, "off")
    before = [pair.ask(name, "SELECT name, setting FROM pg_file_settings") for name in "ab"]
    # Nobody may be asked to trust one that confirms what is not on its disk: exit code 1.
    plan = told(home, "adopt", "s1", "--plan", *members(pair), code=1)
    assert ("a", "fsync must not be off") in {(one["member"], one["text"]["en"]) for one in plan["remarks"]}
    assert plan["primary"] == "a" and plan["cluster"]["synchronous"] == ["a", "b"]
    said = {(one["member"], one["text"]["en"]) for one in plan["changes"]}
    assert ("a", "synchronous_commit: local → on") in said
    assert any(member == "a" and "old_slot is dropped" in text for member, text in said)
    assert any(member == "b" and text.startswith("primary_conninfo: it follows") for member, text in said)
    assert [pair.ask(name, "SELECT name, setting FROM pg_file_settings") for name in "ab"] == before
    assert "clusters" not in (home / "inventory.yaml").read_text()
    turn_fsync(pair, "on")


def turn_fsync(pair: Pair, how: str) -> None:
    pair.ask("a", f"ALTER SYSTEM SET fsync = {how}")
    pair.ask("a", "SELECT pg_reload_conf()")
    until(pair, "a", "SHOW fsync", how)


def test_adopting_changes_what_was_said_and_no_commit_fails(pair: Pair, tmp_path: Path) -> None:
    home = write_home(tmp_path / "home", {}, "")
    with writing(pair) as entered:
        done = failover(home, "adopt", "s1", *members(pair))
    assert done.returncode == 3 and "written into" in done.stderr, done.stdout + done.stderr
    assert len(entered) > 20 and {one.told for one in entered} == {Told.OK}, [e for e in entered if e.told != Told.OK]
    assert pair.ask("a", "SELECT application_name || ' ' || sync_state FROM pg_stat_replication") == "b sync"
    assert pair.ask("a", "SELECT count(*) FROM pg_replication_slots") == "0"
    assert pair.ask("a", "SHOW synchronous_standby_names") == 'FIRST 1 ("b")'
    assert pair.ask("a", "SHOW synchronous_commit") == "on"
    assert "id: s1" in (home / "inventory.yaml").read_text()
    # Once more: the inventory knows it, and nothing is left to be changed.
    again = json.loads(failover(home, "adopt", "s1", "--plan", "--json").stdout)
    assert again["changes"] == [] and again["cluster"]["home"] == "a"


def test_what_stands_in_the_way_is_said(pair: Pair, tmp_path: Path) -> None:
    home = write_home(tmp_path / "home", {}, "")
    pair.ask("a", "ALTER ROLE ALL SET synchronous_commit = off")
    done = failover(home, "adopt", "s1", *members(pair))
    pair.ask("a", "ALTER ROLE ALL RESET synchronous_commit")
    assert done.returncode == 1 and "all roles in all databases: synchronous_commit=off" in done.stdout, done.stderr
    alone = failover(home, "adopt", "s1", *members(pair)[:2])
    assert alone.returncode == 2 and "name its primary and standbys" in alone.stderr
    away = failover(home, "adopt", "s1", *members(pair)[:2], "--member", "b=c2@127.0.0.1:1")
    assert away.returncode == 3 and "b does not answer postgres" in away.stderr
