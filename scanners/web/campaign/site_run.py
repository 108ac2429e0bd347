"""Runs templates against one site: starts them in order, sends each distinct request once, hands its answer to all.

There is no task for a request: the client calls back, and `_go_on` does whatever can be done next.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from time import monotonic
from typing import Protocol

from scanners.web.campaign.answers import Answers, Arrived, Fetched, Waiter, key_of
from scanners.web.campaign.baseline import RandomPaths, comparable, displaced, times
from scanners.web.campaign.driven import Asking, Driven, Purpose
from scanners.web.campaign.ended import Ended
from scanners.web.campaign.gating import Gate
from scanners.web.campaign.repertoire import NOT_SHARED, Repertoire
from scanners.web.campaign.trail import Trail
from scanners.web.campaign.trouble import (
    MAY_DENY,
    Trouble,
    denies_everything,
    intervention,
    is_whole,
    put_off,
    trouble_of,
    worth_repeating,
)
from scanners.web.campaign.verdict import verdict
from scanners.web.client import Client, Exchange
from scanners.web.cookies import CookieJar
from scanners.web.message import Answer, Failure, Reason, Request
from scanners.web.redirects import NONE, Follow
from scanners.web.templates.out_of_band import Interaction, Listen, OutOfBand
from scanners.web.templates.page import Page, pages_of
from scanners.web.templates.running import Outcome, Received, Send, run
from scanners.web.templates.site import Site
from secops.model import outcome as endings
from secops.model.text import Text

_TURN_SECONDS = 0.02
"""After which the event loop gets its turn: answers are timed, and must not wait for us."""
_ATTEMPTS = 3
_PAUSES_SECONDS = (0.2, 1.0)
"""Before a request is sent again."""
_TROUBLES_IN_A_ROW = 20
"""Without a single answer in between: the site is down or keeps us out."""
_TROUBLES_AT_FIRST = 4
"""The same for a site that has never answered."""
_AT_FIRST = 2
"""Requests under way to a site that has not answered yet."""
_SUSPICIOUS = 8
"""Troubles in a row from which on nothing is repeated: that would only make it worse."""
_LOOKS_SECONDS = (1.0, 3.0, 10.0)
"""Between the looks at whether a silent site is back, before it is given up."""
_STOPPED = Trouble(
    endings.Outcome.SKIPPED, Text("扫描已被紧急停止", "the scan was stopped by the kill switch"), of_the_site=False
)
_BUG = endings.Outcome.ERROR
_NO_ANSWER = Arrived(Answer(()), ())


class Hears(Protocol):
    """The listener for effects that no answer shows."""

    async def heard(self, tokens: Sequence[str]) -> Sequence[Interaction]:
        """What was heard of these tokens, in time."""
        ...


@dataclass(frozen=True, slots=True)
class Manner:
    """How the templates are run."""

    seed: str
    now: datetime
    at_once: int = 16
    """Requests under way to one site."""
    given: Mapping[str, str] = field(default_factory=dict)
    """Variables that somebody gives values, as a name and a password to log in with."""
    looks_seconds: tuple[float, ...] = _LOOKS_SECONDS


@dataclass(slots=True)
class Counts:
    """What a site has seen."""

    asked: int = 0
    """Requests that templates asked for."""
    sent: int = 0
    """Requests that went out, repetitions among them."""
    controls: int = 0
    """Of these, to tell matches from what random paths give."""


class SiteRun:
    """All templates against one site. `start`, and `on_done` is called once when every one of them has ended."""

    def __init__(
        self,
        client: Client,
        site: Site,
        repertoire: Repertoire,
        gate: Gate,
        manner: Manner,
        on_ended: Callable[[Ended], None],
        on_done: Callable[["SiteRun"], None],
        out_of_band: OutOfBand | None = None,
        hears: Hears | None = None,
    ) -> None:
        self.site = site
        self._name = str(site)
        self.counts = Counts()
        self.gate = gate
        self.error: BaseException | None = None
        """Our bug, which ended it early."""
        self._client, self._repertoire, self._manner = client, repertoire, manner
        self._on_ended, self._on_done = on_ended, on_done
        self._out_of_band, self._hears = out_of_band, hears
        self._answers = Answers(repertoire.waiting(gate.all))
        self._indices: Iterator[int] = iter(())
        self._ready: deque[tuple[Driven, Received | None]] = deque()
        self._asking: deque[Asking] = deque()
        self._under_way = self._live = self._delayed = 0
        self._turning = self._finished = self._second_round = False
        self._paths = RandomPaths(f"{manner.seed}\0{site}")
        self._troubled: list[tuple[int, Trouble]] = []
        """Those that shall have a second chance."""
        self._in_a_row = 0
        self._answered = False
        self._last_trouble = _STOPPED
        self._looks = 0
        self._looking = False
        self._latest: Page | None = None
        """Most answers are like the one before."""
        self._given_up: Trouble | None = None
        self._denies: set[int] | None = None
        """Statuses that any random path is answered with; None: not asked yet."""
        self._undecided: list[Driven] = []
        self._loop = asyncio.get_running_loop()
        self._hearing: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin."""
        self._loop.call_soon(self._go_on)

    def break_off(self) -> None:
        """End it here: nothing more is sent, and nobody is told of what was under way."""
        if not self._finished:
            self._finished = True
            self._on_done(self)

    # Whatever can be done next.

    def _go_on(self) -> None:
        if self._turning or self._finished:
            return
        self._turning = True
        until = monotonic() + _TURN_SECONDS
        try:
            while self._do_next():
                if monotonic() > until:
                    self._loop.call_soon(self._go_on)
                    return
        except BaseException as error:
            self._finished, self.error = True, error
            self._on_done(self)
            return
        finally:
            self._turning = False
        if not self._live and not self._delayed and not self._looking:
            self._finished = True
            self._on_done(self)

    def _do_next(self) -> bool:
        """Do one thing; false when only an answer can bring more to do."""
        if self._ready:
            run_, received = self._ready.popleft()
            self._advance(run_, received)
            return True
        if self._asking and self._given_up is not None:
            self._abandon(self._asking.popleft(), self._given_up)
            return True
        if self._under_way >= (self._manner.at_once if self._answered else _AT_FIRST) or self._looking:
            return False
        if self._asking:
            self._send(self._asking.popleft())
            return True
        if self._given_up is None and not self._is_silent():
            return self._begin_next()
        return self._give_up() if self._given_up is not None else False

    def _begin_next(self) -> bool:
        index = next(self._indices, None)
        if index is None:
            if self._live:
                return False
            batch = self._next_batch()
            if batch is None:
                return False
            self._indices = iter(batch)
            return True
        self._begin(index)
        return True

    def _next_batch(self) -> Iterable[int] | None:
        """The templates that the gate lets in now; then once more those that met with trouble; None at the end."""
        batch = self.gate.next_batch()
        if batch is not None:
            return batch
        for index, reason in self.gate.closed():
            self._end_unrun(index, Trouble(endings.Outcome.SKIPPED, reason, of_the_site=False))
        if self._second_round or not self._troubled:
            return None
        self._second_round = True
        again, self._troubled = [index for index, _ in self._troubled], []
        return again

    def _begin(self, index: int, purpose: Purpose = Purpose.TEST, parent: Driven | None = None) -> None:
        manner, template = self._manner, self._repertoire.templates[index]
        try:
            generator = run(template, self.site, manner.seed, manner.now, self._out_of_band, manner.given)
        except Exception as error:
            self._end_unrun(index, _bug(error))
            return
        self._live += 1
        self._advance(Driven(index, generator, purpose, parent), None)

    def _advance(self, driven: Driven, received: "Received | None") -> None:
        """Let a run go to its next request."""
        try:
            wanted = next(driven.generator) if received is None else driven.generator.send(received)
        except StopIteration as end:
            self._judge(driven, end.value)
        except Exception as error:
            driven.note(_bug(error))
            self._judge(driven, Outcome(()))
        else:
            if isinstance(wanted, Listen):
                self._listen(driven, wanted)
            else:
                self._ask(driven, wanted)

    # Requests.

    def _ask(self, driven: Driven, send: Send) -> None:
        self.counts.asked += 1
        number = self._repertoire.asks[driven.index][send.block][send.step - 1]
        if driven.purpose is Purpose.DISPLACED:
            send, number = displaced(send, self._paths), NOT_SHARED
        if not send.shareable or driven.has_cookies or driven.purpose is Purpose.AGAIN:
            waiter = partial(self._hand, driven, send)
            self._queue(Asking(send, [waiter], driven.purpose, self._session(driven, send)), send.wait_seconds)
        elif send.redirects.follow is Follow.NOWHERE:
            self._fetch(send, number, partial(self._hand, driven, send), driven.purpose)
        else:
            self._fetch(send, number, partial(self._follow, driven, send, number), driven.purpose)

    def _fetch(self, send: Send, number: int, waiter: Waiter, purpose: Purpose) -> None:
        """The answer itself, without what follows a redirect, once for all who want it."""
        key = key_of(send)
        fetched = self._answers.find(key)
        if fetched is None:
            fetched = self._answers.begin(key, number)
            fetched.waiting.append(waiter)
            self._queue(Asking(send, fetched.waiting, purpose, number=number, kept=True))
            return
        if number != NOT_SHARED:
            self._answers.ask(fetched, key, number)
        if fetched.answer is None:
            fetched.waiting.append(waiter)
        else:
            waiter(fetched.answer, None)

    # Redirects from an answer that is shared.

    def _follow(self, driven: Driven, send: Send, number: int, arrived: Arrived, trouble: Trouble | None) -> None:
        """Go where the answer leads, once for all who go the same way."""
        way = (send.redirects, send.cookies)
        waiter = partial(self._hand, driven, send)
        onward = arrived.onward.get(way)
        if trouble is not None or not arrived.leads_on:
            waiter(arrived, trouble)
        elif onward is None:
            onward = arrived.onward[way] = Fetched([waiter])
            self._go_along(Trail(send, arrived.answer.chain, number), arrived)
        elif onward.answer is None:
            onward.waiting.append(waiter)
        else:
            waiter(onward.answer, None)

    def _go_along(self, trail: Trail, first: Arrived) -> None:
        ahead = trail.ahead()
        if ahead is None or isinstance(ahead, Failure):
            self._end_trail(trail, first, trail.answer(ahead))
            return
        there, request = ahead
        went = partial(self._went, trail, first)
        if not trail.has_cookies:
            self._fetch(Send(there, request), NOT_SHARED, went, Purpose.TEST)
            return
        send = Send(there, request, redirects=trail.rest())
        self._queue(Asking(send, [went], Purpose.TEST, trail.jar))

    def _went(self, trail: Trail, first: Arrived, arrived: Arrived, trouble: Trouble | None) -> None:
        """One hop further, or with cookies all the way."""
        chain, failure = arrived.answer.chain, arrived.answer.failure
        trail.hops += chain
        if chain and failure is None and trouble is None and not trail.has_cookies:
            self._go_along(trail, first)
        else:
            self._end_trail(trail, first, trail.answer(failure), None if chain or failure else trouble)

    def _end_trail(self, trail: Trail, first: Arrived, answer: Answer, abandoned: Trouble | None = None) -> None:
        way = (trail.send.redirects, trail.send.cookies)
        onward = first.onward[way]
        trouble, pages = (abandoned, ()) if abandoned else self._judge_answer(trail.send, answer)
        arrived = Arrived(answer, pages)
        if pages:
            self._repertoire.literals.mark(pages[-1], max(len(onward.waiting), self._answers.left(trail.number)))
        waiting = onward.waiting
        if trouble is None:
            onward.answer, onward.waiting = arrived, []
        else:
            del first.onward[way]
        for waiter in waiting:
            waiter(arrived, trouble)

    def _session(self, driven: Driven, send: Send) -> CookieJar | None:
        if not send.cookies:
            return None
        if driven.jar is None and send.redirects.follow is not Follow.NOWHERE:
            driven.jar = CookieJar()
        return driven.jar

    def _queue(self, asking: Asking, wait_seconds: float = 0.0) -> None:
        if wait_seconds <= 0:
            self._asking.append(asking)
            return
        self._delayed += 1
        self._loop.call_later(wait_seconds, self._queue_late, asking)

    def _queue_late(self, asking: Asking) -> None:
        self._delayed -= 1
        self._asking.append(asking)
        self._go_on()

    def _send(self, asking: Asking) -> None:
        send = asking.send
        self._under_way += 1
        self.counts.sent += 1
        self.counts.controls += asking.purpose is not Purpose.TEST
        seconds = send.timeout_seconds or self._client.patience.total_seconds
        policy = NONE if asking.kept else send.redirects
        sending = Exchange(self._client, asking.session, policy, seconds, partial(self._settled, asking))
        target = replace(send.target, server_name=send.server_name) if send.server_name else send.target
        sending.go(self._client.pool.lane_of(target), send.request)

    def _abandon(self, asking: Asking, trouble: Trouble) -> None:
        """What waited when the site was given up is not sent any more."""
        if asking.kept:
            self._answers.settle(key_of(asking.send), None)
        for waiter in asking.waiting:
            waiter(_NO_ANSWER, trouble)

    def _send_plain(self, path: str, settle: Callable[[Exchange, Answer], None]) -> None:
        self.counts.sent += 1
        sending = Exchange(self._client, None, NONE, self._client.patience.total_seconds, settle, urgent=True)
        sending.go(self._client.pool.lane_of(self.site.target), Request("GET", path))

    def _settled(self, asking: Asking, _: Exchange, answer: Answer) -> None:
        """An answer, or none, has come."""
        self._under_way -= 1
        asking.attempt += 1
        if worth_repeating(answer) and self._may_repeat(asking):
            self._in_a_row += 1
            self._queue(asking, _PAUSES_SECONDS[min(asking.attempt - 1, len(_PAUSES_SECONDS) - 1)])
        else:
            self._take(asking, answer)
        self._go_on()

    def _may_repeat(self, asking: Asking) -> bool:
        request = asking.send.request
        repeatable = request.raw is None and request.method in ("GET", "HEAD", "OPTIONS")
        return repeatable and asking.attempt < _ATTEMPTS and self._in_a_row < _SUSPICIOUS and self._given_up is None

    def _take(self, asking: Asking, answer: Answer) -> None:
        send, waiting = asking.send, asking.waiting
        trouble, pages = self._judge_answer(send, answer)
        self._count_trouble(trouble, answer)
        arrived = Arrived(answer, pages)
        if pages:
            self.gate.learn(pages[-1])
            # Redirects come from the same list, and few look at what led there.
            self._repertoire.literals.mark(pages[-1], max(len(waiting), self._answers.left(asking.number)))
        if asking.kept:
            self._answers.settle(key_of(send), arrived if trouble is None else None)
        for waiter in waiting:
            waiter(arrived, trouble)

    def _judge_answer(self, send: Send, answer: Answer) -> tuple[Trouble | None, tuple[Page, ...]]:
        """What the answer is worth; a wish to be left in peace is no page."""
        if not is_whole(answer):
            assert answer.failure is not None
            trouble = trouble_of(answer.failure, send.target.host != self.site.target.host)
            # Another port of the host says nothing of the site.
            of_the_site = trouble.of_the_site and send.target == self.site.target
            return replace(trouble, of_the_site=of_the_site), pages_of(answer)
        if (why := put_off(answer)) is not None:
            return Trouble(endings.Outcome.BLOCKED, why), ()
        pages = pages_of(answer, self._latest)
        self._latest = pages[-1]
        stepped_in = intervention(pages[-1])
        return Trouble(endings.Outcome.BLOCKED, stepped_in, of_the_site=False) if stepped_in else None, pages

    def _hand(self, driven: Driven, send: Send, arrived: Arrived, trouble: Trouble | None) -> None:
        """Give the pages to a run that asked for them."""
        if trouble is not None:
            driven.note(trouble)
        pages = arrived.pages
        if pages:
            if send.cookies and any(page.part("set_cookie") is not None for page in pages):
                _keep_cookies(driven, arrived.answer)
            if pages[-1].status in MAY_DENY:
                driven.denied.add(pages[-1].status)
        self._ready.append((driven, pages))

    # A site that is silent, or keeps us out.

    def _is_silent(self) -> bool:
        return self._in_a_row >= (_TROUBLES_IN_A_ROW if self._answered else _TROUBLES_AT_FIRST)

    def _count_trouble(self, trouble: Trouble | None, answer: Answer) -> None:
        if trouble is None:
            self._in_a_row = self._looks = 0
            self._answered = True
            return
        if answer.failure is not None and answer.failure.reason is Reason.KILLED:
            self._given_up = _STOPPED
        if not trouble.of_the_site:
            return
        self._in_a_row += 1
        self._last_trouble = trouble
        if self._is_silent() and not self._looking and self._given_up is None:
            self._look_later()

    def _look_later(self) -> None:
        """Whether the site is back is looked at a few times before it is given up."""
        if self._looks >= len(self._manner.looks_seconds):
            self._given_up = self._last_trouble
            return
        self._looking = True
        self._loop.call_later(self._manner.looks_seconds[self._looks], self._look)
        self._looks += 1

    def _look(self) -> None:
        self._send_plain(self.site.path or "/", self._looked)

    def _looked(self, _: Exchange, answer: Answer) -> None:
        self._looking = False
        whole = is_whole(answer) and put_off(answer) is None
        if whole and intervention(pages_of(answer)[-1]) is None:
            self._in_a_row = 0
        elif answer.failure is not None and answer.failure.reason is Reason.KILLED:
            self._given_up = _STOPPED
        else:
            self._look_later()
        self._go_on()

    def _give_up(self) -> bool:
        """End one of those that were not run; false when there are none left."""
        assert self._given_up is not None
        index = next(self._indices, None)
        if index is not None:
            self._end_unrun(index, self._given_up)
            return True
        if self._live:
            return False
        rest = self.gate.rest()
        for index in rest:
            self._end_unrun(index, self._given_up)
        for index, trouble in self._troubled:
            self._end_unrun(index, trouble)
        self._troubled = []
        return False

    # Ends.

    def _listen(self, driven: Driven, listen: Listen) -> None:
        hears = self._hears
        if hears is None:
            self._ready.append((driven, ()))
            return

        async def hear() -> None:
            heard = await hears.heard(listen.tokens)
            self._ready.append((driven, tuple(heard)))
            self._go_on()

        task = self._loop.create_task(hear())
        self._hearing.add(task)
        task.add_done_callback(self._hearing.discard)

    def _judge(self, driven: Driven, outcome: Outcome) -> None:
        """A run is over: check what it found before it is told."""
        driven.outcome = outcome
        if driven.parent is not None:
            self._live -= 1
            self._compare(driven.parent, driven)
            return
        driven.matches = outcome.matches
        if not driven.matches and driven.denied and driven.trouble is None:
            self._ask_what_is_denied(driven)
            return
        if any(comparable(match, self.site) for match in driven.matches):
            self._begin(driven.index, Purpose.DISPLACED, driven)
        else:
            self._check_times(driven)

    def _compare(self, driven: Driven, control: Driven) -> None:
        """Keep the matches that hold."""
        assert control.outcome is not None
        seen = {(match.block, match.names) for match in control.outcome.matches}
        before = len(driven.matches)
        if control.purpose is Purpose.DISPLACED:
            driven.matches = tuple(
                match
                for match in driven.matches
                if not comparable(match, self.site) or (match.block, match.names) not in seen
            )
            driven.discarded += before - len(driven.matches)
            self._check_times(driven)
            return
        driven.matches = tuple(match for match in driven.matches if (match.block, match.names) in seen)
        driven.discarded += before - len(driven.matches)
        self._end(driven)

    def _check_times(self, driven: Driven) -> None:
        if driven.matches and times(self._repertoire.templates[driven.index]):
            self._begin(driven.index, Purpose.AGAIN, driven)
        else:
            self._end(driven)

    def _ask_what_is_denied(self, driven: Driven) -> None:
        """A refusal is the site's own answer only when it does not refuse everything."""
        if self._denies is not None:
            self._end_denied(driven)
            return
        self._undecided.append(driven)
        if len(self._undecided) > 1:
            return
        self.counts.controls += 1
        self._send_plain(self._paths.plain(self.site), self._denied)

    def _denied(self, _: Exchange, answer: Answer) -> None:
        response = answer.response
        self._denies = {response.status} & MAY_DENY if response is not None else set()
        undecided, self._undecided = self._undecided, []
        for driven in undecided:
            self._end_denied(driven)
        self._go_on()

    def _end_denied(self, driven: Driven) -> None:
        refused = driven.denied & (self._denies or set())
        if refused:
            driven.note(Trouble(endings.Outcome.BLOCKED, denies_everything(min(refused)), of_the_site=False))
        self._end(driven)

    def _end(self, driven: Driven) -> None:
        self._live -= 1
        trouble = driven.trouble
        if trouble is not None and trouble.of_the_site and not driven.matches and not self._second_round:
            self._troubled.append((driven.index, trouble))
            return
        template = self._repertoire.templates[driven.index]
        outcome, reason = verdict(template, driven)
        sent, awaited = (driven.outcome.sent, driven.outcome.awaited) if driven.outcome else (0, ())
        matches, discarded = driven.matches, driven.discarded
        ended = Ended(self._name, template, outcome, reason, matches, sent, discarded, awaited)
        self._tell(driven.index, ended)

    def _end_unrun(self, index: int, trouble: Trouble) -> None:
        template = self._repertoire.templates[index]
        self._tell(index, Ended(self._name, template, trouble.outcome, trouble.reason))

    def _tell(self, index: int, ended: Ended) -> None:
        self._answers.ended(self._repertoire.shared[index])
        self._on_ended(ended)


def _keep_cookies(driven: Driven, answer: Answer) -> None:
    for hop in answer.chain:
        if any(len(name) == 10 and name.lower() == "set-cookie" for name, _ in hop.response.headers):
            driven.jar = driven.jar or CookieJar()
            driven.jar.take(hop.target, hop.request.target, hop.response)


def _bug(error: Exception) -> Trouble:
    why = f"{type(error).__name__}: {str(error)[:300]}"
    return Trouble(_BUG, Text(f"程序缺陷:{why}", f"our bug: {why}"), of_the_site=False)
