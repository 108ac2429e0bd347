"""Which copy is trusted, and the sentence that says why the newer ones are not."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from backup.policies import shipped_policies
from backup.verdicts import Freshness, due, proof_lasts, select_clean, standing
from secops.model.city import Tier
from secops.model.restore_point import Proof, Rung, Verdict
from secops.model.text import Text
from tests.backup.points import CLEAN, at, point

INFECTED = replace(CLEAN, clean=Proof.NO, because=Text("有暗链", "hidden link in index.html"))
UNREADABLE = Verdict(readable=Proof.NO, because=Text("坏块", "bad chunk"))

proofs = st.sampled_from(Proof)
points = st.lists(
    st.builds(
        lambda number, minutes, *answers: point(f"p{number}", minutes, Verdict(*answers)),
        st.integers(0, 10**6),
        st.integers(0, 60),
        proofs,
        proofs,
        proofs,
    ),
    max_size=10,
    unique_by=lambda each: each.id,
)


def test_the_newest_clean_copy_before_the_trouble_is_chosen_and_the_others_are_named() -> None:
    decision = select_clean(
        [
            point("old", 0, CLEAN),
            point("good", 10, CLEAN),
            point("unproven", 20),
            point("broken", 30, UNREADABLE),
            point("infected", 40, INFECTED),
            point("late", 50, CLEAN),
        ],
        before=at(45),
    )
    assert decision.action and decision.action.id == "v1/good"
    assert decision.because.en == (
        "v1/good (2026-11-22T12:10:00.000000Z) is the newest copy proven readable, restorable and clean; passed over: "
        "v1/late taken at or after the first sign of trouble; "
        "v1/infected is not clean (hidden link in index.html); "
        "v1/broken cannot be read (bad chunk); "
        "v1/unproven not proven readable (not verified yet)."
    )
    assert "有暗链" in decision.because.zh


def test_when_nothing_is_proven_nothing_is_chosen() -> None:
    decision = select_clean([point("a"), point("b", 1, INFECTED)], before=at(10))
    assert decision.action is None
    assert decision.because.en.startswith(
        "no copy taken before 2026-11-22T12:10:00.000000Z is proven clean; passed over"
    )
    assert select_clean([], before=at(0)).because.en.endswith("is proven clean.")


def test_a_copy_of_the_very_moment_is_too_late() -> None:
    assert select_clean([point("a", 10, CLEAN)], before=at(10)).action is None


@given(points, st.integers(0, 60))
def test_what_is_chosen_is_proven_before_and_the_newest_such(taken: list, minutes: int) -> None:  # type: ignore[type-arg]
    good = [each for each in taken if each.verdict.proven_clean and each.taken < at(minutes)]
    decision = select_clean(taken, at(minutes))
    assert (decision.action is None) == (not good)
    if decision.action:
        assert decision.action in good
        assert decision.action.taken == max(each.taken for each in good)
    newer = [each for each in taken if decision.action is None or each.taken > decision.action.taken]
    assert all(each.id in decision.because.en and each.id in decision.because.zh for each in newer)


@given(st.permutations([point(name, minutes, CLEAN) for minutes, name in enumerate("abcd")]))
def test_the_order_given_does_not_matter(taken: list) -> None:  # type: ignore[type-arg]
    chosen = select_clean(taken, at(60)).action
    assert chosen and chosen.id == "v1/d"


def looked(rung: Rung, minutes: float, **more: object) -> Verdict:
    """A verdict that passed that rung."""
    made = Verdict(judged=at(minutes), proven=at(minutes), rung=rung, because=Text("看", rung.name.lower()))
    if rung >= Rung.RESTORE:
        made = replace(made, readable=Proof.YES, restorable=Proof.YES)
    if rung >= Rung.SCAN:
        made = replace(made, clean=Proof.YES, rules="yara-rules@1")
    return replace(made, **more)  # type: ignore[arg-type]


def test_a_lesser_look_takes_nothing_from_what_was_proven() -> None:
    proven = looked(Rung.SCAN, 0)
    after = standing(proven, looked(Rung.SAMPLE, 10))
    assert after.proven_clean and (after.rung, after.proven, after.judged) == (Rung.SCAN, at(0), at(10))
    assert after.because == proven.because and after.rules == proven.rules
    assert standing(CLEAN, looked(Rung.SAMPLE, 10)).proven_clean, "from before the ladder, too"


def test_proof_against_a_copy_stands_at_once_and_ignorance_counts_neither_way() -> None:
    proven = looked(Rung.SCAN, 0)
    damaged = Verdict(readable=Proof.NO, judged=at(10), failed=Rung.REPOSITORY, because=Text("坏", "bad"))
    assert standing(proven, damaged) == damaged
    away = Verdict(judged=at(10), failed=Rung.REPOSITORY, because=Text("断", "no connection"))
    assert standing(proven, away).proven_clean
    infected = replace(looked(Rung.RESTORE, 0), clean=Proof.NO, failed=Rung.SCAN)
    assert standing(infected, looked(Rung.SAMPLE, 10)).clean is Proof.NO, "a sample clears nobody"
    assert standing(infected, looked(Rung.SCAN, 10)).proven_clean


verdicts = st.builds(
    lambda rung, minutes, failed, answers: looked(rung, minutes, failed=failed, clean=answers),
    st.sampled_from(Rung),
    st.integers(0, 60),
    st.sampled_from(Rung),
    proofs,
)


@given(verdicts, verdicts)
def test_what_stands_is_called_clean_only_by_a_scan_that_found_nothing(before: Verdict, seen: Verdict) -> None:
    after = standing(before, seen)
    if after.proven_clean:
        assert before.proven_clean or seen.proven_clean
        assert seen.clean is not Proof.NO
    assert after.judged == seen.judged


def test_what_is_due() -> None:
    fresh = Freshness(at(60), 3600 * 2, frozenset({"yara-rules@1"}))
    assert due(Verdict(), Rung.SCAN, fresh)
    assert not due(looked(Rung.SCAN, 0), Rung.SCAN, fresh)
    assert due(looked(Rung.SAMPLE, 0), Rung.SCAN, fresh)
    assert due(looked(Rung.SCAN, 0), Rung.BUSINESS, fresh)
    assert not due(looked(Rung.RESTORE, 0), Rung.SCAN, fresh), "there was nothing to scan it with"
    assert due(looked(Rung.SCAN, -61), Rung.SCAN, fresh), "its proof has aged"
    away = looked(Rung.RESTORE, 56, failed=Rung.SCAN)
    assert not due(away, Rung.SCAN, fresh) and due(replace(away, judged=at(50)), Rung.SCAN, fresh), "tried again later"
    newer = replace(fresh, rules=frozenset({"yara-rules@2"}))
    assert due(looked(Rung.SCAN, 0), Rung.SCAN, newer) and not due(looked(Rung.SCAN, 0), Rung.SAMPLE, newer)


def test_proof_lasts_twice_what_the_policy_puts_between_two_scans() -> None:
    days = {tier: proof_lasts(policy) / 86400 for tier, policy in shipped_policies().items()}
    assert days == {Tier.DATA: 14, Tier.APPLICATION: 2, Tier.BUSINESS: 1}


def test_aged_proof_is_passed_over_and_the_sentence_says_so() -> None:
    old, newer = point("old", 0, looked(Rung.SCAN, 30)), point("newer", 10, looked(Rung.SCAN, 11))
    decision = select_clean([old, newer], at(60), Freshness(at(60), 45 * 60))
    assert decision.action == old
    assert "v1/newer was proven too long ago (2026-11-22T12:11:00.000000Z; proof lasts 45m)" in decision.because.en
    assert "有效期 45m" in decision.because.zh
