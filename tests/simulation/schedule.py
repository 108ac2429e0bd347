"""Random schedules: which step comes next, which fault strikes, and whether all comes back when the faults are mended."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from backup.failover.decide import decide
from backup.failover.situation import Plan, Wish, WishKind
from tests.simulation.members import NAMES, PRIMARY, STANDBY
from tests.simulation.store import Refused
from tests.simulation.world import World

STEPS = 56
_PAUSES = (0, 0, 5, 20, 20, 50, 50, 100, 100, 200, 200, 400, 800, 1500)
_RATES = (1.0, 1.0, 1.0, 0.9, 1.1)
_ROUNDS = 240
_EXPLAINED = (Plan.STUCK, Plan.HELD)


@dataclass(slots=True)
class Result:
    """What became of a schedule."""

    broken: str = ""
    """What the checker would not have; empty: nothing."""
    healed: str = ""
    """After mending: `protected`, or the plan that says why not."""
    plans: dict[Plan, int] = field(default_factory=dict)
    trace: list[str] | None = None


def run(
    seed: int, *, heal: bool = False, trace: bool = False, prepare: Callable[[World], None] | None = None
) -> Result:
    """One schedule. The same seed gives the same."""
    random = Random(seed)
    world = World(random)
    world.trace = [] if trace else None
    if prepare:
        prepare(world)
    result = Result(plans=world.plans, trace=world.trace)
    try:
        _play(world, random)
        if heal:
            result.healed = _heal(world)
    except Refused as refused:
        result.broken = str(refused)
    return result


def _play(world: World, random: Random) -> None:
    agents, members, draw = world.agents, world.members, random.random
    for agent in agents:
        agent.rate = _RATES[int(draw() * 5)]
    faults = _chosen(random)
    for _ in range(STEPS):
        world.advance(_PAUSES[int(draw() * 14)])
        dice = draw()
        if dice < 0.62:
            world.tick(agents[int(draw() * 3)])
        elif dice < 0.74:
            world.write(int(draw() * 3))
            _ship(world, random)
            world.acknowledge(int(draw() * 3))
        elif dice < 0.82:
            _ship(world, random)
        elif dice < 0.86:
            for member in members:
                world.acknowledge(member.index)
        elif dice < 0.88:
            for agent in agents:
                world.haunt(agent)
        elif dice < 0.90:
            world.cancel(int(draw() * 3))
        else:
            fault = faults[int(draw() * len(faults))]
            if world.trace is not None:
                world.trace.append(f"{world.now} fault {fault.__name__}")
            fault(world, random)
    for member in members:
        world.acknowledge(member.index)
    world.check_log()


def _chosen(random: Random) -> list[Callable[[World, Random], None]]:
    """A few kinds of faults, and the mending of some, so that schedules differ in kind and not in order alone."""
    some = [_FAULTS[int(random.random() * len(_FAULTS))] for _ in range(3)]
    return [*some, _mend]


def _ship(world: World, random: Random) -> None:
    if random.random() > world.pace:
        return
    for member in world.members:
        world.replication.ship(member, 1 + int(random.random() * 4), confirm=random.random() < 0.8)


# -- faults ---------------------------------------------------------------------------------------------------------


def kill_member(world: World, random: Random) -> None:
    _pick(world, random).stop()
    world.disturbed()


def bounce_member(world: World, random: Random) -> None:
    """It crashes and comes up by itself."""
    member = _pick(world, random)
    member.stop()
    member.start()


def boot_member(world: World, random: Random) -> None:
    """Somebody, or the machine, starts it as it stands."""
    _pick(world, random).start()
    world.disturbed()


def freeze_member(world: World, random: Random) -> None:
    member = _pick(world, random)
    member.frozen = member.running and not member.frozen
    world.disturbed()


def fill_disk(world: World, random: Random) -> None:
    member = _pick(world, random)
    member.full = not member.full
    world.disturbed()


def power_off(world: World, random: Random) -> None:
    """A whole centre: member, agent, store node. Its entry is down with it."""
    index = _index(world, random)
    world.members[index].stop()
    world.crash(world.agents[index])
    world.agents[index].entry = ""
    world.store.up[index] = False
    world.lines_changed()


def cut_off(world: World, random: Random) -> None:
    """A centre from all others."""
    index = _index(world, random)
    for other in range(3):
        if other != index:
            world.replication.line[index][other] = world.replication.line[other][index] = False
    world.lines_changed()


def cut_line(world: World, random: Random) -> None:
    one, other = random.sample(range(3), 2)
    world.replication.line[one][other] = world.replication.line[other][one] = False
    world.lines_changed()


def cut_one_way(world: World, random: Random) -> None:
    one, other = random.sample(range(3), 2)
    world.replication.line[one][other] = not world.replication.line[one][other]
    world.lines_changed()


def cut_city(world: World, random: Random) -> None:
    """Only the line between the two synchronous centres."""
    world.replication.line[0][1] = world.replication.line[1][0] = not world.replication.line[0][1]
    world.lines_changed()


def crash_agent(world: World, random: Random) -> None:
    agent = world.agents[int(random.random() * 3)]
    if agent.alive:
        world.crash(agent)
    else:
        world.revive(agent)


def restart_agent(world: World, random: Random) -> None:
    agent = world.agents[int(random.random() * 3)]
    if agent.alive:
        world.crash(agent)
    world.revive(agent)


def freeze_agent(world: World, random: Random) -> None:
    agent = world.agents[int(random.random() * 3)]
    agent.frozen = not agent.frozen


def stop_store_node(world: World, random: Random) -> None:
    node = int(random.random() * 3)
    world.store.up[node] = not world.store.up[node]
    world.lines_changed()


def put_back_store(world: World, random: Random) -> None:
    """The whole store is restored from a copy: the last publications are forgotten, the majority goes on."""
    if random.random() < 0.3:
        world.store.put_back(random)
        world.disturbed()


def lose_data(world: World, random: Random) -> None:
    """A standby comes back from an old image: what it had confirmed when it was published is gone."""
    member = _pick(world, random)
    if member.role == STANDBY and member.log:
        member.log, member.robbed = member.log[:2], True
        member.stop()


def wish_switchover(world: World, random: Random) -> None:
    target = NAMES[int(random.random() * 3)]
    world.wishes = (*world.wishes[-1:], Wish(f"s{world.now}", WishKind.SWITCHOVER, target, ("li",)))


def lone_declaration(world: World, random: Random) -> None:
    """One person, twice."""
    wish = Wish(f"d{world.now}", WishKind.DISASTER, NAMES[1 + int(random.random() * 2)], ("li", "li"), "sim")
    world.wishes = (*world.wishes[-1:], wish)


def lose_city(world: World, random: Random) -> None:
    """Both centres of the city are gone, people declare it, and the store goes on with the remote node alone."""
    if world.store.forced >= 0:
        return
    for index in (0, 1):
        agent = world.agents[index]
        if random.random() < 0.5 and index == world.serving and agent.alive and not agent.frozen:
            for other in range(3):
                if other != index:
                    world.replication.line[index][other] = world.replication.line[other][index] = False
        else:
            world.members[index].stop()
            world.crash(world.agents[index])
            world.agents[index].entry = ""
            world.store.up[index] = False
    world.lines_changed()
    for _ in range(12):
        world.advance(500)
        for agent in world.agents:
            world.tick(agent)
    world.store.force(2, random)
    world.wishes = (Wish("city", WishKind.DISASTER, "m3", ("li", "wang"), "sim", "flood"),)
    world.lines_changed()
    for _ in range(12):
        world.advance(500)
        world.tick(world.agents[2])


def _mend(world: World, random: Random) -> None:
    """One thing at random."""
    dice = int(random.random() * 4)
    index = int(random.random() * 3)
    if dice == 0:
        world.replication.line = [[True] * 3 for _ in range(3)]
    elif dice == 1:
        world.store.up = [True, True, True]
        for agent in world.agents:
            if not agent.alive:
                world.revive(agent)
            agent.frozen = False
    elif dice == 2:
        world.members[index].start()
        world.members[index].frozen = world.members[index].full = False
    else:
        world.members[index].frozen = world.members[index].full = False
    world.lines_changed()


def _index(world: World, random: Random) -> int:
    """More often where the primary is."""
    return world.serving if random.random() < 0.5 else int(random.random() * 3)


def _pick(world: World, random: Random):  # type: ignore[no-untyped-def]
    return world.members[_index(world, random)]


_FAULTS: tuple[Callable[[World, Random], None], ...] = (
    kill_member,
    bounce_member,
    boot_member,
    freeze_member,
    fill_disk,
    power_off,
    cut_off,
    cut_off,
    cut_line,
    cut_one_way,
    cut_city,
    crash_agent,
    restart_agent,
    freeze_agent,
    stop_store_node,
    put_back_store,
    lose_data,
    wish_switchover,
    lone_declaration,
    lose_city,
)


# -- afterwards -----------------------------------------------------------------------------------------------------


def _heal(world: World) -> str:
    """Everything is mended; then the cluster is protected again in time, or a person is told why not."""
    world.replication.line = [[True] * 3 for _ in range(3)]
    world.store.up = [True, True, True]
    world.wishes = tuple(Wish(f"r{name}", WishKind.REJOIN, name, ("li",)) for name in NAMES)
    for agent in world.agents:
        agent.frozen = False
        if not agent.alive:
            world.revive(agent)
    for member in world.members:
        member.frozen = member.full = False
    world.lines_changed()
    for _ in range(_ROUNDS):
        if _is_protected(world):
            return "protected"
        if world.store.published.primary == "m3":
            world.wishes = (*world.wishes[:3], Wish(f"home{world.now}", WishKind.SWITCHOVER, "m1", ("li",)))
        _round(world)
    return _why_not(world)


def _round(world: World) -> None:
    world.advance(200)
    for agent in world.agents:
        world.tick(agent)
    for centre in range(3):
        world.write(centre)
    for member in world.members:
        world.replication.ship(member, 100, confirm=True)
    for member in world.members:
        world.acknowledge(member.index)
    world.check_log()


def _is_protected(world: World) -> bool:
    """One primary serves, all entries lead to it, a second member is trusted, and a write from everywhere goes through."""
    published = world.store.published
    serving = [member for member in world.members if member.running and member.role == PRIMARY]
    if not published.promotable or [NAMES[member.index] for member in serving] != [published.primary]:
        return False
    if any(agent.entry != published.primary for agent in world.agents):
        return False
    before = len(world.acked)
    _round(world)
    return len(world.acked) >= before + 3


def _why_not(world: World) -> str:
    for agent in world.agents:
        if agent.revision:
            decision = decide(world.situation(agent))
            if decision.action.plan in _EXPLAINED:
                return decision.action.plan.value
            raise Refused(f"not protected again, and said only: {decision.action.plan}: {decision.because.en}")
    raise Refused("nobody leads after everything was mended")
