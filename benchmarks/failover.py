"""How long nobody can write, and whether anything acknowledged is lost, when a centre fails; Patroni beside it.

`python -m benchmarks.failover [--rounds N] [--peer-rounds N] [--only TEXT[,TEXT]] [--long N] [--seed N] [--peer-only|--no-peer]`,
as root. Clients write in all four places of the lab; the outage is that of those in the production city, whose first
entry is that of the centre that fails. Each round begins at home and protected. "risen": refused, and there nevertheless.
"protected": from the fault, or from when it was mended, until a commit waits for a standby again. Patroni runs in
synchronous mode twice, as it comes and as fast as it may. `--long N`: N faults drawn by the seed, ours alone.
A declared disaster is not measured: it means that the votes of a whole city are lost, and no command declares that yet.
"""

import argparse
import json
import os
import random
import signal
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from backup.failover.canary.ledger import Entered, judge
from benchmarks.failing_over.faults import FAULTS, Fault
from benchmarks.failing_over.ours import Ours
from benchmarks.failing_over.patroni import DEFAULTS, FASTEST, Patroni, installed
from benchmarks.failing_over.report import TIMES_DEFAULTS, TIMES_FASTEST, figures, missed, ratios, table
from benchmarks.failing_over.rig import Rig
from benchmarks.failing_over.rounds import Seen, go_through, keys_of, set_right
from secops.lab.places import Lab
from secops.lab.up import refuse_machine
from secops.model.text import Text
from secops.support.errors import Incomplete

ROUNDS = 5
PEER_ROUNDS = 3
SEED = 7
_MOST_FAILURES = 3
"""Rounds that came to nothing before a rig is given up."""


@dataclass(slots=True)
class Rounds:
    """Everything that was seen."""

    folder: Path
    seen: list[Seen] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    """Rounds that came to nothing, and what was found missing at a lab's end."""
    loads: list[float] = field(default_factory=list)

    def run(self, rig: Rig, faults: Sequence[Fault]) -> None:
        """One after the other; a lab that is worn or not right again is built anew."""
        left, failures = list(faults), 0
        while left and failures < _MOST_FAILURES:
            try:
                with _standing(rig):
                    self._in_one_lab(rig, left)
            except Incomplete as error:
                failures += 1
                self.failed.append(f"{rig.name}, {left[0].name if left else 'at the end'}: {error}")
                print(self.failed[-1], flush=True)

    def _in_one_lab(self, rig: Rig, left: list[Fault]) -> None:
        entries: list[Entered] = []
        while left and not rig.worn() and set_right(rig):
            seen, entered = go_through(rig, left[0], self.folder / f"{rig.lab.name}-{len(self.seen)}")
            del left[0]
            self.seen.append(seen)
            self.loads.append(os.getloadavg()[0])
            entries += entered
            print(_line(seen), f"load {self.loads[-1]:.1f}", flush=True)
        if not entries:
            raise Incomplete(Text(f"{rig.name}:未能就绪", f"{rig.name}: it did not get ready"))
        # What a later fault took away was not seen in the round that wrote it.
        if lost := judge(entries, keys_of(rig)).lost:
            self.failed.append(f"{rig.name}: {len(lost)} acknowledged writes are not there at the end")


@contextmanager
def _standing(rig: Rig) -> Iterator[None]:
    try:
        rig.up()
        yield
    finally:
        rig.down()


def _line(seen: Seen) -> str:
    back = "never" if seen.protected_seconds is None else f"after {seen.protected_seconds:.1f} s"
    bad = f"lost {seen.lost}, doubled {seen.doubled}, risen {seen.risen}"
    return f"{seen.rig}: {seen.fault.name}: {seen.outage_seconds:.2f} s of {seen.acknowledged} acks, {bad}, protected {back}"


def _peers(rounds: Rounds, faults: list[Fault], venv: Path, number: int) -> str:
    """Why there is no peer; empty when there is."""
    try:
        python = installed(venv)
    except Incomplete as reason:
        return str(reason)
    for manner in (DEFAULTS, FASTEST):
        rounds.run(Patroni(_lab("p"), python, manner), faults * number)
    return ""


def _lab(letter: str) -> Lab:
    return Lab(f"b{letter}{os.getpid() % 10_000_000}")


def _chosen(only: str) -> list[Fault]:
    words = [word.strip() for word in only.split(",")]
    return [fault for fault in FAULTS if any(word in fault.name for word in words)]


def _promises(rounds: Rounds) -> list[str]:
    """Those that were not kept."""
    peers = ((DEFAULTS.name, TIMES_DEFAULTS), (FASTEST.name, TIMES_FASTEST))
    return [*missed(rounds.seen, Ours.name, peers), *(one for one in rounds.failed if one.startswith(Ours.name))]


def _summary(rounds: Rounds, promises: list[str], absent: str) -> dict[str, object]:
    ours = [one for one in rounds.seen if one.rig == Ours.name]
    times = {rig: ratios(rounds.seen, Ours.name, rig) for rig in (DEFAULTS.name, FASTEST.name)}
    defaults = times[DEFAULTS.name]
    return {
        "name": "failover",
        "ours": _middle(rounds.seen, Ours.name),
        "peer": _middle(rounds.seen, DEFAULTS.name),
        "ratio": round(min(defaults.values()), 1) if defaults else None,
        "target": TIMES_DEFAULTS,
        "ok": bool(ours) and not promises,
        "faults": len(ours),
        "acknowledged": sum(one.acknowledged for one in ours),
        "lost": sum(one.lost for one in ours),
        "doubled": sum(one.doubled for one in ours),
        "risen": sum(one.risen for one in ours),
        "times_faster": {rig: {name: round(value, 1) for name, value in found.items()} for rig, found in times.items()},
        "missed": promises,
        "peer_failed": [one for one in rounds.failed if not one.startswith(Ours.name)],
        "no_peer_because": absent,
        "load": round(statistics.median(rounds.loads), 1) if rounds.loads else None,
    }


def _middle(seen: Sequence[Seen], rig: str) -> float | None:
    """Median of the medians of the faults that are compared."""
    found = [figures(seen, fault.name, rig) for fault in FAULTS if fault.compared]
    values = [one.p50 for one in found if one]
    return round(statistics.median(values), 2) if values else None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.failover", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of every fault with ours")
    parser.add_argument("--peer-rounds", type=int, default=PEER_ROUNDS, help="of every fault with each peer")
    parser.add_argument("--only", default="", help="parts of names of faults, by commas")
    parser.add_argument("--long", type=int, default=0, metavar="N", help="so many faults drawn by the seed, ours alone")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--venv", type=Path, help="where Patroni is or is to stay; else installed and thrown away")
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--peer-only", action="store_true")
    who.add_argument("--no-peer", action="store_true")
    arguments = parser.parse_args()
    if not _chosen(arguments.only):
        parser.error(f"no fault is called {arguments.only}")
    return arguments


def _measure(arguments: argparse.Namespace, folder: Path) -> tuple[Rounds, str]:
    rounds, faults = Rounds(folder), _chosen(arguments.only)
    if arguments.long:
        rounds.run(Ours(_lab("o")), random.Random(arguments.seed).choices(faults, k=arguments.long))
        return rounds, "the long mode is about ours alone"
    if not arguments.peer_only:
        rounds.run(Ours(_lab("o")), faults * arguments.rounds)
    absent = "not asked for"
    if not arguments.no_peer:
        absent = _peers(rounds, faults, (arguments.venv or folder / "patroni").resolve(), arguments.peer_rounds)
    return rounds, absent


def main() -> int:
    """0 when every promise was kept, 1 when one was not, 3 when this machine cannot."""
    arguments = _arguments()
    # Whoever ends it from outside lets it clean up as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        refuse_machine()
    except Incomplete as reason:
        print(reason)
        return 3
    with tempfile.TemporaryDirectory(prefix="bench-failover-") as folder:
        Path(folder).chmod(0o755)
        rounds, absent = _measure(arguments, Path(folder))
    promises = _promises(rounds)
    summary = _summary(rounds, promises, absent)
    title = f"failover: outage for clients, load {summary['load']} on {os.cpu_count()} cores"
    Console(width=132).print(table(title, rounds.seen, (Ours.name, DEFAULTS.name, FASTEST.name)))
    for one in promises:
        print(f"missed: {one}")
    if absent:
        print(f"no peer: {absent}")
    print(json.dumps(summary, ensure_ascii=False))
    return 0 if summary["ok"] or (arguments.peer_only and not absent) else 1


if __name__ == "__main__":
    sys.exit(main())
