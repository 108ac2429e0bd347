"""The lab's cluster, as an inventory describes it."""

from secops.lab.places import ACCOUNT, CENTRES, CLUSTER, DATABASE, ENTRY_PORT, POSTGRESQL_PORT, Lab, address
from secops.model.cluster import Cluster, ClusterEntry, Member
from secops.model.step import LOCAL

SYSTEM = "records"


def cluster(lab: Lab) -> Cluster:
    """A member, a vote and an entry in each centre; the first two centres are in one city."""
    return Cluster(
        id=CLUSTER,
        system=SYSTEM,
        members=tuple(_member(lab, centre) for centre in CENTRES),
        home=CENTRES[0],
        synchronous=CENTRES[:2],
        voters=CENTRES,
        entries=tuple(_entry(lab, centre) for centre in CENTRES),
        database=DATABASE,
        account=ACCOUNT,
    )


def _member(lab: Lab, centre: str) -> Member:
    """Its agent stands on the same machine."""
    return Member(centre, centre, LOCAL, address(centre), POSTGRESQL_PORT, str(lab.data(centre)))


def _entry(lab: Lab, centre: str) -> ClusterEntry:
    return ClusterEntry(centre, address(centre), ENTRY_PORT, socket=str(lab.entry_socket(centre)), backend=CLUSTER)
