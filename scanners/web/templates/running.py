"""A template run against a site: a generator that yields what is to be sent and receives what came back.

It never touches the network, the clock or chance: the same seed and the same answers give the same run.
"""

import base64
import hashlib
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from scanners.web.message import Request
from scanners.web.redirects import NONE, Follow
from scanners.web.templates.building import USER_AGENT, Built, CannotBuild, EmptyPayload, unfilled
from scanners.web.templates.event import Event
from scanners.web.templates.expressions.scope import Context, Variables
from scanners.web.templates.expressions.values import Value, as_text
from scanners.web.templates.flow import followed
from scanners.web.templates.judging import Judgement
from scanners.web.templates.model import Block, Template
from scanners.web.templates.out_of_band import Interaction, Listen, OutOfBand
from scanners.web.templates.page import Page, no_page
from scanners.web.templates.payloads import combinations, payload_text
from scanners.web.templates.plan import Awaited, Match, Outcome, Received, Send, TemplateRun, Unsent, Yielded
from scanners.web.templates.prepared import PreparedBlock, prepared
from scanners.web.templates.site import Site, site_variables

__all__ = ["Awaited", "Match", "Outcome", "Received", "Send", "TemplateRun", "Unsent", "Yielded", "run"]

_OUT_OF_BAND = "interactsh-url"
NO_LISTENER = "no out-of-band listener"
_READING = ("GET", "HEAD", "OPTIONS")
_NOTHING_DONE = (404, 405, 501)
"""Who answers so has nothing there that could do anything."""
_TOKEN_LENGTH = 24
_MOST_SENT = 1_000_000


def run(
    template: Template,
    site: Site,
    seed: str,
    now: datetime,
    out_of_band: OutOfBand | None = None,
    given: Mapping[str, str] | None = None,
    user_agent: str = USER_AGENT,
) -> TemplateRun:
    """Run a template. `now` is aware; `given` are variables of the user, as a name and a password to log in with.

    Without `out_of_band`, steps that need it are not sent, and the outcome says so.
    """
    return _Run(template, site, seed, now, out_of_band, given or {}, user_agent).whole()


class _Values(Variables):
    """Variables of one request; random words and out-of-band addresses come into being when they are named."""

    __slots__ = ("_run", "first", "sent", "tokens")

    def __init__(self, values: Mapping[str, Value], context: Context, run: "_Run") -> None:
        super().__init__(values, context)
        self._run = run
        self.tokens: list[str] = []
        self.first = b""
        self.sent = False
        """The request is made: matchers may ask for its address, and get no new one."""

    def __missing__(self, name: str) -> Value:
        if name == "randstr" or name.startswith("randstr_"):
            return self._run.word(name)
        if not self.sent and (name == _OUT_OF_BAND or name.startswith(_OUT_OF_BAND + "_")):
            return self._address()
        raise KeyError(name)

    def _address(self) -> Value:
        address, token = self._run.address()
        self.tokens.append(token)
        self.first = self.first or address
        return address

    def close(self) -> None:
        """The request is made."""
        self.sent = True
        if self.first:
            self[_OUT_OF_BAND] = self.first


@dataclass(slots=True)
class _Awaiting:
    """An answer that only a call from the scanned system can complete."""

    event: Event
    tokens: tuple[str, ...]
    payloads: Mapping[str, str]


class _Run:
    def __init__(
        self,
        template: Template,
        site: Site,
        seed: str,
        now: datetime,
        out_of_band: OutOfBand | None,
        given: Mapping[str, str],
        user_agent: str,
    ) -> None:
        self.template, self.site = template, site
        name = str(site)
        self._seed = f"{seed}\0{template.identity}\0{name}"
        self._now, self._out_of_band, self.user_agent = now, out_of_band, user_agent
        self._always: dict[str, Value] = {name: value.encode() for name, value in given.items()}
        self._always |= {"host": name.encode(), "template-id": template.identity.encode()}
        self._prepared = prepared(template)
        self._dynamic: dict[str, list[bytes]] = {}
        self._blocks: dict[int, Page] = {}
        self._words: dict[str, bytes] = {}
        self._addresses = 0
        self._changed = False
        self.has_acted = False
        """Something that it sent may have set something going on the site."""
        self.matches: list[Match] = []
        self.unsent: list[Unsent] = []
        self.awaited: list[Awaited] = []
        self.sent = self.answered = self.settled = 0

    def whole(self) -> TemplateRun:
        yield from followed(self._prepared.steps, self._block)
        return Outcome(
            tuple(self.matches), tuple(self.unsent), self.sent, self.answered, self.settled, tuple(self.awaited)
        )

    def word(self, name: str) -> bytes:
        """A random word, the same throughout the run."""
        if name not in self._words:
            alphabet = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
            self._words[name] = bytes(Context(f"{self._seed}\0{name}").random.choices(alphabet, k=27))
        return self._words[name]

    def address(self) -> tuple[bytes, str]:
        """A new out-of-band address and its token."""
        if self._out_of_band is None:
            raise CannotBuild(NO_LISTENER)
        self._addresses += 1
        digest = hashlib.sha256(f"{self._seed}\0{self._addresses}".encode()).digest()
        token = base64.b32encode(digest).decode().lower()[:_TOKEN_LENGTH]
        return self._out_of_band.address(token).encode(), token

    def variables(self, cut_slash: bool, site: Site, chosen: Mapping[str, Value], name: str) -> _Values:
        """What a request may name: values taken from answers, the site, and the template's own variables over them."""
        values = _Values({**chosen, **site_variables(site, cut_slash), **self._always}, self._context(name), self)
        for variable, evaluate in self._prepared.variables:
            if variable not in chosen:
                values.context = self._context(variable)
                values[variable] = evaluate(values)
        values.context = self._context(name)
        return values

    def _context(self, name: str) -> Context:
        return Context(f"{self._seed}\0{name}", self._now)

    def _block(self, index: int) -> Generator[Yielded, Received, bool]:
        block = self.template.blocks[index]
        runner = _BlockRun(self, index, block, self._prepared.blocks[index])
        matched = yield from runner.whole()
        if runner.last is not None:
            self._blocks[index + 1] = runner.last
        return matched

    def chosen(self, iterate: bool) -> list[dict[str, Value]]:
        """Extracted values as variables: the first of each, or all in turn."""
        if not iterate:
            return [{name: values[0] for name, values in self._dynamic.items()}]
        longest = max((len(values) for values in self._dynamic.values()), default=1)
        return [
            {name: values[min(at, len(values) - 1)] for name, values in self._dynamic.items()} for at in range(longest)
        ]

    def shares(self, built: Built, values: "_Values") -> bool:
        """Whether a request may be answered by what another run was told. From the first one on that may not, none may."""
        plain = built.request.method in _READING and built.request.raw is None and not values.tokens
        usual = built.annotations.timeout_seconds is None and not values.context.wait_seconds and not built.server_name
        self._changed = self._changed or not plain
        return not self._changed and usual

    def changed(self) -> None:
        """From now on the site may answer this run in its own way."""
        self._changed = True

    def note_effect(self, send: Send, received: Received) -> None:
        """Whether there is something to wait for, from now on: not after a look at the start page."""
        request, start = send.request, self.site.path or "/"
        looks = request.method in _READING and request.raw is None and request.target in ("/", start)
        last = received[-1] if received else None
        refused = isinstance(last, Page) and last.status in _NOTHING_DONE
        self.has_acted = self.has_acted or not (looks or refused)

    def learn(self, dynamic: Mapping[str, list[bytes]]) -> None:
        """Keep extracted values for later requests."""
        self._dynamic |= dynamic

    @property
    def listens(self) -> bool:
        """Whether calls are heard."""
        return self._out_of_band is not None

    @property
    def blocks(self) -> Mapping[int, Page]:
        """The last page of each block that has run."""
        return self._blocks

    @property
    def may_settle(self) -> bool:
        """A block that cannot match is left early only when nothing that follows could use what it extracts."""
        return self._prepared.is_chain


class _BlockRun:
    def __init__(self, whole: _Run, index: int, block: Block, ready: PreparedBlock) -> None:
        self._run, self._index, self._sending, self._block, self._ready = whole, index, block.sending, block, ready
        self._history: dict[int, Page] = {}
        self._awaiting: list[_Awaiting] = []
        self._matched = self._stop = self._skip = False
        self.last: Page | None = None

    def whole(self) -> Generator[Yielded, Received, bool]:
        """Send every step for every combination of payloads; true when the flow may go on."""
        if not self._run.listens and self._ready.is_deaf:
            self._run.unsent.append(Unsent(self._index, 1, NO_LISTENER))
            return False
        done_once: set[int] = set()
        for payloads in combinations(self._block):
            self._history = {step: page for step, page in self._history.items() if step in done_once}
            for step, text in enumerate(self._ready.steps, 1):
                if text.once and step in done_once:
                    continue
                self._skip = False
                yield from self._step(step, payloads)
                if text.once:
                    done_once.add(step)
                if self._stop or self._skip or self._is_settled(step):
                    break
            if self._stop:
                break
        yield from self._listen()
        return self._matched

    def _is_settled(self, step: int) -> bool:
        """Whether the steps that follow can change nothing; those that wait for a call are judged later."""
        remaining = len(self._ready.steps) - step
        if not remaining or self._awaiting:
            return False
        if not self._run.may_settle and any(extractor.internal for extractor in self._block.extractors):
            return False
        page = self._history.get(step) or self.last
        if page is None and not self._ready.judging.has_matchers:
            return False
        event = Event(page or no_page(self._run.site.target, _NO_REQUEST), {}, self._history)
        if not self._ready.settling(step, event):
            return False
        self._run.settled += remaining
        return True

    def _step(self, step: int, payloads: Mapping[str, str]) -> Generator[Yielded, Received, None]:
        for chosen in self._run.chosen(self._sending.iterate_all):
            try:
                exchange, values = self._exchange(step, payloads, chosen)
            except CannotBuild as reason:
                self._run.unsent.append(Unsent(self._index, step, str(reason)))
                self._stop = not isinstance(reason, EmptyPayload)
                self._skip = True
                return
            self._run.sent += 1
            pages = yield exchange
            self._run.note_effect(exchange, pages)
            filled = {name: as_text(values[name]).decode("utf-8", "replace") for name in payloads}
            self._receive(step, exchange, pages, values, filled)
            if self._stop or self._run.sent > _MOST_SENT:
                return

    def _exchange(self, step: int, payloads: Mapping[str, str], chosen: Mapping[str, Value]) -> tuple[Send, _Values]:
        text, name = self._ready.steps[step - 1], f"{self._index}.{step}"
        site = text.site(self._run.site)
        values = self._run.variables(text.cut_slash, site, chosen, name)
        for key, value in payloads.items():
            values[key] = payload_text(value)(values)
            if missing := unfilled(as_text(values[key])) if "{{" in value else ():
                raise EmptyPayload("no value for " + ", ".join(missing))
        built = text.build(values, site, self._run.user_agent, [as_text(value) for value in chosen.values()])
        values.close()
        return self._sent(step, built, values), values

    def _sent(self, step: int, built: Built, values: _Values) -> Send:
        sending = self._sending
        return Send(
            target=built.target,
            request=built.request,
            redirects=sending.redirects if not sending.unsafe or sending.redirects.follow is Follow.ANYWHERE else NONE,
            cookies=sending.cookies and not sending.unsafe,
            shareable=self._run.shares(built, values),
            timeout_seconds=built.annotations.timeout_seconds,
            wait_seconds=values.context.wait_seconds if self._run.has_acted else 0.0,
            server_name=built.server_name,
            block=self._index,
            step=step,
            tokens=tuple(values.tokens),
        )

    def _receive(
        self, step: int, exchange: Send, received: Received, values: _Values, payloads: Mapping[str, str]
    ) -> None:
        pages = [page.shortened(self._sending.most_bytes) for page in received if isinstance(page, Page)]
        if not pages:
            self._history.pop(step, None)
            if exchange.tokens:
                pages = [no_page(exchange.target, exchange.request)]
        else:
            self._run.answered += 1
        if exchange.cookies and any(page.part("set_cookie") is not None for page in pages):
            self._run.changed()
        for page in reversed(pages):
            found = self._judge_page(step, page, exchange, values, payloads)
            if found and self._sending.stop_at_first_match:
                return

    def _judge_page(self, step: int, page: Page, exchange: Send, values: _Values, payloads: Mapping[str, str]) -> bool:
        if page.status:
            self._history[step] = self.last = page
        if page.possible is not None and (self._run.template.identity, self._index) not in page.possible:
            return False
        event = Event(page, values, dict(self._history), {**self._run.blocks, self._index + 1: page}, values.context)
        judgement = self._ready.judging.judge(event)
        self._run.learn(judgement.dynamic)
        found = self._note(judgement, page, payloads)
        if self._ready.judging.hears and not judgement.matched and (exchange.tokens or self._awaiting):
            tokens = exchange.tokens + tuple(token for one in self._awaiting for token in one.tokens)
            self._awaiting.append(_Awaiting(event, tuple(dict.fromkeys(tokens)), payloads))
        return found

    def _note(
        self, judgement: Judgement, page: Page, payloads: Mapping[str, str], heard: Interaction | None = None
    ) -> bool:
        """Whether something was found; what was only taken out stops nothing but the chain of redirects."""
        judging = self._ready.judging
        found = judgement.matched or (not judging.has_matchers and bool(judgement.extracted))
        goes_on = judgement.matched or (not judging.has_matchers and (found or bool(judgement.dynamic)))
        self._matched = self._matched or goes_on or not judging.has_operators
        if found and judging.reported:
            extracted = tuple(value.decode("utf-8", "replace") for value in judgement.extracted)
            self._run.matches.append(
                Match(self._run.template, self._index, judgement.names, extracted, page, dict(payloads), heard)
            )
        self._stop = self._stop or (judgement.matched and self._sending.stop_at_first_match)
        return found

    def _listen(self) -> Generator[Yielded, Received, None]:
        waiting = [one for one in self._awaiting if self._ready.judging.completable(one.event)]
        if not waiting or (self._matched and self._sending.stop_at_first_match):
            return
        tokens = tuple(dict.fromkeys(token for one in waiting for token in one.tokens))
        heard = yield Listen(tokens)
        calls = [one for one in heard if isinstance(one, Interaction)]
        for one in waiting:
            if not any(self._complete(one, call) for call in calls if call.token in one.tokens):
                self._run.awaited.append(Awaited(one.tokens, partial(self._complete_late, one)))
            if self._stop:
                return

    def _complete_late(self, awaiting: _Awaiting, interaction: Interaction) -> tuple[Match, ...]:
        """What a call makes of an answer when the run is over; nothing once the first match was to end it."""
        known = len(self._run.matches)
        if not self._stop:
            self._complete(awaiting, interaction)
        return tuple(self._run.matches[known:])

    def _complete(self, awaiting: _Awaiting, interaction: Interaction) -> bool:
        event = awaiting.event
        event.own |= {
            "interactsh_protocol": interaction.protocol.encode(),
            "interactsh_request": interaction.request,
            "interactsh_response": interaction.response,
            "interactsh_ip": interaction.peer.encode(),
        }
        judgement = self._ready.judging.judge(event)
        self._run.learn(judgement.dynamic)
        self._note(judgement, event.page, awaiting.payloads, interaction)
        return judgement.matched


_NO_REQUEST = Request("GET", "/")
