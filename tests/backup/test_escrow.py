"""Split keys: any k shares rebuild, fewer tell nothing, and what does not belong is refused."""

from collections import Counter
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup.escrow import _at_zero, _over, _times, join, share_from, split
from secops.support.errors import BadInput

SECRETS = st.binary(max_size=200)


@st.composite
def thresholds(draw: st.DrawFn) -> tuple[int, int]:
    """k and n."""
    holders = draw(st.integers(2, 6))
    return draw(st.integers(2, holders)), holders


@given(SECRETS, thresholds())
@settings(max_examples=60, deadline=None)
def test_any_k_of_n_rebuild_and_more_do_too(secret: bytes, threshold: tuple[int, int]) -> None:
    needed, holders = threshold
    shares = split(secret, needed, holders)
    for count in range(needed, holders + 1):
        for chosen in combinations(shares, count):
            assert join(chosen[::-1]) == secret


@given(SECRETS, thresholds())
@settings(max_examples=40, deadline=None)
def test_fewer_are_refused_also_when_one_is_given_twice(secret: bytes, threshold: tuple[int, int]) -> None:
    needed, holders = threshold
    few = split(secret, needed, holders)[: needed - 1]
    with pytest.raises(BadInput, match="shares are needed"):
        join([*few, few[0]])


def test_one_share_of_two_is_spread_evenly_whatever_the_secret_is() -> None:
    """Over all random bytes, a holder sees each value of a byte once."""
    for byte in (0, 1, 0x80, 0xFF):
        seen = Counter(one_share(byte, chosen) for chosen in range(256))
        assert sorted(seen) == list(range(256))


def one_share(byte: int, random_byte: int) -> int:
    """What the second holder of two gets of the byte."""
    shares = split(bytes([byte]), 2, 2, lambda size: bytes([random_byte]) * size)
    return shares[1].values[-1]


def test_for_any_other_secret_there_is_a_last_share() -> None:
    """Two of three holders of a 3-of-3 split cannot rule out a single value of a byte."""
    shares = split(b"k", 3, 3)
    values = set()
    for last in range(256):
        changed = replace(shares[2], values=shares[2].values[:-1] + bytes([last]))
        values.add(_at_zero([*shares[:2], changed])[-1])
    assert len(values) == 256


@given(st.binary(min_size=1, max_size=60), st.data())
@settings(max_examples=60, deadline=None)
def test_a_share_that_was_changed_is_noticed(secret: bytes, data: st.DataObject) -> None:
    shares = list(split(secret, 2, 3))
    place = data.draw(st.integers(0, len(shares[0].values) - 1))
    values = bytearray(shares[0].values)
    values[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BadInput, match="one of the shares was changed"):
        join([replace(shares[0], values=bytes(values)), shares[1]])


def test_shares_of_different_sets_are_not_mixed() -> None:
    first, second = split(b"the key", 2, 3), split(b"the key", 2, 3)
    for wrong in ([first[0], second[1]], []):
        with pytest.raises(BadInput, match="not of one set"):
            join(wrong)


@given(SECRETS, thresholds())
@settings(max_examples=40, deadline=None)
def test_a_share_goes_through_its_text(secret: bytes, threshold: tuple[int, int]) -> None:
    shares = split(secret, *threshold)
    assert tuple(share_from(share.text + "\n") for share in shares) == shares
    assert all(share.text.isprintable() and share.text.isascii() for share in shares)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_slip_of_the_pen_is_noticed(data: st.DataObject) -> None:
    line = split(b"the key", 2, 3)[0].text
    place = data.draw(st.integers(0, len(line) - 1))
    wrong = data.draw(st.characters(codec="ascii", categories=("L", "N")).filter(lambda one: one != line[place]))
    with pytest.raises(BadInput, match=r"copied wrong|no share of a key"):
        share_from(line[:place] + wrong + line[place + 1 :])


@pytest.mark.parametrize(("needed", "holders"), [(1, 3), (0, 0), (4, 3), (2, 256)])
def test_a_split_that_makes_no_sense_is_refused(needed: int, holders: int) -> None:
    with pytest.raises(BadInput, match="cannot be split"):
        split(b"x", needed, holders)


def test_the_field_is_that_of_the_standard() -> None:
    """The worked example of FIPS 197 §4.2: {57} • {83} = {c1}."""
    assert _times(0x57, 0x83) == 0xC1
    assert all(_times(_over(a, b), b) == a for a in range(256) for b in range(1, 256))
