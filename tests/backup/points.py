"""Restore points for tests that need no vault."""

from datetime import UTC, datetime, timedelta

from backup.manifest import Entry, Kind, Manifest
from secops.model.restore_point import Proof, RestorePoint, Verdict
from secops.model.text import Text

MANIFEST = Manifest.of([Entry("page", Kind.FILE, 0o644, 1, "a" * 64)])
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CLEAN = Verdict(Proof.YES, Proof.YES, Proof.YES, Text("干净", "clean"), NOON)


def at(minutes: float) -> datetime:
    """A moment after noon."""
    return NOON + timedelta(minutes=minutes)


def point(name: str, minutes: float = 0, verdict: Verdict | None = None, asset: str = "site") -> RestorePoint:
    """A point of the vault v1 with MANIFEST."""
    return RestorePoint(f"v1/{name}", asset, "v1", "borg", name, at(minutes), MANIFEST.digest, 1, verdict or Verdict())
