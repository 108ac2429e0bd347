"""A demo's centres held by a process of their own, to be killed, interrupted or run as somebody else."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_PROGRAM = """
import json, sys, time
from pathlib import Path
from secops.demo.centres import start
print("starting", flush=True)
with start(Path(sys.argv[1])) as centres:
    guardian = centres.keep() if "keep" in sys.argv else 0
    urls = [url for centre in centres.all for url in (centre.site_url, centre.tls_url)] + [centres.entry_url]
    print(json.dumps({"pids": centres.pids, "urls": urls, "guardian": guardian}), flush=True)
    if not guardian:
        time.sleep(600)
"""


@dataclass(slots=True)
class Holder:
    """The process that started the centres, in a session of its own."""

    process: "subprocess.Popen[str]"
    folder: Path

    def standing(self) -> dict[str, object]:
        """Wait until everything stands; what it says of it."""
        assert self.process.stdout
        for line in self.process.stdout:
            if line.startswith("{"):
                said: dict[str, object] = json.loads(line)
                return said
        assert self.process.stderr
        raise AssertionError(self.process.stderr.read())

    def send(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)

    def end(self) -> int:
        """Reap it, killed if need be."""
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def hold(folder: Path, *options: str, before: tuple[str, ...] = (), python: str = sys.executable) -> Holder:
    """Start centres in another process; `before` stands before the command."""
    process = subprocess.Popen(
        [*before, python, "-c", _PROGRAM, str(folder), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    return Holder(process, folder)


def processes_naming(folder: Path) -> list[str]:
    """Command lines, the test's own left out, of living processes that name the folder: all of a demo's servers do."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(folder) in line:
                found.append(f"{entry.name} {line}")
    return found


def eventually(true: Callable[[], bool], within_seconds: float) -> bool:
    """Whether it becomes true in time."""
    deadline = time.monotonic() + within_seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.02)
    return true()
