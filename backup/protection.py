"""How one asset is protected, as its vaults and the catalogue have it: what decisions about its copies look at."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from backup.canary_ledger import Acknowledged, Holding
from backup.catalogue import Look
from backup.policies import Policy
from secops.model.city import Asset, CentreRole, Keeping, Medium, Vault
from secops.model.restore_point import Proof, RestorePoint


@dataclass(frozen=True, slots=True)
class Shelf:
    """What one vault has of one asset."""

    vault: Vault
    role: CentreRole
    site: str
    """Id of the site that the vault stands on."""
    points: tuple[RestorePoint, ...]
    """Newest first."""
    look: Look | None = None
    log_until: datetime | None = None
    """Until when the log of what changed is in the vault, for engines that keep one."""
    used_bytes: int = 0
    """What the unit takes in the vault, with all its assets."""

    @property
    def newest(self) -> datetime | None:
        """The moment up to which the asset can be recovered from here."""
        taken = self.points[0].taken if self.points else None
        return max(taken, self.log_until) if taken and self.log_until else taken

    @property
    def apart(self) -> bool:
        """Whether nobody can alter over a network what it holds."""
        return self.vault.keeping is not Keeping.ONLINE


@dataclass(frozen=True, slots=True)
class Rhythm:
    """The canaries of an asset: what was acknowledged, and what copies and replicas were found to hold."""

    every_seconds: float
    newest: Acknowledged | None
    holdings: tuple[Holding, ...]
    lost: Mapping[str, int]
    """By copy or replica, how many were acknowledged that are newer than its newest."""
    replicas: tuple[tuple[str, CentreRole], ...] = ()
    """What follows the asset, and in which centre."""

    def lost_after(self, holding: Holding) -> int:
        """What a recovery from there would lose."""
        return self.lost.get(holding.subject, 0)


@dataclass(frozen=True, slots=True)
class Protected:
    """One asset, what its tier asks for, and what there is."""

    asset: Asset
    system: str
    unit: str
    site: str
    """Where the asset itself stands."""
    policy: Policy
    shelves: tuple[Shelf, ...]
    """The vaults that its unit may use."""
    rhythm: Rhythm | None = None
    """None: no canaries are written into it."""

    def in_role(self, role: CentreRole) -> tuple[Shelf, ...]:
        """The vaults of one centre."""
        return tuple(shelf for shelf in self.shelves if shelf.role is role)

    @property
    def points(self) -> Iterable[RestorePoint]:
        """Every copy in any vault."""
        return (point for shelf in self.shelves for point in shelf.points)


@dataclass(frozen=True, slots=True)
class ThreeTwoOne:
    """3-2-1-1-0: three copies with the original, on two media, one off-site, one offline or immutable, no error."""

    copies: int
    media: int
    off_site: int
    apart: int
    errors: int
    """Newest copies whose last look failed, or that no look has proven by a restore."""

    @property
    def met(self) -> bool:
        """Whether all five figures are reached."""
        return self.copies >= 3 and self.media >= 2 and self.off_site >= 1 and self.apart >= 1 and self.errors == 0

    @property
    def text(self) -> str:
        """The five figures, as the rule writes them."""
        return "-".join(map(str, (self.copies, self.media, self.off_site, self.apart, self.errors)))


def three_two_one(protected: Protected) -> ThreeTwoOne:
    """The figures of one asset; the original counts as a copy on disk."""
    filled = [shelf for shelf in protected.shelves if shelf.points]
    return ThreeTwoOne(
        copies=1 + len(filled),
        media=len({Medium.DISK, *(shelf.vault.medium for shelf in filled)}),
        off_site=sum(shelf.site != protected.site for shelf in filled),
        apart=sum(shelf.apart for shelf in filled),
        errors=sum(_in_error(shelf.points) for shelf in filled),
    )


def worst(figures: Iterable[ThreeTwoOne]) -> ThreeTwoOne | None:
    """Those of a system: of each figure the worst of its assets; None when it has none."""
    every = list(figures)
    if not every:
        return None
    return ThreeTwoOne(
        copies=min(one.copies for one in every),
        media=min(one.media for one in every),
        off_site=min(one.off_site for one in every),
        apart=min(one.apart for one in every),
        errors=sum(one.errors for one in every),
    )


def _in_error(points: tuple[RestorePoint, ...]) -> bool:
    """Whether the newest copy that was looked at is broken, or none was ever restored."""
    looked = next((point.verdict for point in points if point.verdict.judged), None)
    return looked is None or Proof.NO in (looked.readable, looked.restorable) or looked.restorable is not Proof.YES
