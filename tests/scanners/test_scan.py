"""Every (asset, check) ends exactly once, whatever the check does."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from time import monotonic
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanners.check import Baseline, Check
from scanners.coverage import coverage_of
from scanners.endings import Blocked, NotApplicable, OutOfScope, Unreachable
from scanners.found import all_checks, checks_named
from scanners.reach import Reach
from scanners.scan import Limits, Pair, pairs_of, scan
from secops.model.city import Asset, AssetKind
from secops.model.finding import Severity, Weakness, WeaknessClass
from secops.model.outcome import Evaluation, Outcome
from secops.model.text import Text
from secops.support.errors import BadInput, Incomplete
from tests.scanners.reaching import guard

T = Text("因", "because")
QUICK = Limits(total=8, per_target=4, check_seconds=0.2)


@dataclass(frozen=True)
class Seen:
    what: str


def weakness(rule: str = "odd.rule", severity: Severity = Severity.LOW) -> Weakness:
    return Weakness(WeaknessClass.WEB, rule, ("place",), severity, T, T, T)


class Odd(Check[Seen]):
    """Behaves as it is told."""

    name = "odd"
    title = T
    describes = T
    kinds = frozenset({AssetKind.HOST})
    observed_type = Seen

    def __init__(self, behaviour: str) -> None:
        self.behaviour = behaviour

    async def observe(self, asset: Asset, reach: Reach) -> Seen:
        match self.behaviour:
            case "hang":
                await asyncio.sleep(3600)
            case "hang stubbornly":
                await stubborn()
            case "another type":
                return "garbage"  # type: ignore[return-value]
            case "none":
                return None  # type: ignore[return-value]
            case "wrong fields":
                return Seen(what=object())  # type: ignore[arg-type]
        if self.behaviour in RAISED:
            raise RAISED[self.behaviour]
        return Seen("fine")

    def judge(self, asset: Asset, observed: Seen, baseline: Baseline[Seen] | None) -> Iterable[Weakness]:
        match self.behaviour:
            case "found":
                return [weakness(), weakness(severity=Severity.HIGH), weakness("odd.other", Severity.CRITICAL)]
            case "judge raises":
                raise KeyError("x")
            case "judge stops the interpreter":
                raise SystemExit(3)
            case "judge gives none":
                return None  # type: ignore[return-value]
            case "judge gives text":
                return ["garbage"]  # type: ignore[list-item]
            case "another check's rule":
                return [weakness("tls.expired")]
        return []


async def stubborn() -> None:
    for _ in range(3):
        try:
            await asyncio.sleep(0.6)
        except asyncio.CancelledError:
            continue


RAISED: dict[str, BaseException] = {
    "blocked": Blocked(T),
    "unreachable": Unreachable(T),
    "out of scope": OutOfScope(T),
    "not applicable": NotApplicable(T),
    "value error": ValueError("x"),
    "os error": OSError(5, "x"),
    "timeout": TimeoutError(),
    "recursion": RecursionError(),
    "memory": MemoryError(),
    "system exit": SystemExit(1),
    "generator exit": GeneratorExit(),
    "cancels itself": asyncio.CancelledError(),
    "stop iteration": StopIteration(),
    "group": BaseExceptionGroup("x", [ValueError("y")]),
    "bilingual": BadInput(T),
}
EXPECTED = {
    **dict.fromkeys(RAISED, Outcome.ERROR),
    "blocked": Outcome.BLOCKED,
    "unreachable": Outcome.UNREACHABLE,
    "out of scope": Outcome.SKIPPED,
    "not applicable": Outcome.SKIPPED,
    "hang": Outcome.UNREACHABLE,
    "another type": Outcome.ERROR,
    "none": Outcome.ERROR,
    "wrong fields": Outcome.ERROR,
    "found": Outcome.FOUND,
    "judge raises": Outcome.ERROR,
    "judge stops the interpreter": Outcome.ERROR,
    "judge gives none": Outcome.ERROR,
    "judge gives text": Outcome.ERROR,
    "another check's rule": Outcome.ERROR,
    "fine": Outcome.TESTED_CLEAN,
}


def host(name: str, address: str = "127.0.0.1") -> Asset:
    return Asset(id=name, kind=AssetKind.HOST, name=T, centre="c1", address=address)


def run(pairs: list[Pair], limits: Limits = QUICK, **options: Any) -> tuple[Evaluation, ...]:
    async def work() -> tuple[Evaluation, ...]:
        async with Reach(guard()) as reach:
            return await scan(pairs, reach, limits=limits, **options)

    return asyncio.run(work())


def odd_pairs(behaviours: Iterable[str]) -> list[Pair]:
    return [Pair("s1", host(f"h{at}"), Odd(behaviour)) for at, behaviour in enumerate(behaviours)]


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from([name for name in EXPECTED if name != "hang"]), max_size=40), st.integers(1, 5))
def test_every_pair_ends_exactly_once(behaviours: list[str], per_target: int) -> None:
    told: list[Evaluation] = []
    ended = run(odd_pairs(behaviours), Limits(8, per_target, 5), on_evaluated=told.append)
    assert list(ended) == told
    assert Counter(one.asset for one in ended) == Counter(f"h{at}" for at in range(len(behaviours)))
    for one in ended:
        assert one.outcome is EXPECTED[behaviours[int(one.asset[1:])]], one
        assert one.reason.zh and one.reason.en
        assert bool(one.observation) == one.outcome.successful


@pytest.mark.parametrize("behaviour", EXPECTED)
def test_each_behaviour_ends_as_what_it_is(behaviour: str) -> None:
    (ended,) = run(odd_pairs([behaviour]))
    assert ended.outcome is EXPECTED[behaviour], ended.reason
    assert (ended.system, ended.asset, ended.check) == ("s1", "h0", "odd")


def test_our_bug_says_what_it_was() -> None:
    (ended,) = run(odd_pairs(["value error"]))
    assert ended.reason == Text("程序缺陷:ValueError: x", "our bug: ValueError: x")


def test_a_place_is_named_once_and_the_worst_comes_first() -> None:
    (ended,) = run(odd_pairs(["found"]))
    assert [(one.rule, one.severity) for one in ended.weaknesses] == [("odd.other", "critical"), ("odd.rule", "low")]
    assert ended.reason.en == "tested, 2 weaknesses found"
    assert ended.observation == b'{"what":"fine"}'


@pytest.mark.slow
def test_a_check_that_refuses_to_end_is_left_behind() -> None:
    ended = run(odd_pairs(["hang stubbornly", "fine"]))
    assert {one.asset: one.outcome for one in ended} == {"h0": Outcome.UNREACHABLE, "h1": Outcome.TESTED_CLEAN}


class Counting(Odd):
    """Counts how many of it run at once, by address."""

    def __init__(self) -> None:
        super().__init__("fine")
        self.running: Counter[str] = Counter()
        self.most: Counter[str] = Counter()

    async def observe(self, asset: Asset, reach: Reach) -> Seen:
        for name in (asset.address, "all"):
            self.running[name] += 1
            self.most[name] = max(self.most[name], self.running[name])
        await asyncio.sleep(0.01)
        for name in (asset.address, "all"):
            self.running[name] -= 1
        return Seen("fine")


def test_limits_hold_in_total_and_per_target() -> None:
    counting = Counting()
    pairs = [Pair("s1", host(f"h{at}", f"127.0.0.{at % 6}"), counting) for at in range(60)]
    assert len(run(pairs, Limits(total=7, per_target=2, check_seconds=5))) == 60
    assert counting.most.pop("all") == 7
    assert set(counting.most.values()) == {2}


def test_the_kill_switch_skips_what_is_left() -> None:
    async def work() -> tuple[Evaluation, ...]:
        stop = threading.Event()
        async with Reach(guard(stop=stop)) as reach:
            threading.Timer(0.2, stop.set).start()
            return await scan(odd_pairs(["hang"] * 30), reach, limits=Limits(4, 4, 60))

    began = monotonic()
    ended = asyncio.run(work())
    assert monotonic() - began < 30
    assert [one.outcome for one in ended] == [Outcome.SKIPPED] * 30
    assert len({one.asset for one in ended}) == 30


def test_cancelling_a_scan_still_tells_of_every_pair() -> None:
    told: list[Evaluation] = []

    async def work() -> None:
        async with Reach(guard()) as reach:
            behaviours = ["fine"] * 3 + ["hang"] * 10
            task = asyncio.create_task(
                scan(odd_pairs(behaviours), reach, limits=Limits(4, 4, 60), on_evaluated=told.append)
            )
            await asyncio.sleep(0.2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(work())
    assert Counter(one.outcome for one in told) == {Outcome.TESTED_CLEAN: 3, Outcome.SKIPPED: 10}


def test_a_store_that_fails_ends_the_scan() -> None:
    def full(evaluation: Evaluation) -> None:
        raise OSError(28, "no space left")

    with pytest.raises(OSError, match="no space"):
        run(odd_pairs(["fine", "hang"]), on_evaluated=full)


class WithBaseline(Odd):
    """Gives its baseline away."""

    uses_baseline = True

    def judge(self, asset: Asset, observed: Seen, baseline: Baseline[Seen] | None) -> Iterable[Weakness]:
        return [] if baseline is None else [weakness(f"odd.{baseline.observed.what}-{baseline.approved_by}")]


def test_baselines_reach_the_judge_and_their_absence_is_said() -> None:
    pairs = [Pair("s1", host("h0"), WithBaseline("fine"))]
    (without,) = run(pairs)
    assert without.outcome is Outcome.TESTED_CLEAN
    assert "no baseline" in without.reason.en and "基线" in without.reason.zh
    (given_one,) = run(pairs, baselines=lambda asset, check: (b'{"what":"seen"}', "li"))
    assert given_one.weaknesses[0].rule == "odd.seen-li"
    (stale,) = run(pairs, baselines=lambda asset, check: (b'{"was":"other"}', "li"))
    assert stale.outcome is Outcome.ERROR


def test_with_the_store_away_what_compares_is_not_judged_and_the_rest_goes_on() -> None:
    def away(asset: str, check: str) -> tuple[bytes, str] | None:
        raise Incomplete(Text("服务器不可达", "the server is away"))

    (other,) = run([Pair("portal", host("a"), Odd("fine"))], baselines=away)
    (comparing,) = run([Pair("portal", host("a"), WithBaseline("fine"))], baselines=away)
    assert other.outcome is Outcome.TESTED_CLEAN
    assert comparing.outcome is Outcome.SKIPPED
    assert "the server is away" in comparing.reason.en


@pytest.mark.parametrize("noisy", [True, False])
def test_an_evaluation_says_whether_its_check_may_overlook_something(noisy: bool) -> None:
    (pair,) = odd_pairs(["clean"])
    pair.check.noisy = noisy  # type: ignore[misc]
    (evaluation,) = run([pair])
    assert evaluation.noisy is noisy


def test_checks_meet_only_the_kinds_they_are_for() -> None:
    site = Asset(id="w", kind=AssetKind.WEBSITE, name=T, centre="c1", url="http://127.0.0.1/")
    pairs = pairs_of([("s1", site), ("s2", host("h"))], all_checks().values())
    assert {(pair.asset.id, pair.check.name) for pair in pairs} == {
        *(("w", name) for name in ("exposed-files", "http-headers", "tls")),
        *(("h", name) for name in ("sshd-config", "tcp-ports")),
    }
    assert {pair.target for pair in pairs} == {"127.0.0.1"}


def test_an_unknown_check_is_named_with_a_guess() -> None:
    assert [check.name for check in checks_named(["tls", "tcp-ports", "tls"])] == ["tls", "tcp-ports"]
    with pytest.raises(BadInput, match="did you mean http-headers"):
        checks_named(["http-header"])


def test_coverage_counts_and_says_what_was_not_tested() -> None:
    coverage = coverage_of(run(odd_pairs(["fine", "found", "blocked", "value error", "fine"])))
    assert (coverage.total, coverage.tested, coverage.complete) == (5, 3, False)
    assert coverage.counts[Outcome.TESTED_CLEAN] == 2
    assert coverage.by_check["odd"][Outcome.FOUND] == 1
    assert [(one.asset, one.outcome) for one in coverage.not_tested] == [("h2", Outcome.BLOCKED), ("h3", Outcome.ERROR)]
    assert coverage.summary.en == "3 of 5 tested: 2 clean, 1 with weaknesses, 1 blocked, 1 ended by our bug"
    assert coverage_of([]).complete
