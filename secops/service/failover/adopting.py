"""Adopting a cluster: looked at, changed as was said, written into the inventory."""

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from backup.failover.adoption import Change, Looked, Remark, changes, look, make, primary_of, remarks
from secops.execution.executor import Allowance, Executor
from secops.execution.journal import Mode, Run, RunState
from secops.inventory.load import load_inventory
from secops.inventory.topology import broken_promises
from secops.model.cluster import Cluster, ClusterEntry, Member
from secops.model.step import ProcedureFailed
from secops.model.text import Text
from secops.service.agent.probing import ask
from secops.service.home import Home
from secops.support.clock import now
from secops.support.errors import BadInput, Incomplete

_ALLOWANCE = Allowance(timeout_seconds=600)


@dataclass(frozen=True, slots=True)
class Adoption:
    """What was seen, and what is to be changed."""

    cluster: Cluster
    primary: str
    remarks: tuple[Remark, ...]
    changes: tuple[Change, ...]


def examine(home: Home, cluster: Cluster) -> Adoption:
    """Look at every member; changes nothing. Raises Incomplete when one does not answer, BadInput for what cannot be one
    cluster."""
    looked: dict[str, Looked] = {}
    try:
        for member in cluster.members:
            looked[member.name] = ask(look(cluster, member), home.runners)
        primary = primary_of(looked)
    except ProcedureFailed as error:
        raise Incomplete(Text(error.zh, error.en)) from None
    known = _completed(home, cluster, primary, looked)
    return Adoption(known, primary, remarks(known, looked), changes(known, looked))


def change(home: Home, adoption: Adoption, on_done: Callable[[Change], None]) -> None:
    """Make every change, in order, under the journal. Raises Incomplete; what was done stays, and may be gone on with."""
    run = f"{now():%Y%m%d-%H%M%S}-adopt-{secrets.token_hex(2)}"
    with home.coordinator.acquire(f"run-{run}") as lease:
        inputs = {"cluster": adoption.cluster.id, "system": adoption.cluster.system}
        home.journal.begin(Run(run, "failover", "adopt", Mode.REAL, now(), inputs, "person"), lease.token)
        executor = Executor(home.journal, run, lease.token, Mode.REAL, home.runners)
        try:
            for number, one in enumerate(adoption.changes, 1):
                executor.run(f"change-{number}", make(adoption.cluster, one), _ALLOWANCE)
                on_done(one)
        except ProcedureFailed as error:
            failed = Text(error.zh, error.en)
            home.journal.set_state(run, lease.token, RunState.FAILED, failed)
            raise Incomplete(failed) from None
        home.journal.set_state(run, lease.token, RunState.SUCCEEDED, Text("已更改", "changed as was said"))


def entry_of(cluster: Cluster) -> str:
    """The cluster as it stands in an inventory, in YAML."""
    lines = [
        f"  - id: {cluster.id}",
        f"    system: {cluster.system}",
        f"    database: {cluster.database}",
        f"    account: {cluster.account}",
        *([f"    passfile: {cluster.passfile}"] if cluster.passfile else []),
        f"    home: {cluster.home}",
        f"    synchronous: [{', '.join(cluster.synchronous)}]",
        f"    voters: [{', '.join(cluster.voters)}]",
        "    members:",
        *(_member(member) for member in cluster.members),
        "    entries:",
        *(_entry(entry) for entry in cluster.entries),
    ]
    return "\n".join(lines) + "\n"


def write_entry(home: Home, cluster: Cluster) -> Path:
    """Append the cluster to the inventory, which stays as it is written otherwise. Raises BadInput when that is no sound
    inventory, or has clusters already: then it is for a person to put it among them."""
    path = home.path(home.settings.inventory)
    text = path.read_text(encoding="utf-8")
    if any(line.startswith("clusters:") for line in text.splitlines()):
        raise BadInput(
            Text(
                f"{path} 已有 clusters,请把所示条目放入其中",
                f"{path} has clusters already: put the entry that is shown among them",
            )
        )
    fresh = path.with_name(f".{path.name}.fresh")
    fresh.write_text(f"{text.rstrip()}\nclusters:\n{entry_of(cluster)}", encoding="utf-8")
    try:
        load_inventory(fresh)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    return path


def cluster_from(
    home: Home, system: str, id: str, members: Iterable[Member], entries: Iterable[ClusterEntry]
) -> Cluster:
    """As far as it is known before anybody was asked."""
    found = tuple(members)
    centres = [member.centre for member in found]
    others = [centre.id for centre in home.inventory.city.centres if centre.id not in centres]
    voters = tuple((centres + others)[: max(3, len(centres))])
    return Cluster(id, home.inventory.system(system).id, found, found[0].name, (), voters, tuple(entries))


def _completed(home: Home, cluster: Cluster, primary: str, looked: Mapping[str, Looked]) -> Cluster:
    if cluster.synchronous:
        return cluster
    sites = {centre.id: centre.site for centre in home.inventory.city.centres}
    members = tuple(
        replace(member, data_directory=looked[member.name].setting("data_directory")) for member in cluster.members
    )
    first = next(member for member in members if member.name == primary)
    near = [
        member.name for member in members if member is not first and sites.get(member.centre) == sites.get(first.centre)
    ]
    known = replace(cluster, members=members, home=primary, synchronous=(primary, *near[:1]))
    centres = {centre.id: centre for centre in home.inventory.city.centres}
    if mistakes := [text for _, text in broken_promises((), known, centres)]:
        raise BadInput(Text(";".join(one.zh for one in mistakes), "; ".join(one.en for one in mistakes)))
    return known


def _member(member: Member) -> str:
    words = f"name: {member.name}, centre: {member.centre}, host: {member.host}, address: {member.address}"
    return f"      - {{{words}, port: {member.port}, data_directory: {member.data_directory}}}"


def _entry(entry: ClusterEntry) -> str:
    words = f"centre: {entry.centre}, address: {entry.address}, port: {entry.port}, driver: {entry.driver}"
    return f"      - {{{words}, socket: {entry.socket}, backend: {entry.backend}}}"
