"""The highest token seen, across restarts and damage."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secops.coordination.tokens import HighestToken, Outdated
from secops.support.errors import Incomplete


@given(st.lists(st.integers(0, 10**12), max_size=8))
@settings(max_examples=20, deadline=None)
def test_a_token_is_admitted_when_none_above_it_was(
    tmp_path_factory: pytest.TempPathFactory, tokens: list[int]
) -> None:
    path = tmp_path_factory.mktemp("tokens") / "state" / "orders.token"
    highest = 0
    for token in tokens:
        seen = HighestToken(path, "orders")  # as after a restart
        assert seen.highest == highest
        if token < highest:
            with pytest.raises(Outdated):
                seen.admit(token)
        else:
            seen.admit(token)
        highest = max(highest, token)
    assert not list(path.parent.glob(".*"))


@pytest.mark.parametrize("damage", [b"", b"12", b"-3\n", b"12\n13\n", b"\xff\n", "١٢\n".encode()])
def test_a_damaged_file_is_not_taken_for_a_first_start(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "orders.token"
    path.write_bytes(damage)
    with pytest.raises(Incomplete, match=r"orders\.token"):
        HighestToken(path, "orders")


def test_what_cannot_be_written_is_not_admitted(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    seen = HighestToken.__new__(HighestToken)
    seen._path, seen._name, seen._highest = blocked / "orders.token", "orders", 4
    with pytest.raises(Incomplete):
        seen.admit(5)
    assert seen.highest == 4
