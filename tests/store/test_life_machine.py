"""Scans and people in any order: what always holds of findings, and a simple model that foretells every state."""

import shutil
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from secops.model.finding import Finding, Severity, State, WeaknessClass
from secops.model.text import Text
from secops.store.edits import Accept, Edit, EndAcceptance, Merge, Move, Rekey, Split
from secops.store.life_cycle import BY_HAND
from secops.store.query import Query
from secops.store.sqlite_store import SqliteStore
from secops.support.errors import BadInput
from tests.contracts.evaluations import RULE, at, evaluation, id_of, weakness

BECAUSE = Text("因为", "because")
PLACES = [(path, asset) for asset in ("one", "two") for path in ("/a", "/b")]
IDS = {id_of(path, asset): (path, asset) for path, asset in PLACES}
MENDED = (State.RESOLVED, State.PENDING_VERIFICATION)
places = st.sampled_from(PLACES)
severities = st.sampled_from([Severity.LOW, Severity.HIGH])


@dataclass
class Known:
    """What the model knows of a finding."""

    state: State = State.NEW
    misses: int = 0
    gone: bool = False
    severity: Severity = Severity.LOW


class Life(RuleBasedStateMachine):
    """`known` and `first_of` are the model; the store must agree with it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.minutes = 0
        self.store = SqliteStore(self.folder / "findings.db", clock=self.clock)
        self.known: dict[str, Known] = {}
        self.first_of: dict[str, str] = {}
        self.revisions: dict[str, int] = {}

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)

    def clock(self) -> datetime:
        return at(self.minutes)

    def later(self) -> int:
        self.minutes += 1
        return self.minutes

    def group(self, id: str) -> list[str]:
        first = self.first_of.get(id, id)
        return [first, *(part for part, of in self.first_of.items() if of == first)]

    @rule(
        asset=st.sampled_from(["one", "two"]),
        seen=st.dictionaries(st.sampled_from(["/a", "/b"]), severities),
        noisy=st.booleans(),
    )
    def scan(self, asset: str, seen: dict[str, Severity], noisy: bool) -> None:
        minutes = self.later()
        weaknesses = [weakness(path, severity) for path, severity in seen.items()]
        self.store.record(f"s{minutes}", [evaluation(*weaknesses, minutes=minutes, asset=asset, noisy=noisy)])
        for path, severity in seen.items():
            self._seen(id_of(path, asset), severity)
        for path, where in PLACES:
            if where == asset and path not in seen and id_of(path, asset) in self.known:
                self._missed(id_of(path, asset), noisy)

    def _seen(self, id: str, severity: Severity) -> None:
        one = self.known.setdefault(id, Known(severity=severity))
        worse, one.severity = severity.rank > one.severity.rank, severity
        one.misses, one.gone = 0, False
        first = self.known[self.first_of.get(id, id)]
        if first.state in MENDED or (first.state is State.RISK_ACCEPTED and worse):
            first.state = State.REOPENED

    def _missed(self, id: str, noisy: bool) -> None:
        one, first = self.known[id], self.known[self.first_of.get(id, id)]
        if one.gone or not (first.state.open or id in self.first_of):
            return
        one.misses += 1
        one.gone = one.misses >= (2 if noisy else 1)
        if first.state.open and all(self.known[member].gone for member in self.group(id)):
            first.state = State.RESOLVED

    def _edit(self, edit: Edit, allowed: bool) -> bool:
        """Whether it was done; it must be when the model allows it, and else be refused."""
        self.later()
        try:
            self.store.edit(edit, actor="li")
        except BadInput:
            assert not allowed, edit
            return False
        assert allowed, edit
        return True

    @rule(place=places, to=st.sampled_from(State))
    def move(self, place: tuple[str, str], to: State) -> None:
        id = id_of(*place)
        if id in self.known:
            one = self.known[id]
            alone = id not in self.first_of
            if self._edit(Move(id, BECAUSE, to=to), alone and to in BY_HAND[one.state]):
                if to.open and not one.state.open:
                    one.misses, one.gone = 0, False
                one.state = to

    @rule(place=places)
    def accept(self, place: tuple[str, str]) -> None:
        id = id_of(*place)
        if id in self.known and self.known[id].state is not State.RISK_ACCEPTED:
            allowed = id not in self.first_of and self.known[id].state.open
            if self._edit(Accept(id, BECAUSE, acceptance=f"risk {id}"), allowed):
                self.known[id].state = State.RISK_ACCEPTED

    @rule(place=places)
    def end_acceptance(self, place: tuple[str, str]) -> None:
        id = id_of(*place)
        if id in self.known and self._edit(EndAcceptance(id, BECAUSE, acceptance=f"risk {id}"), True):
            one = self.known[id]
            if one.state is State.RISK_ACCEPTED:
                one.state, one.misses, one.gone = State.REOPENED, 0, False

    @rule(place=places, other=places)
    def merge(self, place: tuple[str, str], other: tuple[str, str]) -> None:
        first, part = id_of(*place), id_of(*other)
        if first not in self.known or part not in self.known or self.first_of.get(part) == first:
            return
        allowed = first != part and first not in self.first_of and part not in self.first_of
        if not self._edit(Merge(first, BECAUSE, part=part), allowed):
            return
        for member in self.group(part):
            self.first_of[member] = first
        self._settle(first, accepted_alone=True)

    def _settle(self, first: str, accepted_alone: bool = False) -> None:
        one = self.known[first]
        gone = all(self.known[member].gone for member in self.group(first))
        if one.state is State.RISK_ACCEPTED and accepted_alone:
            one.state, one.misses, one.gone = State.REOPENED, 0, False
        elif one.state is State.RESOLVED and not gone:
            one.state = State.REOPENED
        elif one.state.open and gone:
            one.misses, one.gone = 0, False

    @rule(place=places)
    def split(self, place: tuple[str, str]) -> None:
        id = id_of(*place)
        if id not in self.known or not self._edit(Split(id, BECAUSE), id in self.first_of):
            return
        first = self.first_of.pop(id)
        if self.known[id].state.open:
            self.known[id].misses, self.known[id].gone = 0, False
        self._settle(first)
        self._settle(id)

    @invariant()
    def states_are_as_foretold(self) -> None:
        for id, known in self.known.items():
            found = self.store.get(id)
            assert (found.state, found.gone, found.misses) == (known.state, known.gone, known.misses), IDS[id]
            assert found.part_of == self.first_of.get(id, "")

    @invariant()
    def findings_are_sound(self) -> None:
        found = {one.id: one for one in self.store.find(Query(), 1000).findings}
        require_sound(found, {id: self.store.history(id) for id in found})
        for id, one in found.items():
            assert one.revision >= self.revisions.get(id, 0)
            self.revisions[id] = one.revision


def require_sound(found: dict[str, Finding], histories: dict[str, Iterable[object]]) -> None:
    """What holds of findings at any moment."""
    for one in found.values():
        assert all(found[part].part_of == one.id for part in one.parts)
        assert len(set(one.parts)) == len(one.parts)
        if one.part_of:
            assert one.id in found[one.part_of].parts and not one.parts and not found[one.part_of].part_of
        members = [one, *(found[part] for part in one.parts)]
        if one.state is State.RESOLVED and not one.part_of:
            assert all(member.gone for member in members), "what is resolved is gone"
        if one.state.open and not one.part_of:
            assert not all(member.gone for member in members), "what is gone is resolved"
        assert bool(one.acceptance) == (one.state is State.RISK_ACCEPTED)
        events = list(histories[one.id])
        revisions = [event.revision for event in events]  # type: ignore[attr-defined]
        assert revisions == sorted(set(revisions)) and revisions[-1] == one.revision
        told = told_state([event.change for event in events])  # type: ignore[attr-defined]
        assert told in (None, one.state), "the history explains the state"


def told_state(changes: Iterable[str]) -> State | None:
    """The state that a history leads to; None when it took over that of another finding."""
    state: State | None = None
    for change in changes:
        kind, _, values = change.partition(": ")
        if kind in ("seen", "resolved", "reopened"):
            state = {"seen": State.NEW, "resolved": State.RESOLVED, "reopened": State.REOPENED}[kind]
        elif kind == "state":
            state = State(values.split(" → ")[1])
        elif kind == "accepted":
            state = State.RISK_ACCEPTED
        elif kind == "acceptance ended":
            state = State.REOPENED
        elif kind == "rekeyed from":
            state = None
    return state


class LifeWithNewIdentities(RuleBasedStateMachine):
    """Also with findings that get another identity and back: what always holds still does."""

    def __init__(self) -> None:
        super().__init__()
        self.life = Life()

    def teardown(self) -> None:
        self.life.teardown()

    @rule(
        asset=st.sampled_from(["one", "two", "new"]), seen=st.sets(st.sampled_from(["/a", "/b"])), noisy=st.booleans()
    )
    def scan(self, asset: str, seen: set[str], noisy: bool) -> None:
        minutes = self.life.later()
        one = evaluation(*map(weakness, seen), minutes=minutes, asset=asset, noisy=noisy)
        self.life.store.record(f"s{minutes}", [one])

    @rule(place=places, to=st.sampled_from(["one", "two", "new"]))
    def rekey(self, place: tuple[str, str], to: str) -> None:
        path = place[0]
        self._try(
            Rekey(id_of(*place), BECAUSE, weakness_class=WeaknessClass.WEB, asset=to, rule=RULE, locator=("GET", path))
        )

    @rule(path=st.sampled_from(["/a", "/b"]), asset=st.sampled_from(["one", "two", "new"]), to=st.sampled_from(State))
    def move(self, path: str, asset: str, to: State) -> None:
        self._try(Move(id_of(path, asset), BECAUSE, to=to))

    @rule(place=places, other=places)
    def merge(self, place: tuple[str, str], other: tuple[str, str]) -> None:
        self._try(Merge(id_of(*place), BECAUSE, part=id_of(*other)))

    @rule(path=st.sampled_from(["/a", "/b"]), asset=st.sampled_from(["one", "two", "new"]))
    def split(self, path: str, asset: str) -> None:
        self._try(Split(id_of(path, asset), BECAUSE))

    @rule(path=st.sampled_from(["/a", "/b"]), asset=st.sampled_from(["one", "two", "new"]))
    def accept(self, path: str, asset: str) -> None:
        self._try(Accept(id_of(path, asset), BECAUSE, acceptance="risk"))

    def _try(self, edit: Edit) -> None:
        self.life.later()
        with suppress(BadInput):
            self.life.store.edit(edit, actor="li")

    @invariant()
    def findings_are_sound(self) -> None:
        self.life.findings_are_sound()


SETTINGS = settings(max_examples=120, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))
TestLife = Life.TestCase
TestLife.settings = SETTINGS
TestLife = pytest.mark.slow(TestLife)
TestLifeWithNewIdentities = LifeWithNewIdentities.TestCase
TestLifeWithNewIdentities.settings = SETTINGS
TestLifeWithNewIdentities = pytest.mark.slow(TestLifeWithNewIdentities)
