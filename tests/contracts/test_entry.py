"""What every driver of an entry must do. A new driver is one file in `backup/failover/entries/`; it needs a rig in
`entry_rigs/`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import backup.failover.entries
import tests.contracts.entry_rigs
from backup.failover.hands import EntryHands
from secops.model.step import ProcedureFailed
from secops.support.plugins import plugins_in
from tests.backup.performing import Performing
from tests.contracts.entry_rigs import Rig, Standing, broken

pytestmark = pytest.mark.slow

_DRIVERS = plugins_in(backup.failover.entries, EntryHands)
_RIGS = plugins_in(tests.contracts.entry_rigs, Rig)


class Doing:
    """What the agents of all centres do with their entries, those that lose the primary first."""

    def __init__(self, hands: EntryHands, standing: Standing, performing: Performing) -> None:
        self.hands, self.standing, self.performing = hands, standing, performing

    def lead(self, name: str) -> None:
        member = self.standing.cluster.member(name)
        assert member
        for entry in sorted(self.standing.cluster.entries, key=lambda one: one.centre == member.centre):
            self.performing.run(self.standing.inside(entry, self.hands.lead(self.standing.cluster, entry, member)))

    def close(self) -> None:
        for entry in self.standing.cluster.entries:
            self.performing.run(self.standing.inside(entry, self.hands.close(self.standing.cluster, entry)))

    def leads_to(self) -> set[object]:
        cluster = self.standing.cluster
        return {
            self.performing.run(self.standing.inside(entry, self.hands.leads_to(cluster, entry)))
            for entry in cluster.entries
        }


@pytest.fixture(params=sorted(_DRIVERS))
def doing(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Doing]:
    rig = _RIGS[request.param]
    if why := rig.missing():
        pytest.skip(why)
    with rig.stand(tmp_path) as standing, Performing(tmp_path) as performing:
        yield Doing(_DRIVERS[request.param], standing, performing)


def test_clients_follow_the_entry_and_old_sessions_end(doing: Doing) -> None:
    assert doing.leads_to() == {""}
    assert doing.standing.ask() == ""
    doing.lead("a")
    assert (doing.leads_to(), doing.standing.ask()) == ({"a"}, "a")
    ended = doing.standing.open_session()
    doing.lead("b")
    assert (doing.leads_to(), doing.standing.ask()) == ({"b"}, "b")
    if doing.hands.cuts_sessions:
        assert ended()
    doing.lead("b")
    assert doing.standing.ask() == "b"
    ended = doing.standing.open_session()
    doing.close()
    assert (doing.leads_to(), doing.standing.ask()) == ({""}, "")
    if doing.hands.cuts_sessions:
        assert ended()
    doing.close()
    assert doing.leads_to() == {""}


def test_a_driver_says_how_long_clients_may_keep_the_old_answer(doing: Doing) -> None:
    entry = doing.standing.cluster.entries[0]
    assert doing.hands.lag_seconds(entry) == (entry.ttl_seconds if doing.hands.name == "dns" else 0)


def test_an_entry_that_cannot_be_moved_says_so(doing: Doing) -> None:
    cluster = doing.standing.cluster
    nowhere, member = broken(cluster.entries[0]), cluster.members[0]
    for procedure in (doing.hands.leads_to(cluster, nowhere), doing.hands.lead(cluster, nowhere, member)):
        with pytest.raises(ProcedureFailed, match=r"c-a|cannot|does not answer"):
            doing.performing.run(doing.standing.inside(nowhere, procedure))
