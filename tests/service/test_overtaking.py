"""A run that waits does not go on by what was so before another run worked on its system."""

import pytest

from playbooks.approvals import Approval
from playbooks.load import Playbook, parse_playbook
from secops.execution.journal import Mode, RunState
from secops.service.running import approve, resume, start
from tests.service.conftest import Town

TEXT = """\
id: {id}
name: {{zh: 试, en: trial}}
inputs: {{system: {{describes: {{zh: 系统, en: system}}, default: {system}}}}}
steps:
  - {{id: act, uses: {action}, with: {{argv: ["true"]}}{undo}}}
  - {{id: late, uses: command.probe, with: {{argv: ["true"]}}{approval}}}
"""
UNDO = ", rollback: [{uses: command.run, with: {argv: ['true']}}]"


def playbook(name: str, *, changes: bool = True, waits: bool = False, system: str = "portal") -> Playbook:
    action, undo = ("command.run", UNDO) if changes else ("command.probe", "")
    approval = ", approval: {quorum: 1}" if waits else ""
    text = TEXT.format(id=name, system=system, action=action, undo=undo, approval=approval)
    return parse_playbook(text, f"{name}.yaml")


def test_a_run_that_was_overtaken_fails_and_says_by_which(town: Town) -> None:
    waits = start(town.home, playbook("first", waits=True), {}).run
    assert waits.state is RunState.WAITING_APPROVAL
    other = start(town.home, playbook("second"), {}).run
    approve(town.home, waits.id, "late", Approval("Li", "agreed"))
    ended = resume(town.home, waits.id)
    assert ended.run.state is RunState.FAILED
    assert other.id in ended.run.because.en
    assert [record.path for record in ended.records] == ["act"]


@pytest.mark.parametrize(
    ("other", "mode"),
    [
        (playbook("reads", changes=False), Mode.REAL),
        (playbook("rehearsed"), Mode.REHEARSAL),
        (playbook("elsewhere", system="harbour"), Mode.REAL),
    ],
    ids=["reads", "rehearsed", "elsewhere"],
)
def test_what_changes_nothing_here_overtakes_nothing(town: Town, other: Playbook, mode: Mode) -> None:
    file = town.home.path("inventory.yaml")
    city = file.read_text()
    portal = city[city.index("  - id: portal") : city.index("    assets:")]
    file.write_text(city + portal.replace("id: portal", "id: harbour") + "    assets: []\n")
    del town.home.inventory
    waits = start(town.home, playbook("first", waits=True), {}).run
    assert start(town.home, other, {}, mode=mode).run.state is RunState.SUCCEEDED
    approve(town.home, waits.id, "late", Approval("Li", "agreed"))
    assert resume(town.home, waits.id).run.state is RunState.SUCCEEDED
