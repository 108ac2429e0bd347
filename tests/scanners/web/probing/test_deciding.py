"""Decisions by difference, by delay, by a product and by a bait, without any site."""

import random
import re
from urllib.parse import unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanners.safety import Safety
from scanners.web.message import Answer, Failure, Reason, Request
from scanners.web.probing.computed import computes
from scanners.web.probing.delays import line_through, obeys
from scanners.web.probing.difference import depends, telling, words_of
from scanners.web.probing.driver import MOST_REQUESTS
from scanners.web.probing.taken import takes
from scanners.web.probing.trial import Ask, Bait, Effect, Probing, Purpose
from secops.model.text import Text
from tests.scanners.web.probing.performing import Baited, answered, page, performed, point, trial

PAIRS = [("a>12", "a>21"), ("b<34", "b<43"), ("c>56", "c>65")]
TRUE = {pair[0] for pair in PAIRS}


def payload_of(request: Request) -> str:
    return unquote_plus(request.target.partition("q=")[2])


def depending(site) -> bool:
    return bool(performed(depends(trial(), point().inject, PAIRS), site).verdict)


def test_a_page_that_follows_the_truth_is_told() -> None:
    assert depending(lambda request: answered(request, "found it" if payload_of(request) in TRUE else "nothing"))


def test_noise_and_repetition_are_no_difference() -> None:
    chance = random.Random(1)
    assert not depending(lambda request: answered(request, f"you asked {payload_of(request)} {chance.random()}"))


def test_repeating_the_payload_in_another_case_is_no_difference() -> None:
    pairs = [("(objectClass=*", "(objectCslas=*"), ("(objectclass=*", "(objectcslas=*")]

    def site(request: Request) -> Answer:
        return answered(request, f"dear {payload_of(request).title()}")

    assert not performed(depends(trial(), point().inject, pairs), site).verdict


def test_noise_does_not_hide_a_difference() -> None:
    chance = random.Random(1)
    assert depending(
        lambda request: answered(
            request, f"{chance.random()} {payload_of(request) in TRUE} &lt;b&gt; {chance.random()}"
        )
    )


def test_a_redirect_or_a_status_is_a_difference() -> None:
    assert depending(lambda request: answered(request, "", 302 if payload_of(request) in TRUE else 200))


def test_an_order_of_the_same_words_is_a_difference() -> None:
    text = "<li>one</li><li>two</li><li>three</li>", "<li>three</li><li>two</li><li>one</li>"
    assert depending(lambda request: answered(request, text[payload_of(request) in TRUE]))


def test_a_site_that_counts_requests_is_no_difference() -> None:
    counted = iter(range(1000))
    assert not depending(lambda request: answered(request, f"visitor {next(counted)}"))


def test_a_firewall_that_knows_one_form_is_no_difference() -> None:
    assert not depending(lambda request: answered(request, "blocked" if payload_of(request) == "a>12" else "fine"))


def test_a_failure_in_between_decides_nothing() -> None:
    down = Answer((), Failure(Reason.RESET, Text("断", "reset")))
    assert not depending(
        lambda request: down if payload_of(request) == "c>65" else answered(request, payload_of(request))
    )


def test_entities_are_decoded_before_pages_are_compared() -> None:
    assert not telling([words_of(page("a &amp; b"))], [words_of(page("a & b"))])


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 5)), min_size=5, max_size=9))
def test_a_line_never_misses_by_less_than_it_says(points: list[tuple[float, float]]) -> None:
    line = line_through(points)
    for x, y in points:
        assert abs(y - line.start_seconds - line.slope * x) <= line.worst_miss_seconds + 1e-9


def obeying(answer_seconds, steady: bool = True) -> object:
    """Whether a site whose answers take so long obeys; the request carries the delay."""

    def inject(seconds: float) -> Request:
        return Request("GET", f"/p?q={seconds}")

    def site(request: Request) -> Answer:
        return answered(request, seconds=answer_seconds(float(payload_of(request))))

    return performed(obeys(trial(), inject, 0.05, steady), site).verdict


def test_answers_as_late_as_told_are_told() -> None:
    assert obeying(lambda delay: 0.05 + delay)


def test_some_jitter_is_forgiven() -> None:
    chance = random.Random(2)
    assert obeying(lambda delay: 0.05 + delay + chance.random() * 0.2)


@pytest.mark.parametrize("seed", range(200))
def test_a_slow_site_does_not_obey(seed: int) -> None:
    chance = random.Random(seed)
    assert not obeying(lambda delay: chance.choice([0.1, 0.8, 1.5, 2.5]))


@pytest.mark.parametrize("steady", [True, False])
def test_a_restless_site_does_not_obey_by_chance(steady: bool) -> None:
    chance = random.Random(3)
    assert not any(obeying(lambda delay: chance.random() * 2, steady) for _ in range(1000))


def test_a_check_that_never_comes_to_an_end_is_ended_undecided() -> None:
    def endless() -> Probing:
        while True:
            yield from trial().ask(Request("GET", "/"))

    asked: list[Ask] = []
    done = performed(endless(), lambda request: answered(request), asked=asked)
    assert (done.verdict, done.exhausted, len(asked)) == (None, True, MOST_REQUESTS)


def test_a_site_that_is_always_late_does_not_obey() -> None:
    assert not obeying(lambda delay: 3.0)


def test_a_site_that_slows_down_does_not_obey() -> None:
    asked = iter(range(100))
    assert not obeying(lambda delay: 0.3 * next(asked))


def test_a_site_where_any_delay_is_a_long_one_does_not_obey() -> None:
    assert not obeying(lambda delay: 5.0 if delay else 0.05)


def product(expression: str) -> str:
    numbers = re.search(r"(\d+)\*(\d+)", expression)
    return str(int(numbers[1]) * int(numbers[2])) if numbers else ""


def test_a_product_is_told_only_when_it_was_computed() -> None:
    forms = ("{m}${{a}*{b}}",)

    def computing(request: Request) -> Answer:
        mark = payload_of(request).partition("$")[0]
        return answered(request, f"Dear {mark.title()}{product(payload_of(request))}")

    assert performed(computes(trial(), point(), forms), computing).verdict
    assert not performed(
        computes(trial(), point(), forms), lambda request: answered(request, payload_of(request))
    ).verdict


def test_a_bait_counts_when_a_second_one_is_taken_too() -> None:
    def inject(bait: Bait) -> Request:
        return Request("GET", f"/p?q={bait.token}")

    def run(takes_only: int) -> bool:
        baits = Baited()

        def site(request: Request) -> Answer:
            if len(baits.laid) <= takes_only:
                baits.taken.add(payload_of(request))
            return answered(request)

        return bool(performed(takes(trial(baits=baits), inject), site, listener=baits).verdict)

    assert run(takes_only=2)
    assert not run(takes_only=1)
    assert not run(takes_only=0)


def test_without_baits_nothing_is_sent() -> None:
    done = performed(takes(trial(), lambda bait: Request("GET", "/")), lambda request: answered(request))
    assert done.sent == 0 and done.verdict is None


def test_marks_repeat_with_the_seed_and_differ_between_places() -> None:
    assert trial().mark() == trial().mark()
    assert trial().mark() != trial(check="other").mark()


@pytest.mark.parametrize(
    ("ask", "safety"),
    [
        (Ask(Request("GET", "/"), Purpose.LOOK), Safety.SAFE),
        (Ask(Request("POST", "/", (), b"a=1"), Purpose.LOOK), Safety.NORMAL),
        (Ask(Request("GET", "/"), Purpose.ATTACK, Effect.LOAD), Safety.NORMAL),
        (Ask(Request("GET", "/"), Purpose.ATTACK, Effect.LOGIN), Safety.INTRUSIVE),
        (Ask(Request("GET", "/"), Purpose.ATTACK, Effect.WRITE), Safety.INTRUSIVE),
        (Ask(Request("DELETE", "/a"), Purpose.LOOK), Safety.INTRUSIVE),
    ],
)
def test_how_much_a_request_may_do_is_computed(ask: Ask, safety: Safety) -> None:
    assert ask.safety is safety


def test_what_the_profile_forbids_is_not_sent_and_told() -> None:
    def probing():
        page = yield from trial().ask(Request("POST", "/", (), b"a=1"))
        assert page.answer.failure and page.answer.failure.reason is Reason.TOO_INTRUSIVE
        return None

    done = performed(probing(), lambda request: answered(request), allowed=Safety.SAFE)
    assert done.sent == 0 and done.refused is Safety.NORMAL and done.verdict is None
