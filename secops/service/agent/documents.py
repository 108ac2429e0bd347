"""What agents say to each other through etcd: which key holds what, and JSON there and back."""

from dataclasses import dataclass
from typing import TypeVar

import orjson
from pydantic import TypeAdapter, ValidationError

from backup.failover.situation import Memory, Published, Report, Wish
from secops.model.text import Text

Document = TypeVar("Document")


class Unreadable(ValueError):
    """A document that does not hold what its key stands for; the message says where."""


@dataclass(frozen=True, slots=True)
class Explained:
    """The newest decision on a cluster: shown to who asks why it did, or did not, fail over."""

    plan: str
    because: Text
    leader: str
    at: float
    """Unix seconds."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Where things stand below the prefix of a city."""

    prefix: str
    """Ends with a slash."""

    @property
    def leader(self) -> str:
        """Centre of the leader; bound to its session."""
        return f"{self.prefix}leader"

    def agent(self, centre: str) -> str:
        """Held by the one daemon of a centre; bound to its session."""
        return f"{self.prefix}agents/{centre}"

    def published(self, cluster: str) -> str:
        """A `Published`, written by the leader alone."""
        return f"{self.prefix}clusters/{cluster}/state"

    def explained(self, cluster: str) -> str:
        """An `Explained`, written by the leader alone."""
        return f"{self.prefix}clusters/{cluster}/explained"

    def report(self, cluster: str, centre: str) -> str:
        """A `Report`; bound to the session of the centre's daemon."""
        return f"{self.prefix}clusters/{cluster}/reports/{centre}"

    def wishes(self, cluster: str) -> str:
        """All of the wishes begin so; each ends with its id."""
        return f"{self.prefix}clusters/{cluster}/wishes/"

    def runs(self) -> str:
        """All that is kept of runs begins so."""
        return f"{self.prefix}runs/"


def to_json(document: object) -> bytes:
    """As it is stored."""
    return orjson.dumps(document)


def published_of(value: bytes) -> Published:
    """Raises Unreadable."""
    return _read(_PUBLISHED, value)


def report_of(value: bytes) -> Report:
    """Raises Unreadable."""
    return _read(_REPORT, value)


def wish_of(value: bytes) -> Wish:
    """Raises Unreadable."""
    return _read(_WISH, value)


def memory_of(value: bytes) -> Memory:
    """Raises Unreadable."""
    return _read(_MEMORY, value)


def explained_of(value: bytes) -> Explained:
    """Raises Unreadable."""
    return _read(_EXPLAINED, value)


def _read(adapter: TypeAdapter[Document], value: bytes) -> Document:
    try:
        return adapter.validate_json(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise Unreadable(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


_PUBLISHED = TypeAdapter(Published)
_REPORT = TypeAdapter(Report)
_WISH = TypeAdapter(Wish)
_MEMORY = TypeAdapter(Memory)
_EXPLAINED = TypeAdapter(Explained)
