"""What a step costs: the executor against bare subprocesses, warm SSH against a fresh fabric connection per command.

A step of the executor includes its journal: intent and outcome, both on disk before it goes on.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from fabric import Config, Connection
from rich.console import Console
from rich.table import Table

from secops.execution.dialogue import DialogueRunner
from secops.execution.executor import Executor
from secops.execution.fetch import FetchRunner
from secops.execution.journal import Journal, Mode, Run
from secops.execution.local import LocalRunner
from secops.execution.runner import Runners
from secops.execution.secrets import Secrets
from secops.execution.ssh import SshRunner
from secops.model.step import LOCAL, Command, Procedure, Step
from secops.support.clock import now
from tests.lab.sshd import Sshd, running_sshd

LOCAL_ROUNDS = 200
WARM_ROUNDS = 100
FRESH_ROUNDS = 12
MOST_OVERHEAD_MS = 10.0
LEAST_SPEEDUP = 5.0
_HOST = "host-1"


class Steps:
    """Performs `true` through the executor, each time under a new name."""

    def __init__(self, folder: Path, runners: Runners) -> None:
        self._journal = Journal(folder / "journal.sqlite")
        self._journal.begin(Run("bench", "bench", "", Mode.REAL, now(), {}), token=1)
        self._executor = Executor(self._journal, "bench", 1, Mode.REAL, runners)
        self._count = 0

    def perform(self, host: str) -> None:
        """One changing step, so that both entries are written."""
        self._count += 1
        assert self._executor.run(f"step-{self._count}", _true_on(host))

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()


def _true_on(host: str) -> Procedure[bool]:
    result = yield Step("run true", Command(host, ("true",)), changes=True)
    return result.ok


def bare_subprocess() -> None:
    """The peer of a local step."""
    subprocess.run(["true"], check=True, capture_output=True)


def fresh_connection(sshd: Sshd) -> None:
    """The peer of a warm step: what a script with fabric does."""
    config = Config(overrides={"load_ssh_configs": False})
    kwargs = {"key_filename": str(sshd.client_key), "look_for_keys": False, "allow_agent": False}
    with Connection(sshd.address, user=sshd.user, port=sshd.port, config=config, connect_kwargs=kwargs) as connection:
        connection.client.load_host_keys(str(sshd.known_hosts))
        assert connection.run("true", hide=True, in_stream=False).ok


def milliseconds(act: Callable[[], None]) -> float:
    """Milliseconds of one call."""
    started = time.perf_counter()
    act()
    return (time.perf_counter() - started) * 1000


def side_by_side(ours: Callable[[], None], peer: Callable[[], None], rounds: int) -> tuple[float, float]:
    """Median milliseconds of both, taken in turns so that the machine's moods hit both alike."""
    ours()
    peer()
    pairs = [(milliseconds(ours), milliseconds(peer)) for _ in range(rounds)]
    return statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)


def measure(folder: Path, sshd: Sshd) -> dict[str, float]:
    """All figures in milliseconds."""
    secrets = Secrets(folder)
    ssh = SshRunner({_HOST: sshd.asset(_HOST)}, sshd.client_key, sshd.known_hosts, secrets)
    steps = Steps(folder, Runners(LocalRunner(secrets), ssh, DialogueRunner(), FetchRunner(lambda _host, _port: False)))
    try:
        command = Command(_HOST, ("true",))
        local, bare = side_by_side(lambda: steps.perform(LOCAL), bare_subprocess, LOCAL_ROUNDS)
        remote, warm = side_by_side(lambda: steps.perform(_HOST), lambda: _warm(ssh, command), WARM_ROUNDS)
        again, fresh = side_by_side(lambda: steps.perform(_HOST), lambda: fresh_connection(sshd), FRESH_ROUNDS)
    finally:
        steps.close()
        ssh.close()
    return {"local": local, "bare": bare, "remote": remote, "warm": warm, "again": again, "fresh": fresh}


def _warm(ssh: SshRunner, command: Command) -> None:
    assert ssh.perform(command, 10).ok


def show(figures: dict[str, float]) -> None:
    """The table."""
    table = Table("median per command", "executor", "peer", "", title="executor")
    overhead = figures["local"] - figures["bare"]
    rows = (
        ("local: bare subprocess", "local", "bare", f"+{overhead:.2f} ms, at most {MOST_OVERHEAD_MS:g}"),
        ("ssh: warm channel, no executor", "remote", "warm", f"+{figures['remote'] - figures['warm']:.2f} ms"),
        (
            "ssh: fresh fabric connection",
            "again",
            "fresh",
            f"{figures['fresh'] / figures['again']:.1f} times as fast, at least {LEAST_SPEEDUP:g}",
        ),
    )
    for name, ours, peer, verdict in rows:
        table.add_row(name, f"{figures[ours]:.2f} ms", f"{figures[peer]:.2f} ms", verdict)
    Console().print(table)


def main() -> int:
    """0 when both targets are met."""
    with tempfile.TemporaryDirectory() as folder, running_sshd(Path(folder) / "sshd") as sshd:
        figures = measure(Path(folder), sshd)
    show(figures)
    overhead = figures["local"] - figures["bare"]
    speedup = figures["fresh"] / figures["again"]
    ok = overhead <= MOST_OVERHEAD_MS and speedup >= LEAST_SPEEDUP
    summary = {
        "name": "executor",
        "ours": round(figures["again"], 3),
        "peer": round(figures["fresh"], 3),
        "ratio": round(speedup, 2),
        "target": LEAST_SPEEDUP,
        "ok": ok,
        "local_overhead_ms": round(overhead, 3),
        "local_overhead_target_ms": MOST_OVERHEAD_MS,
    }
    print(json.dumps(summary))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
