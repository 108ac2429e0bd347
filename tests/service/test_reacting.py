"""What starts a playbook: findings, each once while it lasts, and the clock."""

import os
from datetime import timedelta

import pytest

from secops.coordination.coordinator import Held
from secops.execution.journal import Mode, RunState
from secops.model.finding import State
from secops.model.text import Text
from secops.service.home import FILE
from secops.service.reacting import due_entries, react, reactions, run_entry
from secops.service.running import start
from secops.store.edits import Merge, Split
from secops.support.clock import now
from secops.support.errors import BadInput
from tests.contracts.evaluations import evaluation, weakness
from tests.service.conftest import Town


def called_for(town: Town, findings: tuple[str, ...]) -> list[str]:
    """Run what the findings call for; the playbooks by name."""
    names = []
    for reaction in reactions(town.home, findings):
        if reaction.playbook.spec.id == "restore-tampered-page":
            # The town has no file tree and no isolated place to restore from.
            with pytest.raises(BadInput, match=r"“tree” is missing; input “place” is missing"):
                react(town.home, reaction)
            continue
        assert react(town.home, reaction).run.state is RunState.SUCCEEDED
        names.append(reaction.playbook.spec.id)
    return names


def test_a_finding_starts_the_playbook_that_matches_it(town: Town) -> None:
    town.tamper()
    assert called_for(town, town.scan()) == ["note"]
    run = town.home.journal.runs()[0]
    assert run.trigger.startswith("finding:")
    assert run.inputs["values"] == {"word": "page"}


def test_the_same_finding_is_not_reacted_to_twice(town: Town) -> None:
    town.tamper()
    found = town.scan()
    assert called_for(town, found) == ["note"]
    assert called_for(town, found) == []


def test_a_finding_that_came_back_is_reacted_to_again(town: Town) -> None:
    town.tamper()
    found = town.scan()
    assert called_for(town, found) == ["note"]
    town.repair()
    assert town.scan() == ()
    assert town.home.store.get(found[0]).state is State.RESOLVED
    town.tamper()
    again = town.scan()
    assert again == found
    assert town.home.store.get(found[0]).state is State.REOPENED
    assert called_for(town, again) == ["note"]


def test_a_finding_that_a_person_took_on_calls_for_nothing_by_itself(town: Town) -> None:
    town.tamper()
    (found,) = town.scan()
    town.home.store.transition(found, State.TRIAGED, revision=1, actor="Li", reason="looking into it")
    assert called_for(town, (found,)) == []


def test_what_was_merged_calls_for_nothing_but_through_what_stands_for_it(town: Town) -> None:
    town.tamper()
    (found,) = town.scan()
    seen = town.home.store.get(found)
    other = evaluation(weakness("/other"), asset=seen.asset, system=seen.system)
    (first,) = town.home.store.record("other", [other]).new
    town.home.store.edit(Merge(first, Text("同", "the same"), part=found), actor="Li")
    assert called_for(town, (found, first)) == [], "no playbook matches the first"
    town.home.store.edit(Split(found, Text("不同", "another")), actor="Li")
    assert called_for(town, (found,)) == ["note"]


def test_two_runs_never_work_on_one_system_at_a_time(town: Town) -> None:
    town.tamper()
    (found,) = town.scan()
    finding, note = town.home.store.get(found), town.home.library.get("note")
    with town.home.coordinator.acquire("system-portal"):
        assert start(town.home, note, {}, finding=finding, mode=Mode.REHEARSAL).run.state is RunState.SUCCEEDED
        with pytest.raises(Held, match="system-portal"):
            start(town.home, note, {}, finding=finding)
    assert [run.mode for run in town.home.journal.runs()] == [Mode.REHEARSAL]
    assert start(town.home, note, {}, finding=finding).run.state is RunState.SUCCEEDED


def test_a_resolved_finding_calls_for_nothing(town: Town) -> None:
    town.tamper()
    found = town.scan()
    town.repair()
    town.scan()
    assert called_for(town, found) == []


def test_a_schedule_entry_is_due_once_for_all_missed_moments(town: Town) -> None:
    written = town.home.folder / FILE
    an_hour_ago = (now() - timedelta(hours=1)).timestamp()
    os.utime(written, (an_hour_ago, an_hour_ago))
    entries = due_entries(town.home)
    assert [entry.id for entry in entries] == ["nightly"]
    assert run_entry(town.home, entries[0]).run.state is RunState.SUCCEEDED
    assert due_entries(town.home) == []
    assert [entry.id for entry in due_entries(town.home, now() + timedelta(minutes=1))] == ["nightly"]


def test_nothing_is_due_before_its_first_moment(town: Town) -> None:
    assert due_entries(town.home, now()) == []
