"""One copy of one asset in one vault, and what is proven of it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum

from secops.model.text import Text


class Proof(StrEnum):
    """The answer to one question about a restore point."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Rung(IntEnum):
    """The ladder of verification: each rung proves more than the one below, and costs more."""

    NONE = 0
    REPOSITORY = 1
    """What the vault holds hangs together."""
    SAMPLE = 2
    """A part of the copy was read back."""
    RESTORE = 3
    """All of it was restored to scratch, and equals its manifest."""
    SCAN = 4
    """Nothing malicious was found in the restored tree."""
    BUSINESS = 5
    """The application started from it in an isolated place and passed its business check."""


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
    """When the copy was last looked at."""
    rung: Rung = Rung.NONE
    """The highest that stands."""
    failed: Rung = Rung.NONE
    """The one that stopped the climb; NONE when nothing did."""
    proven: datetime | None = None
    """When `rung` was passed: proof ages from then on. A look that climbs less high leaves it as it is."""
    rules: str = ""
    """Digest of the rules that the restored tree was scanned with."""
    rules_date: datetime | None = None
    """When the newest of them was written."""
    seconds: float = 0.0
    """What the look took."""
    read_bytes: int = 0
    """How much of the copy's content the look read back."""

    @property
    def proven_clean(self) -> bool:
        """Restored, equal to its manifest, and clean."""
        return (self.readable, self.restorable, self.clean) == (Proof.YES, Proof.YES, Proof.YES)

    def aged(self, moment: datetime, lasts_seconds: float) -> bool:
        """Whether what it proves is older than proof lasts."""
        since = self.proven or self.judged
        return since is not None and moment - since > timedelta(seconds=lasts_seconds)


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
    unit: str = ""
    """Id of the unit whose data it is; nobody else sees it."""
    copied_from: str = ""
    """Id of the vault that it is a copy of; empty: it was taken from the source."""
    added_bytes: int = 0
    """What the vault grew by."""
    packed_bytes: int = 0
    """What it takes compressed, before anything is shared with other copies; 0: the engine did not say."""
    seconds: float = 0.0
    """How long taking it took."""
