"""The contract of coordination: who may act now, under a token that only grows."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from secops.model.text import Text
from secops.support.errors import Incomplete


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to act on `name` for as long as it is held."""

    name: str
    token: int
    """Larger than every token given for this name before; whoever acts shows it, and a smaller one is refused."""


class Held(Incomplete):
    """Somebody else holds the lease."""

    def __init__(self, name: str, holder: str) -> None:
        super().__init__(Text(zh=f"{name} 正由{holder}执行", en=f"{name} is being executed by {holder}"))


class Coordinator(Protocol):
    """Gives leases. Two holders of one name at a time do not exist, also across processes."""

    def acquire(self, name: str) -> AbstractContextManager[Lease]:
        """The lease, held until the context ends or the process dies. Raises Held at once; never waits."""
        ...
