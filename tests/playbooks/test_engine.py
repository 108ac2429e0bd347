"""The engine: order, outputs, failures, rollback, approvals, rehearsal, resume. Commands are real."""

import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from playbooks.approvals import Approval, missing_approvals
from playbooks.load import parse_playbook
from playbooks.schema import StepSpec
from secops.coordination.coordinator import Held
from secops.evidence.keys import PUBLIC_KEY_NAME, load_public_key
from secops.evidence.verify import verify_pack
from secops.execution.executor import Boundary
from secops.execution.journal import Kind, Mode, RunState
from secops.service.home import Home
from secops.service.packing import pack_path
from secops.service.running import Ended, Watchers, approve, resume, start
from secops.support.errors import BadInput
from tests.playbooks.conftest import playbook_text, states

Play = Callable[..., Ended]


class Interrupted(BaseException):
    """Stands for the end of the process at a boundary."""


def note(file: Path, word: str) -> str:
    """A changing command that appends a word to a file, as YAML options."""
    return f"uses: command.run\n  with: {{argv: [sh, -c, 'printf \"{word} \" >> \"$0\"', '{file}']}}"


def test_steps_run_in_order_and_pass_outputs_on(play: Play) -> None:
    ended = play(
        """\
- {id: first, uses: command.probe, with: {argv: [echo, hello]}}
- {id: second, uses: command.probe, with: {argv: [echo, "${{ steps.first.outputs.output }} world"]}}
"""
    )
    assert ended.run.state is RunState.SUCCEEDED
    assert [record.path for record in ended.records] == ["first", "second"]
    assert ended.records[1].outputs["output"] == "hello world"


def test_steps_without_needs_run_at_once(play: Play, tmp_path: Path) -> None:
    """Each waits until all four are there."""
    (tmp_path / "here").mkdir()
    script = f'cd {tmp_path}/here && touch $0 && until [ "$(ls | wc -l)" = 4 ]; do sleep 0.02; done'
    ended = play(
        "".join(
            f"- {{id: s{n}, uses: command.probe, with: {{argv: {json.dumps(['sh', '-c', script, str(n)])}}}, needs: []}}\n"
            for n in range(4)
        )
    )
    assert ended.run.state is RunState.SUCCEEDED, ended.run.because


def test_a_condition_that_does_not_hold_skips_the_step_alone(play: Play) -> None:
    ended = play(
        """\
- {id: a, uses: command.probe, with: {argv: [echo, no]}}
- {id: b, uses: command.probe, with: {argv: ["false"]}, when: steps.a.outputs.output == "yes"}
- {id: c, uses: command.probe, with: {argv: [echo, on]}}
"""
    )
    assert states(ended) == {"a": "done", "b": "skipped", "c": "done"}


def test_a_failure_stops_what_comes_after(play: Play) -> None:
    ended = play(
        """\
- {id: a, uses: command.probe, with: {argv: ["false"]}}
- {id: b, uses: command.probe, with: {argv: [echo, never]}}
"""
    )
    assert ended.run.state is RunState.FAILED
    assert states(ended) == {"a": "failed"}
    assert "step a failed" in ended.run.because.en
    assert "步骤 a 失败" in ended.run.because.zh


def test_a_failure_may_be_passed_over(play: Play) -> None:
    ended = play(
        """\
- {id: a, uses: command.probe, with: {argv: ["false"]}, on_failure: continue}
- {id: b, uses: command.probe, with: {argv: [echo, on]}}
"""
    )
    assert ended.run.state is RunState.SUCCEEDED
    assert states(ended) == {"a": "failed", "b": "done"}


def test_rollback_undoes_the_newest_first(play: Play, tmp_path: Path) -> None:
    file = tmp_path / "ledger"
    steps = "".join(
        f"- id: {name}\n  {note(file, name)}\n  rollback:\n    - {note(file, 'un' + name).replace(chr(10), chr(10) + '    ')}\n"
        for name in ("one", "two")
    )
    ended = play(steps + "- {id: bad, uses: command.probe, with: {argv: ['false']}, on_failure: rollback}\n")
    assert ended.run.state is RunState.ROLLED_BACK
    assert file.read_text() == "one two untwo unone "


def test_rollback_stops_at_the_point_of_no_return(play: Play, tmp_path: Path, home: Home) -> None:
    file = tmp_path / "ledger"
    undo = f"    - {note(file, 'unearly').replace(chr(10), chr(10) + '    ')}"
    late = f"    - {note(file, 'unlate').replace(chr(10), chr(10) + '    ')}"
    text = playbook_text(
        f"- id: early\n  {note(file, 'early')}\n  rollback:\n{undo}\n"
        f"- id: point\n  {note(file, 'point')}\n  irreversible: true\n"
        f"- id: late\n  {note(file, 'late')}\n  rollback:\n{late}\n"
        "- {id: bad, uses: command.probe, with: {argv: ['false']}, on_failure: rollback}\n"
    )
    # A fence needs an entry, which this small playbook has not; the engine is asked directly, past `validate`.
    with pytest.raises(BadInput, match="no fence before it"):
        parse_playbook(text, "trial.yaml")
    playbook = parse_playbook(
        text.replace("  irreversible: true\n", "  rollback: [{uses: command.probe, with: {argv: ['true']}}]\n"), "t"
    )
    steps = tuple(s.model_copy(update={"irreversible": s.id == "point"}) for s in playbook.spec.steps)
    ended = start(home, type(playbook)(playbook.spec.model_copy(update={"steps": steps}), playbook.text, "t"), {})
    assert ended.run.state is RunState.ROLLED_BACK
    assert file.read_text() == "early point late unlate "


def test_a_check_that_succeeds_makes_the_step_already_done(play: Play, tmp_path: Path) -> None:
    file = tmp_path / "ledger"
    ended = play(
        f"- id: a\n  {note(file, 'x')}\n  rollback: [{{uses: command.probe, with: {{argv: ['true']}}}}]\n"
        "  check: {uses: command.probe, with: {argv: [echo, there]}}\n"
    )
    assert states(ended)["a"] == "already_done"
    assert not file.exists()


APPROVED = "- {id: ask, uses: command.probe, with: {argv: [echo, done]}, approval: {quorum: 2, expires: 10m}}\n"


def test_a_step_waits_for_two_different_people(play: Play, home: Home) -> None:
    run = play(APPROVED).run
    assert run.state is RunState.WAITING_APPROVAL
    assert not pack_path(home, run.id).exists()
    approve(home, run.id, "ask", Approval("Li", "agreed"))
    approve(home, run.id, "ask", Approval("li ", "agreed again, under another spelling"))
    assert resume(home, run.id).run.state is RunState.WAITING_APPROVAL
    approve(home, run.id, "ask", Approval("Wang", "agreed"))
    assert resume(home, run.id).run.state is RunState.SUCCEEDED


def test_an_approval_expires(home: Home, play: Play) -> None:
    run = play(APPROVED).run
    for person in ("Li", "Wang"):
        approve(home, run.id, "ask", Approval(person, "agreed"))
    step = parse_playbook(run.text, "t").spec.steps[0]
    entries = home.journal.entries(run.id)
    given = max(entry.at for entry in entries)
    assert missing_approvals(step, entries, given + timedelta(minutes=9)) == 0
    assert missing_approvals(step, entries, given + timedelta(minutes=11)) == 2


def test_only_steps_that_ask_can_be_approved(home: Home, play: Play) -> None:
    run = play(APPROVED).run
    with pytest.raises(BadInput, match="asks for no approval"):
        approve(home, run.id, "other", Approval("Li", "?"))


def test_an_approver_at_hand_is_asked(play: Play) -> None:
    people = iter(("Li", "Wang"))

    def approver(step: StepSpec, missing: int) -> Approval:
        return Approval(next(people), f"{step.id}, {missing} missing")

    assert play(APPROVED, watchers=Watchers(approver)).run.state is RunState.SUCCEEDED


def test_a_rehearsal_says_what_would_be_done(play: Play, tmp_path: Path) -> None:
    file = tmp_path / "ledger"
    undo = "rollback: [{uses: command.probe, with: {argv: ['true']}}]"
    ended = play(
        "- {id: look, uses: command.probe, with: {argv: [echo, live]}}\n"
        f"- id: there\n  uses: command.run\n  with: {{argv: ['false'], done_when: ['true']}}\n  {undo}\n"
        f"- id: change\n  {note(file, 'x')}\n  {undo}\n",
        mode=Mode.REHEARSAL,
    )
    assert states(ended) == {"look": "looked", "there": "already_done", "change": "would_do"}
    assert not file.exists()


def test_a_rehearsal_says_what_cannot_be_done_and_goes_on(play: Play) -> None:
    ended = play(
        """\
- {id: look, uses: command.probe, with: {argv: [cat, /nothing/here]}}
- {id: other, uses: command.probe, with: {argv: [echo, live]}}
""",
        mode=Mode.REHEARSAL,
    )
    assert states(ended) == {"look": "cannot", "other": "looked"}
    assert ended.run.state is RunState.FAILED
    assert "No such file" in ended.records[0].because.en


def test_every_ended_run_leaves_a_pack_that_verifies(play: Play, home: Home) -> None:
    run = play("- {id: a, uses: command.probe, with: {argv: [echo, x]}}\n").run
    public = load_public_key(home.path(home.settings.keys) / PUBLIC_KEY_NAME)
    assert verify_pack(pack_path(home, run.id), public).ok


def test_a_step_over_its_budget_is_marked(play: Play) -> None:
    ended = play("- {id: a, uses: command.probe, with: {argv: [sleep, '0.3']}, budget: 100ms}\n")
    assert ended.run.state is RunState.SUCCEEDED
    assert 0.15 < ended.records[0].over_budget_seconds < 5


def test_bad_options_filled_in_at_run_time_fail_the_step(play: Play) -> None:
    ended = play(
        """\
- {id: a, uses: command.probe, with: {argv: [echo, x]}}
- {id: b, uses: command.probe, with: {argv: "${{ steps.a.outputs.output }}"}}
"""
    )
    assert ended.run.state is RunState.FAILED
    assert "argv" in ended.records[-1].because.en


HEAD = "inputs:\n  word: {describes: {zh: 词, en: word}}\n"


@pytest.mark.parametrize(("given", "said"), [({}, "“word” is missing"), ({"wrod": "x"}, "no input “wrod”")])
def test_inputs_are_checked_before_anything_is_recorded(
    play: Play, home: Home, given: dict[str, str], said: str
) -> None:
    with pytest.raises(BadInput, match=said):
        play("- {id: a, uses: command.probe, with: {argv: [echo, x]}}\n", head=HEAD, given=given)
    assert home.journal.runs() == []


def test_a_resume_uses_the_text_that_was_pinned(home: Home, play: Play) -> None:
    run = play(APPROVED).run
    assert home.journal.run(run.id).text == run.text
    assert home.journal.entries(run.id)[0].body["playbook_sha256"]


def test_an_ended_run_cannot_be_resumed(play: Play, home: Home) -> None:
    run = play("- {id: a, uses: command.probe, with: {argv: [echo, x]}}\n").run
    with pytest.raises(BadInput, match="has ended"):
        resume(home, run.id)


def test_an_ended_run_without_its_pack_gets_it_on_resume(play: Play, home: Home) -> None:
    run = play("- {id: a, uses: command.probe, with: {argv: [echo, x]}}\n").run
    pack_path(home, run.id).unlink()
    assert resume(home, run.id).run.state is RunState.SUCCEEDED
    assert pack_path(home, run.id).exists()


def test_a_run_is_executed_by_one_process_at_a_time(play: Play, home: Home) -> None:
    run = play(APPROVED).run
    with home.coordinator.acquire(f"run-{run.id}"), pytest.raises(Held, match=f"process {os.getpid()}"):
        resume(home, run.id)


def test_the_token_grows_with_every_holder(home: Home) -> None:
    tokens = []
    for _ in range(3):
        with home.coordinator.acquire("x") as lease:
            tokens.append(lease.token)
    assert tokens == [1, 2, 3]


@pytest.mark.parametrize("boundary", list(Boundary))
def test_an_interrupted_run_goes_on_from_where_it_was(
    play: Play, home: Home, tmp_path: Path, boundary: Boundary
) -> None:
    file = tmp_path / "ledger"
    undo = "rollback: [{uses: command.probe, with: {argv: ['true']}}]"
    steps = "".join(f"- id: {name}\n  {note(file, name)}\n  {undo}\n" for name in ("one", "two", "three"))

    def stop(reached: Boundary, path: str) -> None:
        if reached is boundary and path.startswith("two/"):
            raise Interrupted

    with pytest.raises(Interrupted):
        play(steps, watchers=Watchers(at_boundary=stop))
    ended = resume(home, home.journal.runs()[0].id)
    assert ended.run.state is RunState.SUCCEEDED
    assert file.read_text() == ("one two two three " if boundary is Boundary.AFTER_EFFECT else "one two three ")


def test_a_decision_is_only_taken_for_a_step_that_waits_for_one(play: Play, home: Home) -> None:
    run = play(APPROVED).run
    with pytest.raises(BadInput, match="--decide"):
        resume(home, run.id, {"ask/run": "done"})
    assert not [entry for entry in home.journal.entries(run.id) if entry.kind is Kind.DECISION]
