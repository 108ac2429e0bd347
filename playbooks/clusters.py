"""What the failover actions share: options that name a cluster and a member, and what they mean in the city."""

from playbooks.action import Options
from secops.inventory.inventory import Inventory
from secops.model.cluster import Cluster, Member
from secops.model.text import Text
from secops.support.errors import BadInput


class ClusterOptions(Options):
    """Options of an action on a cluster."""

    cluster: str
    """Id of the cluster."""


class MemberOptions(ClusterOptions):
    """Options of an action on one member of a cluster."""

    member: str
    """Name of the member."""


def member_of(inventory: Inventory, options: MemberOptions) -> tuple[Cluster, Member]:
    """The cluster and its member. Raises BadInput."""
    cluster = inventory.cluster(options.cluster)
    member = cluster.member(options.member)
    if member is None:
        known = ", ".join(one.name for one in cluster.members)
        raise BadInput(
            Text(
                f"集群 {cluster.id} 没有成员 {options.member}(有 {known})",
                f"cluster {cluster.id} has no member {options.member} (it has {known})",
            )
        )
    return cluster, member
