"""Nouns that are made for every request: frozen for whoever reads and checks the code, cheap when it runs.

Python sets each field of a frozen object through a call; that was a tenth of what a request costs. mypy still refuses
to change one.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as noun
else:

    def noun(*, frozen: bool, slots: bool) -> Any:
        """Stands in for `dataclass`; equal, hashed and shown alike."""
        return dataclass(slots=slots, unsafe_hash=frozen)


__all__ = ["noun"]
