"""How many random schedules of failures the shipped decisions are led through in a minute, and how soon each missing rule shows.

Nothing is compared with a peer: the table says what the checker finds with all rules on (nothing, or the target is
missed), and after how many schedules it finds each rule that is switched off.
"""

import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from backup.failover.situation import Plan
from tests.simulation.mutations import MUTATIONS, schedules_until_caught
from tests.simulation.schedule import STEPS, run

SECONDS = 30.0
PROCESSES = 2
TARGET_A_MINUTE = 100_000
MOST_FOR_A_MUTATION = 60_000
_HEALED_EVERY = 50
_BATCH = 500


@dataclass(slots=True)
class Explored:
    """What one process has seen."""

    schedules: int = 0
    processor_seconds: float = 0.0
    broken: list[tuple[int, str]] = field(default_factory=list)
    healed: dict[str, int] = field(default_factory=dict)
    plans: dict[Plan, int] = field(default_factory=dict)


def explore(first_seed: int, seconds: float) -> Explored:
    """Schedules one after the other; every fiftieth is mended and must become protected again."""
    seen, started, used = Explored(), time.monotonic(), time.process_time()
    while time.monotonic() - started < seconds:
        for seed in range(first_seed + seen.schedules, first_seed + seen.schedules + _BATCH):
            result = run(seed, heal=seed % _HEALED_EVERY == 0)
            if result.broken:
                seen.broken.append((seed, result.broken))
            if result.healed:
                seen.healed[result.healed] = seen.healed.get(result.healed, 0) + 1
            for plan, count in result.plans.items():
                seen.plans[plan] = seen.plans.get(plan, 0) + count
        seen.schedules += _BATCH
    seen.processor_seconds = time.process_time() - used
    return seen


def main() -> int:
    """0 when the rate is met, nothing is broken, and every missing rule is found."""
    with ProcessPoolExecutor(PROCESSES) as pool:
        started = time.monotonic()
        runs = list(pool.map(explore, range(0, PROCESSES * 10**9, 10**9), [SECONDS] * PROCESSES))
        wall = time.monotonic() - started
        caught = list(pool.map(_caught, range(len(MUTATIONS))))
    schedules = sum(one.schedules for one in runs)
    processor = sum(one.processor_seconds for one in runs)
    a_minute, a_processor_minute = schedules / wall * 60, schedules / processor * 60
    broken = [one for seen in runs for one in seen.broken]
    _show(runs, caught)
    for seed, why in broken[:10]:
        Console().print(f"seed {seed}: {why}")
    ok = a_minute >= TARGET_A_MINUTE and not broken and all(count for _, count, _ in caught)
    summary = {
        "name": "failover_simulation",
        "ours": round(a_minute),
        "peer": TARGET_A_MINUTE,
        "ratio": round(a_minute / TARGET_A_MINUTE, 2),
        "target": 1.0,
        "ok": ok,
        "schedules": schedules,
        "steps_each": STEPS,
        "a_processor_minute": round(a_processor_minute),
        "broken": len(broken),
        "mutations": {rule: count for rule, count, _ in caught},
    }
    print(json.dumps(summary))
    return 0 if ok else 1


def _caught(number: int) -> tuple[str, int, str]:
    mutation = MUTATIONS[number]
    return (mutation.rule, *schedules_until_caught(mutation, MOST_FOR_A_MUTATION))


def _show(runs: list[Explored], caught: list[tuple[str, int, str]]) -> None:
    plans = Table("decision", "times", title="what was decided")
    for plan in Plan:
        plans.add_row(plan.value, str(sum(seen.plans.get(plan, 0) for seen in runs)))
    ends = Table("after mending", "schedules", title="does it come back")
    for word in sorted({word for seen in runs for word in seen.healed}):
        ends.add_row(word, str(sum(seen.healed.get(word, 0) for seen in runs)))
    missing = Table("rule switched off", "found after", "as", title="mutations")
    for rule, count, why in caught:
        missing.add_row(rule, str(count) if count else "[red]not found[/red]", why)
    for table in (plans, ends, missing):
        Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
