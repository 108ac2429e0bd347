"""A lab of three centres for tests, under a name of its own, gone afterwards."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from secops.lab.down import down, what_is_left
from secops.lab.places import Lab
from secops.lab.up import refuse_machine, up
from secops.support.errors import Incomplete


def new_lab(letter: str) -> Lab:
    """A name that no other test process uses; the letter tells labs of one process apart."""
    return Lab(f"t{letter}{os.getpid() % 10_000_000}")


@contextmanager
def standing_lab(letter: str, *, daemons: bool = False) -> Iterator[Lab]:
    """Skips, with the reason, where no lab can stand."""
    skip_where_no_lab_can_stand()
    lab = new_lab(letter)
    up(lab, daemons=daemons)
    try:
        yield lab
    finally:
        down(lab)
        assert not what_is_left(lab)


def skip_where_no_lab_can_stand() -> None:
    """As the name says."""
    try:
        refuse_machine()
    except Incomplete as reason:
        pytest.skip(str(reason))
