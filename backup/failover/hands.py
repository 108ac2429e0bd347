"""What the agent of a centre can do with a member and with an entry; one file per product and per driver does it.

Everything is a procedure. Probes change nothing and are performed several times a second, without a journal; acts are
performed by the executor, one at a time in a centre.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

from backup.failover.situation import Act, MemberStatus, Policy, Seen
from secops.model.cluster import Cluster, ClusterEntry, EntryDriver, Member
from secops.model.product import Product
from secops.model.step import Procedure


class MemberHands(ABC):
    """Of one product. Instances are found in `backup.failover.members`."""

    name: ClassVar[str]
    product: ClassVar[Product]

    @abstractmethod
    def status(self, cluster: Cluster, member: Member, policy: Policy) -> Procedure[MemberStatus]:
        """What the member is doing, asked on its own machine. Being stopped or hung is a state and no failure;
        `unprotected_seconds` is what one look can tell."""

    @abstractmethod
    def look(self, cluster: Cluster, member: Member) -> Procedure[Seen]:
        """How the member looks from here: within about a second, whatever it does."""

    @abstractmethod
    def perform(self, cluster: Cluster, member: Member, act: Act) -> Procedure[None]:
        """One act on the own member, every kind of `ActKind` that is not of the entry. Repeating it changes nothing more.
        Raises ProcedureFailed when it did not come about."""

    @abstractmethod
    def tidy(self, cluster: Cluster, member: Member) -> Procedure[None]:
        """End what an agent that died here left under way; nothing of it takes effect afterwards."""


class EntryHands(ABC):
    """Of one driver. Instances are found in `backup.failover.entries`."""

    name: ClassVar[str]
    driver: ClassVar[EntryDriver]
    cuts_sessions: ClassVar[bool] = True
    """Whether moving it ends the sessions of old members; where it cannot, a fence must."""

    def lag_seconds(self, entry: ClusterEntry) -> float:
        """For how long clients may still be led as before, once it was moved."""
        return 0.0

    @abstractmethod
    def leads_to(self, cluster: Cluster, entry: ClusterEntry) -> Procedure[str]:
        """The member that clients are led to, empty when the entry is closed. Raises ProcedureFailed when that is not
        known."""

    @abstractmethod
    def lead(self, cluster: Cluster, entry: ClusterEntry, member: Member) -> Procedure[None]:
        """Lead clients to the member alone, the sessions of all others cut if it can. Raises ProcedureFailed."""

    @abstractmethod
    def close(self, cluster: Cluster, entry: ClusterEntry) -> Procedure[None]:
        """Lead clients nowhere, all sessions cut if it can. Raises ProcedureFailed."""
