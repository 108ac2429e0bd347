"""What a lab looks like from outside: who lives where, how the lines are."""

from dataclasses import dataclass

from secops.lab import namespaces, sshd, wan
from secops.lab.down import Left, what_is_left
from secops.lab.namespaces import Process
from secops.lab.places import CENTRES, PLACES, Lab, address, entry_dsn
from secops.lab.wan import Line
from secops.support.errors import Incomplete

SERVERS = ("postgresql", "etcd", "haproxy", "sshd", "service")
_PROGRAMS = {"postgres": "postgresql", "etcd": "etcd", "haproxy": "haproxy", "sshd": "sshd"}
_STOPPED = "T"


@dataclass(frozen=True, slots=True)
class Running:
    """One server of a centre."""

    pid: int
    frozen: bool


@dataclass(frozen=True, slots=True)
class Status:
    """A lab as it stands, or what is left of it."""

    left: Left
    servers: dict[str, dict[str, Running]]
    """By centre and server; who does not run is not there."""
    lines: tuple[Line, ...]
    """Empty when the router does not answer."""

    @property
    def whole(self) -> bool:
        """Every database, vote, entry and sshd runs, the daemons too where there is one, and the WAN answers."""
        guarded = any("service" in each for each in self.servers.values())
        needed = set(SERVERS) if guarded else set(SERVERS) - {"service"}
        return bool(self.lines) and all(needed <= set(self.servers[centre]) for centre in CENTRES)


def status(lab: Lab) -> Status:
    """Look, and change nothing."""
    left = what_is_left(lab)
    return Status(left, {centre: running(lab, centre) for centre in CENTRES}, _lines(lab) if left else ())


def running(lab: Lab, place: str) -> dict[str, Running]:
    """The servers of a place by name: of each family of processes the eldest."""
    everyone = namespaces.processes(lab.namespace(place))
    found: dict[str, Running] = {}
    for process in sorted(everyone, key=lambda each: each.pid):
        name = kind(process)
        parents = [each for each in everyone if each.pid == process.parent and kind(each) == name]
        if name and not parents:
            found[name] = Running(process.pid, process.state == _STOPPED)
    return found


def kind(process: Process) -> str:
    """Which server of the lab the process belongs to; empty for others."""
    if {"secops", "serve", "--centre"} <= set(process.argv):
        return "service"
    return _PROGRAMS.get(process.program, "")


def facts(lab: Lab, seen: Status) -> dict[str, object]:
    """For `--json`: everything that a program needs to use the lab or to hurt it."""
    return {
        "name": lab.name,
        "whole": seen.whole,
        "folder": str(lab.folder),
        "namespaces": {place: lab.namespace(place) for place in PLACES},
        "addresses": {place: address(place) for place in PLACES},
        "entry_dsn": entry_dsn(),
        "admin_key": str(sshd.admin_key(lab)),
        "known_hosts": str(sshd.known_hosts(lab)),
        "pids": {place: {name: one.pid for name, one in each.items()} for place, each in seen.servers.items()},
        "frozen": [
            f"{place}/{name}" for place, each in seen.servers.items() for name, one in each.items() if one.frozen
        ],
        "lines": [
            {
                "from": line.source,
                "to": line.target,
                "cut": line.cut,
                "delay_ms": line.delay_ms,
                "jitter_ms": line.jitter_ms,
                "loss_percent": line.loss_percent,
                "kbit": line.kbit,
            }
            for line in seen.lines
        ],
        "left": {
            "namespaces": list(seen.left.namespaces),
            "processes": len(seen.left.processes),
            "mounts": list(seen.left.mounts),
            "folder": seen.left.folder,
        },
    }


def _lines(lab: Lab) -> tuple[Line, ...]:
    try:
        return tuple(wan.lines(lab.router_socket))
    except Incomplete:
        return ()
