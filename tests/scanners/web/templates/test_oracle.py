"""The self-checking oracle: for every static template of a corpus, answers that must match and near misses that must not."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest

from scanners.web.message import Response
from scanners.web.templates.coverage import coverage
from scanners.web.templates.library import Library, load
from scanners.web.templates.literals import Literals
from scanners.web.templates.model import Block, ExtractorKind, Template
from scanners.web.templates.plan import Send
from tests.scanners.web.templates.answering import SITE, Listener, corpus, page, play
from tests.scanners.web.templates.synthesis import CannotMake, Trial, trials

CORPUS = corpus()
needs_corpus = pytest.mark.skipif(CORPUS is None, reason="no corpus of public templates lies beside the repository")


@pytest.fixture(scope="module")
def library() -> Library:
    assert CORPUS is not None
    return load([CORPUS])


@needs_corpus
@pytest.mark.slow
def test_nearly_all_templates_against_the_scanned_system_can_be_run(library: Library) -> None:
    found = coverage(library)
    print(f"\n{found.runnable} runnable, {found.unsupported} not, {found.not_meant} of other kinds: {found.missing}")
    assert found.runnable > 7000
    assert found.share >= 0.99


@needs_corpus
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_static_template_is_judged_right(library: Library) -> None:
    judged: Counter[str] = Counter()
    passed_over: Counter[str] = Counter()
    wrong: list[str] = []
    for template in library.templates:
        for index, block in enumerate(template.blocks):
            try:
                wrong += _judged(template, index, block, judged)
            except CannotMake as reason:
                passed_over[str(reason)] += 1
    _print(judged, passed_over)
    assert not wrong, "\n".join(wrong)
    assert sum(judged.values()) > 15_000
    assert len(judged) > 60


def _judged(template: Template, index: int, block: Block, judged: Counter[str]) -> list[str]:
    static = _static(template, block)
    wrong = []
    for trial in trials(block):
        judged[trial.feature] += 1
        if _matches(static, trial) != trial.matches:
            wrong.append(f"{template.path} block {index}: {trial.feature} ought to be {trial.matches}")
    return wrong


def _static(template: Template, block: Block) -> Template:
    """The block alone, with its requests made plain: what is sent does not matter here."""
    if not block.matchers:
        raise CannotMake("no matchers")
    if any("interactsh" in text for matcher in block.matchers for text in (*matcher.values, matcher.part)):
        raise CannotMake("out of band")
    if block.payloads:
        raise CannotMake("payloads")
    reported = tuple(replace(matcher, internal=False) for matcher in block.matchers)
    extractors = tuple(one for one in block.extractors if not one.internal and one.kind is not ExtractorKind.DSL)
    steps = tuple(f"{{{{BaseURL}}}}/{number}" for number in range(len(block.paths or block.raws)))
    sending = replace(block.sending, stop_at_first_match=False, most_bytes=0, unsafe=False)
    plain = replace(
        block,
        matchers=reported,
        extractors=extractors,
        paths=steps,
        raws=(),
        headers=(),
        body="",
        method="GET",
        sending=sending,
    )
    return replace(template, blocks=(plain,), flow="", variables=())


def _matches(template: Template, trial: Trial) -> bool:
    def answer(exchange: Send) -> Sequence[Response]:
        return (trial.answers[exchange.step - 1],)

    return bool(play(template, answer, SITE).outcome.matches)


def _print(judged: Counter[str], passed_over: Counter[str]) -> None:
    lines = [f"{sum(judged.values())} cases judged, {len(judged)} kinds"]
    lines += [f"  {count:6} {feature}" for feature, count in judged.most_common(40)]
    lines += [f"blocks passed over: {dict(passed_over.most_common(25))}"]
    print("\n" + "\n".join(lines))


@needs_corpus
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_whole_templates_match_answers_that_satisfy_all_their_blocks(library: Library) -> None:
    """Flows, numbered parts and redirect settings included."""
    right = wrong = 0
    for template in library.templates:
        try:
            answers = {
                (index, step): one for index, block in enumerate(template.blocks) for step, one in _satisfying(block)
            }
        except CannotMake:
            continue
        if any(block.payloads or "interactsh" in str(block.matchers) for block in template.blocks):
            continue
        played = play(
            template, lambda exchange, made=answers: (made[exchange.block, exchange.step],), listener=Listener()
        )
        if played.outcome.unsent or all(matcher.internal for block in template.blocks for matcher in block.matchers):
            continue
        right += bool(played.outcome.matches)
        if not played.outcome.matches:
            wrong += 1
            print(template.path, played.lines)
    print(f"\n{right} whole templates matched")
    assert wrong == 0 and right > 4000


def _satisfying(block: Block) -> Iterable[tuple[int, Response]]:
    if not block.matchers:
        raise CannotMake("no matchers")
    trial = next((trial for trial in trials(block) if trial.matches), None)
    if trial is None:
        raise CannotMake("nothing satisfies it")
    return enumerate(trial.answers, 1)


@needs_corpus
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_pass_over_all_words_rules_out_nothing_that_matches(library: Library) -> None:
    index = Literals(library.templates)
    checked = 0
    for template in library.templates:
        for number, block in enumerate(template.blocks):
            try:
                made = [trial for trial in trials(block) if trial.matches]
            except CannotMake:
                continue
            for trial in made:
                checked += 1
                one = page(trial.answers[-1].status, trial.answers[-1].body, trial.answers[-1].headers)
                if all("_" not in matcher.part for matcher in block.matchers) and len(trial.answers) == 1:
                    assert (template.identity, number) in index.candidates(one), template.path
    assert checked > 5000 and len(index.rules) > 5000
