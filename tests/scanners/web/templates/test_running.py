"""Runs of templates as a whole: they repeat, they stop early without losing a match, and skipped words cost nothing."""

from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanners.web.message import Response
from scanners.web.templates import running
from scanners.web.templates.flow import FlowScript, If, Not, Run, parse_flow
from scanners.web.templates.literals import Literals
from scanners.web.templates.model import Template
from scanners.web.templates.plan import Send
from scanners.web.templates.prepared import prepared
from scanners.web.templates.site import site_of
from tests.scanners.web.templates.answering import Listener, block_template, page, play, response

STEPS = "    raw:\n" + "".join(f'      - "GET /{n} HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n"\n' for n in range(1, 4))
CONDITIONS = (
    'status_code_1 == 200 && contains(body_2, "a")',
    'contains(body_1, "a") && contains(body_3, "b")',
    'status_code_2 == 302 || contains(body_3, "a")',
    '!contains(body_1, "b") && status_code == 200',
    "len(body_1) > 1",
    'contains_any(header_2, "X: 1", "X: 2")',
    "status_code_1 != status_code_3",
    'body_1 + body_2 == "aa"',
    'missing_1 == "x" || status_code_1 == 200',
)
ANSWERS = [
    response(status, body, headers)
    for status in (200, 302)
    for body in (b"", b"a", b"ab")
    for headers in ((), (("X", "1"),))
]


def conditions(every: bool, chosen: list[str]) -> Template:
    lines = "".join(f"          - '{condition}'\n" for condition in chosen)
    return block_template(
        f"{STEPS}    matchers:\n      - type: dsl\n        condition: {'and' if every else 'or'}\n        dsl:\n{lines}"
    )


@given(
    st.booleans(),
    st.lists(st.sampled_from(CONDITIONS), min_size=1, max_size=3),
    st.lists(st.one_of(st.none(), st.sampled_from(ANSWERS)), min_size=3, max_size=3),
)
def test_stopping_early_loses_no_match(every: bool, chosen: list[str], answers: list[Response | None]) -> None:
    template = conditions(every, chosen)

    def answer(exchange: Send) -> Sequence[Response]:
        one = answers[exchange.step - 1]
        return () if one is None else (one,)

    early = play(template, answer)
    kept = running._BlockRun._is_settled
    running._BlockRun._is_settled = lambda self, step: False  # type: ignore[method-assign]
    try:
        late = play(template, answer)
    finally:
        running._BlockRun._is_settled = kept  # type: ignore[method-assign]
    assert len(late.sent) == 3
    assert len(early.sent) + early.outcome.settled_early == 3
    # Nothing that could match comes after the point where it stopped.
    assert [one.page.url for one in early.outcome.matches] == [one.page.url for one in late.outcome.matches]


def test_stopping_early_saves_requests() -> None:
    assert len(play(conditions(True, [CONDITIONS[0]]), lambda exchange: (response(404),)).sent) == 1


WORDS = st.text("abAB{<", min_size=0, max_size=5)


@given(
    st.lists(
        st.tuples(WORDS, st.sampled_from(["body", "header", "response"]), st.booleans(), st.booleans()), max_size=4
    ),
    st.booleans(),
    st.sampled_from(
        ["", "status_code == 200", 'contains(body, "abA")', 'contains(to_lower(body), "bab") || status_code == 404']
    ),
    st.sampled_from([200, 404]),
    st.text("abAB{<", max_size=30),
    st.text("abAB", max_size=12),
)
def test_the_pass_over_all_words_changes_no_verdict(
    words: list[tuple[str, str, bool, bool]], every: bool, expression: str, status: int, body: str, header: str
) -> None:
    matchers = "".join(
        f"      - {{type: word, part: {part}, case-insensitive: {str(fold).lower()}, negative: {str(negative).lower()},"
        f' words: ["{word}", "{word}b"]}}\n'
        for word, part, fold, negative in words
        if word and "{{" not in word
    )
    matchers += f"      - {{type: dsl, dsl: ['{expression}']}}\n" if expression else ""
    if not matchers:
        return
    block = (
        f'    path: ["{{{{BaseURL}}}}"]\n    matchers-condition: {"and" if every else "or"}\n    matchers:\n{matchers}'
    )
    template = block_template(block)
    answer = response(status, body.encode(), (("X", header),))
    plain = play(template, lambda exchange: (answer,)).outcome.matches
    candidates = Literals([template]).candidates(page(status, body.encode(), (("X", header),)))
    if plain:
        assert ("made", 0) in candidates
    if ("made", 0) not in candidates:
        assert not plain


def test_a_page_that_knows_its_candidates_is_not_looked_at_by_others() -> None:
    template = block_template('    path: ["{{BaseURL}}"]\n    matchers:\n      - {type: word, words: [wanted]}\n')
    index = Literals([template])
    there, missing = index.mark(page(body=b"wanted"), 100), index.mark(page(body=b"other"), 100)
    assert there.possible is not None and ("made", 0) in there.possible
    assert missing.possible is not None and ("made", 0) not in missing.possible
    assert ("elsewhere", 0) in missing.possible
    assert index.mark(page(body=b"other"), 1).possible is None


def test_runs_repeat_with_their_seed() -> None:
    template = block_template(
        "    path: [\"{{BaseURL}}/{{randstr}}/{{rand_int(1, 1000000)}}/{{interactsh-url}}/{{date_time('%Y')}}\"]\n"
        "    matchers:\n      - {type: status, status: [200]}\n"
    )
    lines = [
        play(template, lambda exchange: (response(404),), seed=seed, listener=Listener()).lines
        for seed in ("1", "1", "2")
    ]
    assert lines[0] == lines[1] != lines[2]
    assert lines[0][0].endswith("/2026") and ".oob.test" in lines[0][0]


def test_each_mention_of_the_listener_is_another_address() -> None:
    template = block_template(
        '    path: ["{{BaseURL}}/{{interactsh-url}}/{{interactsh-url}}"]\n'
        "    matchers:\n      - {type: word, part: interactsh_protocol, words: [http]}\n"
    )
    played = play(template, lambda exchange: (response(404),), listener=Listener())
    first, second = played.sent[0].tokens
    assert first != second and all(len(token) == 24 and token.isalnum() for token in (first, second))
    assert played.listened[0].tokens == (first, second)


SHARED = {
    ("GET", "GET", "a"): [True, True],
    ("GET", "GET", "set"): [True, False],
    ("POST", "GET", "a"): [False, False],
    ("GET", "POST", "a"): [True, False],
}


@pytest.mark.parametrize(("given_", "expected"), SHARED.items())
def test_answers_may_be_shared_until_the_run_leaves_a_trace(given_: tuple[str, str, str], expected: list[bool]) -> None:
    first, second, cookie = given_
    template = block_template(
        f'    raw:\n      - "{first} /1 HTTP/1.1\\r\\n\\r\\n"\n      - "{second} /2 HTTP/1.1\\r\\n\\r\\n"\n'
        "    matchers:\n      - {type: status, status: [200]}\n"
    )
    headers = (("Set-Cookie", "a=b"),) if cookie == "set" else ()
    played = play(template, lambda exchange: (response(404, headers=headers),))
    assert [one.shareable for one in played.sent] == expected


@pytest.mark.parametrize(
    ("matchers", "condition", "sent"),
    [
        ("{type: word, part: interactsh_protocol, words: [dns]}, {type: status, status: [200]}", "and", 0),
        ("{type: word, part: interactsh_protocol, words: [dns]}, {type: status, status: [200]}", "or", 1),
        ("{type: word, part: interactsh_protocol, words: [dns]}", "or", 0),
        ("{type: dsl, dsl: ['status_code == 200 || interactsh_protocol == \"dns\"']}", "and", 1),
    ],
)
def test_what_only_a_call_could_prove_is_not_sent_when_nobody_listens(matchers: str, condition: str, sent: int) -> None:
    block = (
        '    path: ["{{BaseURL}}/first", "{{BaseURL}}/{{interactsh-url}}"]\n'
        f"    matchers-condition: {condition}\n    matchers: [{matchers}]\n"
    )
    played = play(block_template(block), lambda exchange: (response(404),))
    assert len(played.sent) == sent
    assert played.outcome.unsent[-1].because == "no out-of-band listener"
    heard = play(block_template(block), lambda exchange: (response(404),), listener=Listener())
    assert len(heard.sent) == 2


def test_a_payload_without_value_is_passed_over_and_reported() -> None:
    block = (
        '    path: ["{{BaseURL}}/{{name}}"]\n    payloads:\n      name: ["{{RDN}}", x, "{{FQDN}}"]\n'
        "    matchers:\n      - {type: status, status: [200]}\n"
    )
    played = play(block_template(block), lambda exchange: (response(404),), site_of("http://192.0.2.1"))
    assert played.lines == ["GET /x", "GET /192.0.2.1"]
    assert [one.because for one in played.outcome.unsent] == ["no value for RDN"]


def test_templates_are_prepared_once() -> None:
    template = conditions(True, ["true"])
    assert prepared(template) is prepared(template)


FLOWS = {
    "http(1)": Run((0,)),
    "http()": Run((0, 1, 2)),
    "http(1, 2);": Run((0, 1)),
    'http("named")': Run((2,)),
    "!http(3)": Not(Run((2,))),
    "if (http(1)) { http(2) }": If(
        Run((0,)), Run((1,)), parse_flow("if (http(1)) { http(2) }", ("", "", "")).otherwise
    ),  # type: ignore[union-attr]
    "http(9)": Run(()),
}


@pytest.mark.parametrize(("source", "step"), FLOWS.items())
def test_flows(source: str, step: object) -> None:
    assert parse_flow(source, ("", "", "named")) == step


@pytest.mark.parametrize(
    "source",
    [
        "",
        "http(1) &&",
        "javascript()",
        "set('a', 1)",
        "for (;;) {}",
        "http(a)",
        "(" * 99 + "http(1)" + ")" * 99,
        "http(1) }",
    ],
)
def test_flows_that_are_scripts(source: str) -> None:
    with pytest.raises(FlowScript):
        parse_flow(source, ("", ""))


@given(
    st.lists(st.sampled_from(["http(1)", "http(2)", "&&", "||", "!", "(", ")", "if", "else", "{", "}", ";", "\n", " "]))
)
def test_any_flow_is_read_or_a_script(pieces: list[str]) -> None:
    with suppress(FlowScript):
        parse_flow("".join(pieces), ("", ""))
