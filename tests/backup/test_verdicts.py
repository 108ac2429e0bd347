"""Which copy is trusted, and the sentence that says why the newer ones are not."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from backup.verdicts import select_clean
from secops.model.restore_point import Proof, Verdict
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
