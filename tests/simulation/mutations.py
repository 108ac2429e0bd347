"""The mutation table: each rule of safety, and the way to switch it off."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from backup.failover import safety
from backup.failover.situation import MemberState, Post
from tests.simulation.schedule import run
from tests.simulation.world import World


@dataclass(frozen=True, slots=True)
class Mutation:
    """A rule that does not hold any more."""

    rule: str
    """A function of `backup.failover.safety`, or what the surroundings promise."""
    mutant: Callable[..., Any] | None = None
    """In the place of the function."""
    prepare: Callable[[World], None] | None = None
    """What the surroundings do instead."""
    shows_at: int = 0
    """A seed near which it is known to show; a hint that saves the tests time."""
    heal: bool = False
    """Whether it shows only when everything is mended again."""

    @contextmanager
    def switched_off(self) -> Iterator[None]:
        """While the context lasts."""
        if self.mutant is None:
            yield
            return
        kept = getattr(safety, self.rule)
        setattr(safety, self.rule, self.mutant)
        try:
            yield
        finally:
            setattr(safety, self.rule, kept)


def _yes(*_: object) -> bool:
    return True


def _relaxes_unasked(post: Post) -> bool:
    """What a primary does that helps itself when nobody confirms any more."""
    status = post.report.member
    assert post.published is not None
    left = status is not None and status.state is MemberState.PRIMARY and status.unprotected_seconds > 1.0
    return not post.published.names or left


def _no_guard(world: World) -> None:
    world.store.guards = False


def _no_compare(world: World) -> None:
    world.store.compares = world.store.guards = False


MUTATIONS = (
    Mutation("may_lead", _yes),
    Mutation("majority_suspects", _yes, shows_at=390),
    Mutation("is_promotable", _yes, shows_at=373),
    Mutation("is_complete", _yes, shows_at=5838),
    Mutation("receives_nothing", _yes, shows_at=87),
    Mutation("names_in_force", lambda published, status: status.names == published.names, shows_at=822),
    Mutation("has_obeyed", _yes, shows_at=110),
    Mutation("has_caught_up", lambda _status, standby: standby.synchronous, shows_at=14),
    Mutation("may_relax", _relaxes_unasked, shows_at=99),
    Mutation("is_no_lower", _yes, shows_at=716),
    Mutation("is_current", _yes),
    Mutation("may_stay_primary", _yes, heal=True, shows_at=19),
    Mutation("has_handed_over", _yes, shows_at=168),
    Mutation("has_renounced", _yes, shows_at=1329),
    Mutation("may_be_overwritten", _yes, shows_at=10),
    Mutation("declared_by_two", _yes),
    Mutation("may_keep_serving", _yes, shows_at=92),
    Mutation("the store compares and guards", prepare=_no_compare, shows_at=89),
    Mutation("the store guards", prepare=_no_guard, shows_at=40),
)


def schedules_until_caught(mutation: Mutation, most: int, first_seed: int = 0) -> tuple[int, str]:
    """After how many schedules the checker finds it, and as what; 0: not within `most`."""
    with mutation.switched_off():
        for seed in range(first_seed, first_seed + most):
            result = run(seed, heal=mutation.heal, prepare=mutation.prepare)
            if result.broken:
                return seed - first_seed + 1, result.broken
    return 0, ""
