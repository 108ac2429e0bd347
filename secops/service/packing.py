"""The evidence pack of a run: journal, findings before and after, timeline, tool versions; sealed."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from platform import python_version

from playbooks.records import step_records
from secops import __version__
from secops.evidence.chain import Kind, Record
from secops.evidence.keys import PRIVATE_KEY_NAME, load_private_key
from secops.evidence.pack import Sealed, header, tools, write_pack
from secops.evidence.timings import Timings, timing_body
from secops.execution.journal import Kind as EntryKind
from secops.execution.journal import Mode, Run
from secops.model.finding import Finding
from secops.model.step import LOCAL, Command
from secops.service.canary import Canary
from secops.service.home import Home
from secops.store.query import Equals, Query, without_parts
from secops.support.clock import from_text, now

_ASKED = {
    "borg": ("borg", "--version"),
    "haproxy": ("haproxy", "-v"),
    "openssh": ("ssh", "-V"),
}
_LIBRARIES = ("fabric", "paramiko", "cryptography", "pydantic", "cel-python")
_MOST_FINDINGS = 1000


def timings_of(home: Home, run: Run, canary: Canary | None = None) -> Timings:
    """T0 to T6 of a run, from its journal, the finding that triggered it and the canary when there was one."""
    entries = home.journal.entries(run.id)
    records = step_records(entries).values()
    marks: dict[str, datetime] = {}
    for record in records:
        # The first counts: switching back later is no second promotion.
        marks.setdefault(record.milestone, record.at)
    taken = [record.outputs["taken"] for record in records if "taken" in record.outputs]
    # A drill takes the asset for lost at the moment when it begins.
    lost = run.started if run.mode is Mode.DRILL else None
    detected = _detected(run) or lost
    promoted = marks.get("t4")
    approved = [entry.at for entry in entries if entry.kind is EntryKind.APPROVAL and promoted and entry.at < promoted]
    served = canary.first_good_after(promoted) if canary and promoted else None
    return Timings(
        t0=canary.last_good_before_fault(detected) if canary and detected else lost,
        t1=detected,
        t2=max([run.started, *approved]),
        t3=marks.get("t3"),
        t4=promoted,
        t5=served or marks.get("t5"),
        t6=marks.get("t6"),
        recovered_to=from_text(taken[-1]) if taken else None,
    )


def _detected(run: Run) -> datetime | None:
    finding = run.inputs["finding"]
    if finding is None:
        return None
    return from_text(finding["state_since"] if finding["regressions"] else finding["first_seen"])


def findings_of(home: Home, system: str | None) -> list[Finding]:
    """The findings of one system, or of all, open or not."""
    query = without_parts(Query(Equals("system", system)) if system else Query())
    return list(home.store.find(query, limit=_MOST_FINDINGS).findings)


def seal(home: Home, run: Run, canary: Canary | None = None) -> Sealed:
    """Write the pack of a run into the home's evidence folder.

    Raises AlreadyThere for a run whose pack is there, BadInput without a usable key.
    """
    key = load_private_key(home.path(home.settings.keys) / PRIVATE_KEY_NAME)
    folder = home.state / "evidence"
    folder.mkdir(exist_ok=True, mode=0o700)

    def records() -> Iterator[Record]:
        yield header(run.started, run=run.id, product=__version__, city=home.inventory.city.name, key=key.public_key())
        for finding in run.inputs["before"]:
            yield Record(Kind.FINDING_BEFORE, run.started, finding)
        for entry in home.journal.entries(run.id):
            yield Record(Kind.JOURNAL, entry.at, entry)
        for after in findings_of(home, run.inputs["system"]):
            yield Record(Kind.FINDING_AFTER, now(), after)
        yield Record(Kind.TIMING, now(), timing_body(timings_of(home, run, canary)))
        yield tools(now(), tool_versions(home))

    return write_pack(folder / f"{run.id}.jsonl", records(), key)


def pack_path(home: Home, run: str) -> Path:
    """Where the pack of a run lies."""
    return home.state / "evidence" / f"{run}.jsonl"


def tool_versions(home: Home) -> Mapping[str, str]:
    """The tools and libraries that took part, as they name their own versions."""
    versions = {"jindun": __version__, "python": python_version()}
    versions |= {name: version(name) for name in _LIBRARIES}
    for name, argv in _ASKED.items():
        answer = home.runners.perform(Command(LOCAL, argv), 5)
        said = (answer.output or answer.error_output).strip().splitlines()
        versions[name] = said[0] if answer.ok and said else "not on this machine"
    return versions
