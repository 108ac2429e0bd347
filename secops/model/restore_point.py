"""One copy of one asset in one vault, and what is proven of it."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from secops.model.text import Text


class Proof(StrEnum):
    """The answer to one question about a restore point."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is proven of a restore point. `because` explains the worst of the three."""

    readable: Proof = Proof.UNKNOWN
    restorable: Proof = Proof.UNKNOWN
    """Restored to scratch and equal, file by file, to the manifest taken at backup."""
    clean: Proof = Proof.UNKNOWN
    """The checks of the asset found nothing in the restored copy."""
    because: Text = field(default_factory=lambda: Text("尚未验证", "not verified yet"))
    judged: datetime | None = None

    @property
    def proven_clean(self) -> bool:
        """Restored, equal to its manifest, and clean."""
        return (self.readable, self.restorable, self.clean) == (Proof.YES, Proof.YES, Proof.YES)


@dataclass(frozen=True, slots=True)
class RestorePoint:
    """One copy. `id` is `vault/archive`."""

    id: str
    asset: str
    vault: str
    engine: str
    archive: str
    """The engine's own name of the copy."""
    taken: datetime
    manifest: str
    """SHA-256 of the manifest of the source at backup (see backup.manifest)."""
    size_bytes: int
    verdict: Verdict = field(default_factory=Verdict)
