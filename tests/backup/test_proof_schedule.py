"""Which copies are proven next: by what the policy asks for, then by what is left, within the budget, and at once."""

import time
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backup.ladder import bytes_for
from backup.policies import shipped_policies
from backup.proof_schedule import Schedule, schedule
from secops.model.city import Tier
from secops.model.restore_point import Proof, RestorePoint, Rung, Verdict
from secops.model.text import Text
from tests.backup.points import CLEAN, NOON, at, point

POLICIES = shipped_policies()
DAY = 24 * 60.0


def sized(
    name: str, minutes: float, verdict: Verdict | None = None, asset: str = "site", size: int = 1000
) -> RestorePoint:
    made = point(name, minutes, verdict, asset)
    return replace(made, id=f"v1/{asset}-{name}", size_bytes=size)


def scanned(minutes: float, rung: Rung = Rung.SCAN) -> Verdict:
    return replace(CLEAN, rung=rung, judged=at(minutes), proven=at(minutes))


def planned(points: list[RestorePoint], minutes: float, budget: int = 10**9, **tiers: Tier) -> Schedule:
    return schedule(points, tiers, POLICIES, at(minutes), budget)


def test_a_new_asset_is_proven_as_deep_as_its_policy_goes() -> None:
    data, business = sized("a", 0, asset="plain"), sized("a", 0, asset="grave")
    done = planned([data, business], 1, grave=Tier.BUSINESS)
    assert {job.point.asset: job.upto for job in done.jobs} == {"plain": Rung.SCAN, "grave": Rung.BUSINESS}
    assert done.jobs[0].point.asset == "grave", "the graver tier is first"
    assert "ever proven up to L5" in done.jobs[0].because.en


def test_no_rung_is_asked_for_that_cannot_be_climbed() -> None:
    done = schedule([sized("a", 0)], {"site": Tier.BUSINESS}, POLICIES, at(1), 10**9, {"site": Rung.SCAN})
    assert [job.upto for job in done.jobs] == [Rung.SCAN]


def test_what_was_proven_lately_is_left_alone_and_a_lesser_look_comes_first() -> None:
    points = [sized("old", 0, scanned(0))]
    assert planned(points, 60).jobs == ()
    (light,) = planned(points, 1.5 * DAY).jobs
    assert (light.upto, light.read_bytes) == (Rung.REPOSITORY, 0)
    (deep,) = planned(points, 7.1 * DAY).jobs
    assert deep.upto is Rung.SCAN


def test_the_newest_copy_stands_for_its_asset_and_older_ones_wait_for_room() -> None:
    points = [sized("old", 0), sized("new", 10)]
    everything = planned(points, 20)
    assert [job.point.archive for job in everything.jobs] == ["new", "old"]
    tight = planned(points, 20, budget=bytes_for(Rung.SCAN, 1000))
    assert [job.point.archive for job in tight.jobs] == ["new"]
    assert (tight.waiting, tight.waiting_bytes) == (1, bytes_for(Rung.SCAN, 1000))


def test_one_that_is_larger_than_the_budget_is_not_put_off_for_ever() -> None:
    done = planned([sized("giant", 0, size=10**12)], 1, budget=1)
    assert len(done.jobs) == 1 and done.read_bytes > 10**12


def test_what_is_known_to_be_broken_is_not_read_again_and_aged_proof_is() -> None:
    broken = Verdict(readable=Proof.NO, because=Text("坏", "bad"), judged=at(0), failed=Rung.SAMPLE)
    points = [
        sized("broken", 0, broken),
        sized("aged", 1, scanned(1)),
        sized("new", 15 * DAY - 1, scanned(15 * DAY - 1)),
    ]
    done = planned(points, 15 * DAY)
    assert [(job.point.archive, job.because.en) for job in done.jobs] == [("aged", "its proof has aged")]


@given(
    st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 10**6), st.sampled_from(["a", "b", "c"])), max_size=30),
    st.integers(0, 10**7),
)
def test_the_budget_holds_and_nothing_is_scheduled_twice(rows: list[tuple[int, int, str]], budget: int) -> None:
    points = [sized(str(number), minutes, None, asset, size) for number, (minutes, size, asset) in enumerate(rows)]
    done = planned(points, 30_000, budget, a=Tier.BUSINESS, b=Tier.APPLICATION)
    assert sum(job.read_bytes for job in done.jobs) == done.read_bytes
    assert done.read_bytes <= budget or len([job for job in done.jobs if job.read_bytes]) == 1
    assert len({job.point.id for job in done.jobs}) == len(done.jobs)
    assert len(done.jobs) + done.waiting == len(points)


@pytest.mark.parametrize("count", [100, 100_000])
def test_many_points_are_scheduled_in_less_than_a_second(count: int) -> None:
    base = sized("x", 0)
    verdicts = [Verdict(), scanned(0), scanned(-5 * DAY), scanned(-30 * DAY)]
    points = [
        RestorePoint(
            f"v{number % 3}/{number}",
            f"asset-{number % 500}",
            f"v{number % 3}",
            "borg",
            str(number),
            NOON - timedelta(minutes=number % 50_000),
            base.manifest,
            10_000 + number,
            verdicts[number % 4],
        )
        for number in range(count)
    ]
    tiers = {f"asset-{number}": list(Tier)[number % 3] for number in range(500)}
    began = time.process_time()
    done = schedule(points, tiers, POLICIES, at(1), 50_000_000)
    spent = time.process_time() - began
    assert done.jobs and done.read_bytes <= 50_000_000
    assert spent < 5.0, f"{spent:.2f} s of this process"
