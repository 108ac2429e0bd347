"""Hands in the three centres, for tests."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from backup.failover.members.postgresql import PostgresqlHands
from backup.failover.situation import Act, ActKind, MemberStatus, Policy, Seen
from secops.lab.city import cluster
from secops.lab.inside import inside_namespace
from secops.lab.places import CENTRES, Lab
from secops.model.step import Procedure
from tests.backup.performing import Performing

Returned = TypeVar("Returned")


class Hand:
    """Acts on the member of one centre from inside it, over connections that stay open."""

    def __init__(self, lab: Lab, centre: str, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._namespace = lab.namespace(centre)
        self._performing = Performing(folder)
        self._hands = PostgresqlHands()
        self.cluster = cluster(lab)
        own = self.cluster.member(centre)
        assert own
        self._own = own

    def status(self) -> MemberStatus:
        return self.run(self._hands.status(self.cluster, self._own, Policy()))

    def look(self, name: str) -> Seen:
        member = self.cluster.member(name)
        assert member
        return self.run(self._hands.look(self.cluster, member))

    def do(self, kind: ActKind, member: str = "", names: tuple[str, ...] = (), clean: bool = False) -> None:
        act = Act(kind, member=member, names=names, clean=clean)
        self.run(self._hands.perform(self.cluster, self._own, act))

    def tidy(self) -> None:
        self.run(self._hands.tidy(self.cluster, self._own))

    def run(self, procedure: Procedure[Returned]) -> Returned:
        with inside_namespace(self._namespace):
            return self._performing.run(procedure)


def hands_in(lab: Lab, folder: Path) -> Mapping[str, Hand]:
    """One in each centre."""
    return {centre: Hand(lab, centre, folder / centre) for centre in CENTRES}
