"""Keeping etcd's own leader out of a centre, so that losing the centre does not cost an election as well."""

import asyncio

from secops.coordination.etcd import Etcd, EtcdUnreachable
from secops.coordination.etcd_wire import Member


async def keep_leader_away(etcd: Etcd, endpoint: str) -> bool:
    """When the member there leads, hand the lead to another that follows it; whether it was handed over.

    Raises EtcdUnreachable when the member, or every other, does not answer, and Refusal.
    """
    leader = await etcd.status(endpoint)
    if not leader.leads:
        return False
    others = [other for other in etcd.endpoints if other != endpoint]
    told = await asyncio.gather(*(etcd.status(other) for other in others), return_exceptions=True)
    for member in told:
        if isinstance(member, Member) and member.leader == leader.id:
            await etcd.transfer_leadership(endpoint, member.id)
            return True
    if failed := [error for error in told if isinstance(error, EtcdUnreachable)]:
        raise failed[0]
    return False
