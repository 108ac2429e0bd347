"""Who may ask, who may agree, and what is covered."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secops.model.acceptance import Acceptance, Standing
from secops.model.finding import Finding, Severity, State
from secops.store.acceptances import LONGEST, approve, covers, request, withdraw
from secops.store.query_text import parse
from secops.support.errors import BadInput
from tests.contracts.evaluations import at, id_of, weakness

DAY = timedelta(days=1)
WORDS = {"reason": "旧系统", "control": "隔离网段", "requester": "Li Lei"}


def asked(query: str = "asset:site", up_to: Severity = Severity.HIGH, **more: str) -> Acceptance:
    words = WORDS | more
    return request(parse(query), up_to=up_to, expires=at(0) + 30 * DAY, at=at(0), **words)


def agreed(query: str = "asset:site", up_to: Severity = Severity.HIGH) -> Acceptance:
    return approve(asked(query, up_to), "Wang", at(1))


def finding(
    path: str = "/", severity: Severity = Severity.MEDIUM, exploited: bool = False, asset: str = "site"
) -> Finding:
    seen = weakness(path, severity, exploited=exploited)
    seen_at = (at(0), at(0), at(0), at(0))
    return Finding(id_of(path, asset), "portal", asset, "http-headers", seen, State.NEW, *seen_at)


def test_an_acceptance_goes_from_request_to_approval_to_its_end() -> None:
    one = asked()
    assert (one.standing(at(1)), one.revision, one.query) == (Standing.REQUESTED, 1, "asset:site")
    two = approve(one, " Wang ", at(1))
    assert (two.standing(at(2)), two.revision, two.approver, two.approved) == (Standing.APPROVED, 2, "Wang", at(1))
    assert two.standing(two.expires - timedelta(microseconds=1)) is Standing.APPROVED
    assert two.standing(two.expires) is Standing.EXPIRED
    three = withdraw(two, "Zhao", "已替换", at(3))
    assert (three.standing(at(4)), three.revision, three.ended_by) == (Standing.ENDED, 3, "Zhao")


@pytest.mark.parametrize(
    "name", ["Li Lei", " li lei ", "LI LEI", "lilei", "Li  Lei", "Li\tLei", "L\u200bi\u00ad Lei", "Li Lei\ufe0f"]
)
def test_who_asked_cannot_approve_however_the_name_is_written(name: str) -> None:
    with pytest.raises(BadInput, match="somebody else must"):
        approve(asked(), name, at(1))


@given(st.text(min_size=1).filter(str.strip), st.sampled_from([str, str.strip, lambda name: f" {name}\u3000"]))
def test_nobody_approves_their_own(name: str, written: Callable[[str], str]) -> None:
    with pytest.raises(BadInput, match="cannot approve it"):
        approve(asked(requester=name), written(name), at(1))


@pytest.mark.parametrize("word", ["reason", "control", "requester"])
def test_nothing_is_left_out(word: str) -> None:
    with pytest.raises(BadInput):
        asked("asset:site", Severity.HIGH, **{word: "  "})
    with pytest.raises(BadInput):
        approve(asked(), "", at(1))
    with pytest.raises(BadInput):
        withdraw(asked(), "Zhao", " ", at(1))


@pytest.mark.parametrize("expires", [at(0) - DAY, at(0), at(0) + LONGEST + timedelta(seconds=1)])
def test_it_ends_within_a_year(expires: object) -> None:
    with pytest.raises(BadInput, match="365 days"):
        request(parse("asset:site"), up_to=Severity.LOW, expires=expires, at=at(0), **WORDS)  # type: ignore[arg-type]
    longest = request(parse("asset:site"), up_to=Severity.LOW, expires=at(0) + LONGEST, at=at(0), **WORDS)
    assert longest.expires == at(0) + LONGEST


def test_what_is_over_is_neither_approved_nor_withdrawn() -> None:
    over = [withdraw(asked(), "Zhao", "x", at(1)), replace(asked(), expires=at(1))]
    for one in (*over, agreed()):
        with pytest.raises(BadInput):
            approve(one, "Wang", at(2))
    for one in over:
        with pytest.raises(BadInput):
            withdraw(one, "Zhao", "x", at(2))


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("", "cannot be all"),
        ("state:new", "scoped by state"),
        ("asset:site and not deadline:overdue", "scoped by deadline"),
        ("id:1-x or acceptance:*", "scoped by acceptance, id"),
        ("part_of:*", "part_of"),
    ],
)
def test_a_scope_is_neither_everything_nor_what_accepting_changes(query: str, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        asked(query)


def test_what_is_covered() -> None:
    decided = covers(agreed(), finding(), at(2))
    assert decided.action
    for words in ("Li Lei", "Wang", "隔离网段", "2026-03-31"):
        assert words in decided.because.en and words in decided.because.zh


@pytest.mark.parametrize(
    ("acceptance", "one", "minutes", "told"),
    [
        (asked(), finding(), 2, "not approved yet"),
        (agreed(), finding(), 60 * 24 * 30, "ended on 2026-03-31 08:00 UTC"),
        (withdraw(agreed(), "Zhao", "replaced", at(2)), finding(), 3, "withdrawn by Zhao: replaced"),
        (agreed(), finding(asset="other"), 2, "is outside of what"),
        (agreed(), finding(severity=Severity.CRITICAL), 2, "of severity critical; .* goes up to high"),
        (agreed(), finding(exploited=True), 2, "attackers are known to use"),
        (agreed("last_seen<7d"), finding(), 60 * 24 * 8, "is outside of what"),
    ],
)
def test_what_is_not_covered(acceptance: Acceptance, one: Finding, minutes: float, told: str) -> None:
    decided = covers(acceptance, one, at(minutes))
    assert not decided.action
    with pytest.raises(AssertionError, match=told):
        raise AssertionError(decided.because.en)
    assert decided.because.zh != decided.because.en


def test_an_acceptance_may_say_that_it_covers_what_is_exploited() -> None:
    assert covers(agreed("asset:site and exploited:yes"), finding(exploited=True), at(2)).action


def test_ages_are_counted_back_from_the_moment_of_judging() -> None:
    acceptance = agreed("last_seen<7d")
    assert covers(acceptance, finding(), at(60 * 24 * 6)).action
    assert not covers(acceptance, finding(), at(60 * 24 * 8)).action


@pytest.mark.parametrize(
    "part", [finding("/b", Severity.CRITICAL), finding("/b", exploited=True), finding("/b", asset="other")]
)
def test_all_that_is_there_of_a_group_must_be_covered(part: Finding) -> None:
    assert not covers(agreed(), finding(), at(2), [part]).action
    assert covers(agreed(), finding(), at(2), [replace(part, gone=True)]).action, "what is gone is no risk"
    assert covers(agreed(), finding(), at(2), [finding("/b")]).action
