"""What can happen to a city, done to the lab: to processes, to lines, to disks."""

import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from secops.lab import etcd, haproxy, namespaces, postgresql, service, sshd, wan
from secops.lab.namespaces import Process
from secops.lab.places import CENTRES, PLACES, Lab
from secops.lab.servers import Server, start, wait
from secops.lab.status import SERVERS, kind, running
from secops.model.text import Text
from secops.support.errors import BadInput, Incomplete

_SETTLE_SECONDS = 10.0
_FILLER = "filler"


def kill(lab: Lab, place: str, server: str) -> None:
    """SIGKILL to every process of a server at once."""
    _kill_all(lab, place, server)


def stop(lab: Lab, place: str, server: str) -> None:
    """Ask a server to end, as an administrator would."""
    for pid in [running(lab, place)[server].pid] if server in running(lab, place) else []:
        os.kill(pid, signal.SIGINT if server == "postgresql" else signal.SIGTERM)
    _until(lambda: server not in running(lab, place), place, server)


def freeze(lab: Lab, place: str, server: str = "") -> None:
    """Stop the clock of a server, or of the whole centre: nothing ends, nothing answers, the kernel still acknowledges."""

    def all_stopped() -> bool:
        awake = [process for process in _family(lab, place, server) if process.state != "T"]
        _signal(awake, signal.SIGSTOP)
        return not awake

    _until(all_stopped, place, server)


def thaw(lab: Lab, place: str, server: str = "") -> None:
    """Let what is frozen go on."""
    _signal(_family(lab, place, server), signal.SIGCONT)


def start_server(lab: Lab, place: str, server: str) -> None:
    """Start one that does not run, on what it left."""
    if server in running(lab, place):
        raise BadInput(Text(f"{place} 的 {server} 正在运行", f"{server} of {place} runs"))
    made = _server(lab, place, server)
    start(lab, made)
    if server != "postgresql":  # an old primary may wait for its new one
        wait(lab, made)


def power_off(lab: Lab, place: str) -> None:
    """The centre falls silent in the middle of a word: nobody there can say goodbye."""
    isolate(lab, place)
    for server in SERVERS:
        kill(lab, place, server)


def power_on(lab: Lab, place: str) -> None:
    """Machines start again; whether the database does is for the service to say, where there is one."""
    for other in PLACES:
        if other != place:
            for source, target in ((place, other), (other, place)):
                wan.change(lab.router_socket, source, target, cut=False)
    for server in ("etcd", "haproxy", "sshd", *(("service",) if lab.home(place).exists() else ())):
        if server not in running(lab, place):
            start_server(lab, place, server)


def cut(lab: Lab, source: str, target: str, one_way: bool = False) -> None:
    """Nothing passes between two places, or from the first to the second alone."""
    _line(lab, source, target, one_way, cut=True)


def isolate(lab: Lab, place: str) -> None:
    """Cut a place off from all others."""
    for other in PLACES:
        if other != place:
            cut(lab, place, other)


def slow(lab: Lab, source: str, target: str, one_way: bool = False, **values: float) -> None:
    """Set `delay_ms`, `jitter_ms`, `loss_percent`, `kbit` of the line between two places."""
    _line(lab, source, target, one_way, **values)


def heal(lab: Lab) -> None:
    """Lines as in the beginning, what was frozen goes on, disks have room again."""
    wan.heal(lab.router_socket)
    for place in CENTRES:
        thaw(lab, place)
        disk_free(lab, place)


def disk_full(lab: Lab, place: str) -> None:
    """Not a byte is left on the disk of the database."""
    disk = lab.disk(place)
    if not disk.is_mount():
        raise Incomplete(Text(f"{disk} 不是独立的文件系统", f"{disk} is not a file system of its own"))
    with (disk / _FILLER).open("wb", buffering=0) as filler:
        filled = os.statvfs(disk)
        with suppress(OSError):
            os.posix_fallocate(filler.fileno(), 0, filled.f_bavail * filled.f_frsize)
        block = bytes(4096)
        with suppress(OSError):
            filler.seek(0, os.SEEK_END)
            while True:
                filler.write(block)


def disk_free(lab: Lab, place: str) -> None:
    """Take the filler away."""
    (lab.disk(place) / _FILLER).unlink(missing_ok=True)


def _line(lab: Lab, source: str, target: str, one_way: bool, **values: float | bool) -> None:
    if source == target:
        raise BadInput(Text("线路的两端相同", "a line has two different ends"))
    wan.change(lab.router_socket, source, target, **values)
    if not one_way:
        wan.change(lab.router_socket, target, source, **values)


def _server(lab: Lab, place: str, name: str) -> Server:
    made: dict[str, Callable[[Lab, str], Server]] = {
        "postgresql": postgresql.server,
        "etcd": etcd.server,
        "haproxy": haproxy.server,
        "sshd": sshd.server,
        "service": service.server,
    }
    if name == "haproxy":
        lab.entry_socket(place).unlink(missing_ok=True)
    if name == "sshd":
        (Path(lab.at(place)) / "sshd.pid").unlink(missing_ok=True)
    return made[name](lab, place)


def _family(lab: Lab, place: str, server: str) -> list[Process]:
    everyone = namespaces.processes(lab.namespace(place))
    return [process for process in everyone if not server or kind(process) == server]


def _kill_all(lab: Lab, place: str, server: str) -> None:
    killed: set[int] = set()

    def gone() -> bool:
        alive = _family(lab, place, server)
        _signal(alive, signal.SIGKILL)
        killed.update(process.pid for process in alive)
        # A database does not start while the number of its predecessor is still in the table of processes.
        return not alive and not any(Path(f"/proc/{pid}").exists() for pid in killed)

    _until(gone, place, server)


def _signal(processes: Iterable[Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)


def _until(done: Callable[[], bool], place: str, server: str) -> None:
    deadline = time.monotonic() + _SETTLE_SECONDS
    while not done():
        if time.monotonic() > deadline:
            raise Incomplete(Text(f"{place} 的 {server} 没有照办", f"{server or 'a process'} of {place} does not obey"))
        time.sleep(0.005)
