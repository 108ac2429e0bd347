"""Time: UTC inside, local at the edge."""

from datetime import UTC, datetime


def now() -> datetime:
    """The present moment in UTC."""
    return datetime.now(UTC)


def to_text(moment: datetime) -> str:
    """ISO 8601 in UTC with microseconds, sortable as text: `2026-11-22T08:00:00.000000Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def from_text(text: str) -> datetime:
    """The moment that `to_text` wrote."""
    return datetime.fromisoformat(text)


def local(moment: datetime) -> str:
    """For a person: local time to the second."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def from_unix(seconds: float) -> datetime:
    """The moment that many seconds after 1970 began, in UTC."""
    return datetime.fromtimestamp(seconds, UTC)
