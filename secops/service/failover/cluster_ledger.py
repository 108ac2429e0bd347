"""What playbooks read of clusters, and ask of them: the agents decide and act, a playbook says its word and waits."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from backup.failover.situation import Wish, WishKind
from secops.service.failover.asking import ask
from secops.service.failover.watching import Standing, Watching, watching

Found = TypeVar("Found")


class ClusterLedger:
    """Of the clusters of a home. Each call opens its own way to etcd."""

    def __init__(self, home: Standing) -> None:
        self._home = home

    def state(self, cluster: str) -> Mapping[str, Any]:
        """Who serves, and whether somebody could take over now. Raises Incomplete, BadInput."""
        return asyncio.run(self._with(cluster, self._look))

    def ask(self, cluster: str, wish: Mapping[str, Any], patience_seconds: float) -> None:
        """Say a word and wait until it is done; one that was fulfilled before is done at once. Raises Refused,
        Incomplete, BadInput."""
        said = Wish(
            wish["id"], WishKind(wish["kind"]), wish["target"], tuple(wish["by"]), wish["typed"], wish["reason"]
        )

        async def asking(followed: Watching) -> None:
            await ask(followed, said, patience_seconds, lambda _text: None)

        asyncio.run(self._with(cluster, asking))

    async def _with(self, cluster: str, work: Callable[[Watching], Awaitable[Found]]) -> Found:
        async with watching(self._home, self._home.inventory.cluster(cluster)) as followed:
            return await work(followed)

    async def _look(self, followed: Watching) -> Mapping[str, Any]:
        view = followed.view
        published = view.published
        return {
            "leader": view.leader,
            "primary": published.primary if published else "",
            "epoch": published.version.epoch if published else 0,
            "promotable": list(published.promotable) if published else [],
            "because": {"zh": view.because.zh, "en": view.because.en},
        }
