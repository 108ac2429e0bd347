"""What waits on the disk is what was given, to the last half of a surrogate pair; a newer program's is not guessed at."""

from collections.abc import Callable
from dataclasses import fields
from datetime import timedelta
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secops.model.acceptance import Acceptance
from secops.model.finding import Deadline, Severity, State, WeaknessClass
from secops.model.outcome import Outcome
from secops.model.text import Text
from secops.store import edits
from secops.store.edits import Edit
from secops.store.entries import Approving, Deciding, Editing, Recording, Write, from_bytes, to_bytes
from secops.support.errors import BadInput
from tests.contracts.evaluations import at, evaluation, weakness

anything = st.text(st.characters(), max_size=10)
moments = st.integers(0, 10**6).map(lambda minutes: at(minutes) + timedelta(microseconds=minutes))
texts = st.builds(Text, anything, anything)
BY_TYPE: dict[Any, st.SearchStrategy[Any]] = {
    str: anything,
    int: st.integers(0, 9),
    int | None: st.none() | st.integers(0, 9),
    Text: texts,
    State: st.sampled_from(State),
    WeaknessClass: st.sampled_from(WeaknessClass),
    tuple[str, ...]: st.lists(anything, max_size=3).map(tuple),
    Deadline | None: st.none() | st.builds(Deadline, moments, moments, st.none() | moments, st.integers(0, 99)),
}
KINDS = [
    kind for kind in vars(edits).values() if isinstance(kind, type) and issubclass(kind, Edit) and kind is not Edit
]


def an_edit(kind: type[Edit]) -> st.SearchStrategy[Edit]:
    hints = get_type_hints(kind)
    return st.builds(kind, **{field.name: BY_TYPE[hints[field.name]] for field in fields(kind)})


recordings = st.builds(
    lambda scan, path, word, body, outcome, noisy: Recording(
        scan, evaluation(weakness(path, wording=word), asset=path, observation=body, outcome=outcome)
    ),
    *(anything, anything, anything, st.binary(max_size=20), st.sampled_from(Outcome), st.booleans()),
)
acceptances = st.builds(
    Acceptance,
    *(anything, anything, st.sampled_from(Severity), anything, anything, anything, moments, moments),
    approved=st.none() | moments,
)
writes: st.SearchStrategy[Write] = st.one_of(
    recordings,
    st.builds(Editing, st.one_of(*map(an_edit, KINDS)), anything, moments),
    st.builds(Deciding, acceptances, anything, anything, moments),
    st.builds(Approving, anything, anything, st.binary(max_size=20), anything, moments),
)


@given(writes)
def test_what_is_written_down_is_what_is_read(write: Write) -> None:
    assert from_bytes(*to_bytes(write)) == write


def test_every_kind_of_edit_is_known() -> None:
    assert {"Move", "Merge", "Split", "Rekey", "Accept", "EndAcceptance", "SetDeadline"} <= {
        kind.__name__ for kind in KINDS
    }


@pytest.mark.parametrize(
    "alter",
    [
        lambda kind, body: (kind, body.replace(b'"version":1', b'"version":2')),
        lambda kind, body: ("foretelling", body),
        lambda kind, body: ("editing:Forgive", body),
    ],
)
def test_an_entry_of_a_newer_program_is_refused(alter: Callable[[str, bytes], tuple[str, bytes]]) -> None:
    kind, body, observation = to_bytes(Recording("s", evaluation(weakness())))
    altered = alter(kind, body)
    assert altered != (kind, body)
    with pytest.raises(BadInput, match="newer Jindun"):
        from_bytes(*altered, observation)
