"""Whether a run that waited or was interrupted may still go on."""

from playbooks.action import all_actions
from playbooks.load import parse_playbook
from secops.execution.journal import Kind, Mode, Run
from secops.service.home import Home


def overtaken_by(home: Home, run: Run) -> Run | None:
    """A real run that worked on the same system after this one last did.

    What this run chose, fenced and probed is out of date then: going on would, say, attach a copy over what was written
    since, behind a fence that no longer stands.
    """
    system = run.inputs["system"]
    if run.mode is not Mode.REAL or not system:
        return None
    acted = [entry.at for entry in home.journal.entries(run.id) if entry.kind is Kind.OUTCOME]
    later = home.journal.acted_on(system, since=max(acted, default=run.started))
    return next((one for one in later if one.id != run.id and _changes(one)), None)


def _changes(run: Run) -> bool:
    steps = parse_playbook(run.text, run.playbook).spec.steps
    return any(all_actions()[step.uses].touches.needs_rollback for step in steps)
