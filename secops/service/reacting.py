"""From findings and the clock to playbooks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from playbooks.load import Playbook
from playbooks.triggers import due, matching
from secops.model.finding import Finding, State
from secops.service.home import FILE, Home
from secops.service.running import UNATTENDED, Ended, Watchers, start
from secops.service.settings import ScheduleEntry
from secops.support.clock import now


@dataclass(frozen=True, slots=True)
class Reaction:
    """A playbook that a finding calls for."""

    playbook: Playbook
    finding: Finding


def reactions(home: Home, findings: Sequence[str]) -> Iterator[Reaction]:
    """What to run for findings, one at a time: a finding that an earlier run has resolved, or that a person took on,
    calls for nothing any more, and one for which the playbook ran since it came into its state is not run for again.
    For what was merged into another finding, that one calls.
    """
    for name in dict.fromkeys(home.store.get(one).part_of or one for one in findings):
        for playbook in list(home.library):
            finding = home.store.get(name)
            if finding.state not in (State.NEW, State.REOPENED) or playbook not in matching(
                [playbook], finding, home.inventory
            ):
                continue
            last = home.journal.triggered(trigger_of(playbook, finding))
            if last is None or last.started < finding.state_since:
                yield Reaction(playbook, finding)


def react(home: Home, reaction: Reaction, watchers: Watchers = UNATTENDED) -> Ended:
    """Run the playbook for the finding."""
    trigger = trigger_of(reaction.playbook, reaction.finding)
    return start(home, reaction.playbook, {}, finding=reaction.finding, trigger=trigger, watchers=watchers)


def trigger_of(playbook: Playbook, finding: Finding) -> str:
    """How the journal names what began a run for a finding."""
    return f"finding:{finding.id}:{playbook.spec.id}"


def due_entries(home: Home, moment: datetime | None = None) -> list[ScheduleEntry]:
    """The schedule entries whose time has come since they last ran, or since the home's settings were written."""
    written = datetime.fromtimestamp((home.folder / FILE).stat().st_mtime, UTC)
    found = []
    for entry in home.settings.schedule:
        last = home.journal.triggered(f"schedule:{entry.id}")
        if due(entry.cron, last.started if last else written, moment or now()):
            found.append(entry)
    return found


def run_entry(home: Home, entry: ScheduleEntry, watchers: Watchers = UNATTENDED) -> Ended:
    """Run what a schedule entry names."""
    playbook = home.library.get(entry.playbook)
    return start(home, playbook, dict(entry.inputs), trigger=f"schedule:{entry.id}", watchers=watchers)
