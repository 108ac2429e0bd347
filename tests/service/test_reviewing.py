"""The review, on the sample city, with a clock that the test sets."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from secops.inventory.inventory import Inventory
from secops.model.acceptance import Acceptance
from secops.model.finding import Severity, State, Weakness
from secops.model.text import Text
from secops.service.reviewing import Reviewed, Sla, review
from secops.sla.holidays import shipped_calendar
from secops.sla.policy import shipped_sla_policy
from secops.store.acceptances import approve, request, withdraw
from secops.store.edits import Merge, Move, Split
from secops.store.query import Equals, Query
from secops.store.query_text import parse
from secops.store.sqlite_findings import write_findings
from secops.store.sqlite_store import SqliteStore
from tests.contracts.evaluations import evaluation, id_of, weakness
from tests.service.homes import HOST, SYSTEM, city_with

CITY = city_with()
SLA = Sla(shipped_sla_policy(), shipped_calendar())
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
"""A week without holidays; the system is of level 4."""
DAY = timedelta(days=1)
BECAUSE = Text("因为", "because")
A, B = (id_of(path, HOST) for path in ("/a", "/b"))


class City:
    """A store, what a scan sees in it, and the review, at the moment `now`."""

    def __init__(self, folder: Path) -> None:
        self.now = MONDAY
        self.folder = folder
        self.store = SqliteStore(folder / "findings.db", clock=lambda: self.now)
        self.scans = 0

    def see(self, *weaknesses: Weakness, system: str = SYSTEM, asset: str = HOST) -> None:
        self.scans += 1
        seen = evaluation(*weaknesses, asset=asset, system=system)
        self.store.record(f"s{self.scans}", [replace(seen, started=self.now)])

    def review(self, inventory: Inventory = CITY, sla: Sla = SLA, *, anew: bool = False) -> Reviewed:
        return review(self.store, inventory, sla, self.now, anew=anew)

    def changes(self, finding: str = A) -> list[str]:
        return [event.change for event in self.store.history(finding)]

    def agreed(self, query: str = "rule:http-headers.csp-missing", up_to: Severity = Severity.HIGH) -> Acceptance:
        """An acceptance for ten days that is in force."""
        asked = request(
            parse(query),
            up_to=up_to,
            reason="旧系统",
            control="隔离",
            requester="li",
            expires=self.now + 10 * DAY,
            at=self.now,
        )
        self.store.keep_acceptance(asked, actor="li", action="requested")
        agreed = approve(asked, "wang", self.now)
        self.store.keep_acceptance(agreed, actor="wang", action="approved")
        return agreed


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    opened = City(tmp_path)
    yield opened
    opened.store.close()


def high(path: str = "/a", exploited: bool = False) -> Weakness:
    return weakness(path, Severity.HIGH, exploited=exploited)


# --- deadlines


def test_a_new_finding_gets_the_time_of_its_level_severity_and_exposure(city: City) -> None:
    city.see(high(), weakness("/b", Severity.INFO))
    assert city.review().deadlines == 1
    deadline = city.store.get(A).deadline
    assert deadline and deadline.business_days in (2, 3, 5)
    assert deadline.started == MONDAY
    assert deadline.due == SLA.calendar.add_business_days(MONDAY, deadline.business_days)
    assert city.store.get(B).deadline is None, "what is but a hint has none"
    assert city.store.get(A).revision == 1, "nobody has to look again because of it"


def test_reviewing_twice_changes_nothing(city: City) -> None:
    city.see(high(), weakness("/b", Severity.LOW))
    city.agreed("asset:nothing")
    city.review()
    city.now += 30 * DAY
    city.review()
    before = (city.store.find(Query()), city.store.audit(), city.changes())
    assert city.review() == Reviewed()
    assert (city.store.find(Query()), city.store.audit(), city.changes()) == before


@pytest.mark.parametrize("steps", [1, 30])
def test_each_mark_is_told_once_also_when_several_passed_while_nobody_looked(city: City, steps: int) -> None:
    city.see(high())
    city.review()
    for _ in range(steps):
        city.now += 30 * DAY / steps
        city.review()
    assert city.changes() == ["seen", "deadline: 50 %", "deadline: 80 %", "deadline: 100 %"]
    assert city.store.get(A).deadline.standing == "overdue"  # type: ignore[union-attr]
    assert "overdue: it was due 2026-03-0" in city.store.history(A)[-1].reason.en


def test_marks_of_a_finding_that_is_old_when_it_is_first_reviewed_are_told(city: City) -> None:
    city.see(high())
    city.now += 30 * DAY
    assert city.review().told == {50: 1, 80: 1, 100: 1}


def test_a_deadline_does_not_run_while_the_finding_is_closed(city: City) -> None:
    city.see(high())
    city.review()
    due = city.store.get(A).deadline.due  # type: ignore[union-attr]
    city.now += DAY
    city.store.edit(Move(A, BECAUSE, to=State.FALSE_POSITIVE), actor="li")
    city.now += 7 * DAY
    assert city.review() == Reviewed()
    city.store.edit(Move(A, BECAUSE, to=State.REOPENED), actor="li")
    assert city.review().deadlines == 1
    deadline = city.store.get(A).deadline
    assert deadline and (deadline.paused, deadline.paused_days) == (None, 5.0)
    assert deadline.due == SLA.calendar.add_business_days(due, 5)


@pytest.mark.parametrize("restart", [False, True])
def test_what_comes_back_has_its_full_time_again_if_the_policy_says_so(city: City, restart: bool) -> None:
    sla = replace(SLA, policy=replace(SLA.policy, restart_on_reopen=restart))
    city.see(high())
    city.review(sla=sla)
    city.now += DAY
    city.see()
    city.now += 7 * DAY
    city.see(high())
    assert city.store.get(A).regressions == 1
    city.review(sla=sla)
    assert (city.store.get(A).deadline.started == city.now) is restart  # type: ignore[union-attr]


def test_a_changed_severity_changes_the_time_and_not_its_start(city: City) -> None:
    city.see(weakness("/a", Severity.LOW))
    city.review()
    long = city.store.get(A).deadline
    city.now += DAY
    city.see(weakness("/a", Severity.CRITICAL))
    city.review()
    short = city.store.get(A).deadline
    assert long and short and (short.started, short.business_days < long.business_days) == (MONDAY, True)
    city.see(weakness("/a", Severity.INFO))
    city.review()
    assert city.store.get(A).deadline is None
    city.now += 60 * DAY
    city.see(weakness("/a", Severity.HIGH))
    city.review()
    assert city.store.get(A).deadline.started == city.now, "a hint that becomes grave is not late at once"  # type: ignore[union-attr]


def test_a_group_has_the_time_of_the_worst_that_is_there(city: City) -> None:
    city.see(weakness("/a", Severity.LOW), weakness("/b", Severity.CRITICAL))
    city.review()
    alone = city.store.get(B).deadline
    city.store.edit(Merge(A, BECAUSE, part=B), actor="li")
    city.review()
    assert city.store.get(A).deadline.due == alone.due  # type: ignore[union-attr]


def test_another_policy_counts_for_old_deadlines_when_they_are_worked_out_anew(city: City) -> None:
    city.see(high())
    city.review()
    levels = tuple(
        replace(one, internal=replace(one.internal, high=30), internet=replace(one.internet, high=30))
        for one in SLA.policy.deadlines
    )
    other = replace(SLA, policy=replace(SLA.policy, deadlines=levels))
    assert city.review(sla=other) == Reviewed()
    assert city.review(sla=other, anew=True).deadlines == 1
    assert city.store.get(A).deadline.business_days == 30  # type: ignore[union-attr]
    assert city.review(sla=other, anew=True) == Reviewed()


def test_what_left_the_inventory_has_no_time_and_what_nobody_registered_the_shortest(city: City) -> None:
    city.see(high(), system="a-system-that-left")
    city.see(high(), asset="nobody-registered-it")
    assert city.review().deadlines == 1
    assert city.store.get(A).deadline is None
    assert city.store.get(id_of("/a", "nobody-registered-it")).deadline.business_days == 2  # type: ignore[union-attr]


# --- acceptances


def test_what_an_acceptance_covers_now_and_later_is_accepted(city: City) -> None:
    city.see(high())
    acceptance = city.agreed()
    assert city.review().accepted == [A]
    city.now += DAY
    city.see(high(), high("/b"))
    assert city.review().accepted == [B]
    assert {city.store.get(id).acceptance for id in (A, B)} == {acceptance.id}
    event = city.store.history(A)[-1]
    assert (event.actor, event.change) == ("policy:acceptance", f"accepted: {acceptance.id}")
    assert "approved by wang" in event.reason.en and "旧系统" in event.reason.zh


def test_an_acceptance_that_is_over_opens_its_findings_again(city: City) -> None:
    city.see(high())
    city.agreed()
    city.review()
    city.now += 10 * DAY
    reviewed = city.review()
    assert (reviewed.reopened, reviewed.told) == ([A], {}), "its clock stood still meanwhile"
    assert (city.store.get(A).state, city.changes()[-1]) == (State.REOPENED, "acceptance ended")
    assert "ended on 2026-03-12 00:00 UTC" in city.store.history(A)[-1].reason.en
    assert city.review() == Reviewed()


def test_a_withdrawn_acceptance_opens_its_findings_again(city: City) -> None:
    city.see(high())
    acceptance = city.agreed()
    city.review()
    city.store.keep_acceptance(withdraw(acceptance, "zhao", "x", city.now), actor="zhao", action="withdrawn")
    assert city.review().reopened == [A]


def test_another_acceptance_takes_over_in_the_same_review(city: City) -> None:
    city.see(high())
    city.agreed()
    city.review()
    city.now += 5 * DAY
    later = city.agreed("severity<=high and asset:" + HOST)
    city.now += 5 * DAY
    reviewed = city.review()
    assert (reviewed.reopened, reviewed.accepted) == ([A], [A])
    assert city.store.get(A).acceptance == later.id


@pytest.mark.parametrize("grown", [weakness("/a", Severity.CRITICAL), high(exploited=True)])
def test_a_risk_that_grew_beyond_its_acceptance_stays_open(city: City, grown: Weakness) -> None:
    city.see(high())
    city.agreed()
    city.review()
    city.now += DAY
    city.see(grown)
    assert city.review().accepted == []
    assert city.store.get(A).state is State.REOPENED


def test_a_risk_that_grew_within_its_acceptance_is_accepted_again(city: City) -> None:
    city.see(weakness("/a", Severity.LOW))
    city.agreed()
    city.review()
    city.now += DAY
    city.see(high())
    assert city.review().accepted == [A]
    assert city.changes()[-2:] == ["acceptance ended", f"accepted: {city.store.get(A).acceptance}"]


def test_what_grew_in_a_part_is_no_longer_covered(city: City) -> None:
    city.see(high(), high("/b"))
    city.store.edit(Merge(A, BECAUSE, part=B), actor="li")
    city.agreed()
    assert city.review().accepted == [A]
    city.now += DAY
    city.see(high(), weakness("/b", Severity.CRITICAL))
    assert city.review().accepted == []
    assert city.store.get(A).state is State.REOPENED


def test_an_accepted_part_does_not_outlive_its_acceptance(city: City) -> None:
    city.see(high(), high("/b"))
    city.agreed()
    city.review()
    city.store.edit(Merge(A, BECAUSE, part=B), actor="li")
    city.now += 10 * DAY
    assert sorted(city.review().reopened) == sorted([A, B])
    assert city.store.edit(Split(B, BECAUSE), actor="li").state is State.REOPENED


def test_a_risk_that_one_person_accepted_alone_is_open_again(city: City) -> None:
    """As an older version allowed."""
    city.see(high())
    finding = city.store.get(A)
    with city.store._file.writing() as connection:
        alone = replace(finding, state=State.RISK_ACCEPTED, revision=2)
        write_findings(connection, [alone])
    assert city.review().reopened == [A]
    assert "two people" in city.store.history(A)[-1].reason.en


def test_what_is_only_asked_for_covers_nothing(city: City) -> None:
    city.see(high())
    asked = request(
        parse("severity:high"),
        up_to=Severity.HIGH,
        reason="x",
        control="y",
        requester="li",
        expires=MONDAY + DAY,
        at=MONDAY,
    )
    city.store.keep_acceptance(asked, actor="li", action="requested")
    assert city.review().accepted == []


# --- with others, and cut off


def interrupted(city: City, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A review that is cut off before it writes for the n-th time."""
    left = after
    write: Callable[..., tuple[str, ...]] = city.store.edit_each

    def edit_each(*arguments: object, **named: object) -> tuple[str, ...]:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return write(*arguments, **named)

    with monkeypatch.context() as patched:
        patched.setattr(city.store, "edit_each", edit_each)
        patched.setattr("secops.service.reviewing._PAGE", 3)
        try:
            city.review()
        except KeyboardInterrupt:
            return


@pytest.mark.parametrize("after", range(6))
def test_a_review_that_was_cut_off_is_finished_by_the_next(
    city: City, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    city.see(*(high(f"/{number}") for number in range(10)), *(weakness(f"/low{n}", Severity.LOW) for n in range(5)))
    city.agreed("severity:high")
    city.now += 60 * DAY
    interrupted(city, after, monkeypatch)
    city.review()
    assert city.store.count(Query(), by=("state",)) == {("new",): 15}, "the acceptance is over"
    for one in city.store.find(Query(), 100).findings:
        marks = [change for change in city.changes(one.id) if change.startswith("deadline")]
        assert marks == ["deadline: 50 %", "deadline: 80 %", "deadline: 100 %"][: len(marks)]
        assert len(marks) == len(set(marks)) >= 2
    assert city.review() == Reviewed()


@pytest.mark.slow
def test_reviews_and_people_at_once_lose_nothing_and_tell_nothing_twice(city: City) -> None:
    paths = [f"/{number}" for number in range(60)]
    city.see(*map(high, paths))
    city.agreed("asset:nothing")
    city.now += 30 * DAY
    stores = [SqliteStore(city.folder / "findings.db", clock=lambda: city.now) for _ in range(3)]
    failures: list[BaseException] = []

    def work(store: SqliteStore, person: bool) -> None:
        try:
            for path in paths if person else range(3):
                if person:
                    one = id_of(str(path), HOST)
                    store.edit(Move(one, BECAUSE, to=State.TRIAGED), actor="li")
                else:
                    review(store, CITY, SLA, city.now)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(store, number == 0)) for number, store in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for store in stores:
        store.close()
    assert failures == []
    city.review()
    assert city.store.count(Query(Equals("state", State.TRIAGED))) == {(): 60}
    for path in paths:
        told = [change for change in city.changes(id_of(path, HOST)) if change.startswith("deadline")]
        assert told == ["deadline: 50 %", "deadline: 80 %", "deadline: 100 %"]
