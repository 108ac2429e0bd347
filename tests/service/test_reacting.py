"""What starts a playbook: findings, each once while it lasts, and the clock."""

import os
from datetime import timedelta

import pytest

from secops.execution.journal import RunState
from secops.model.finding import State
from secops.service.home import FILE
from secops.service.reacting import due_entries, react, reactions, run_entry
from secops.support.clock import now
from secops.support.errors import BadInput
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
