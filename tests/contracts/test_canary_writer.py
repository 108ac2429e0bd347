"""What every writer of canaries must do, on real products: what is acknowledged is found in restored copies, and what is
not ours or not there is told."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pytest

from backup.canary import TABLE, Canary, CanaryWriter, canaries_in, writer_for, writers
from backup.canary_ledger import CanaryLedger, Holding
from backup.canary_steps import read_replica, write_next
from backup.catalogue import Catalogue
from backup.copying import Copy
from backup.engine import engines
from backup.trial import trial_for
from backup.verification import Candidate, Looks, Scratch, Verified, verify
from secops.evidence.keys import make_key
from secops.model.city import AssetKind, CanaryRhythm
from secops.model.restore_point import Proof, Rung
from secops.model.step import LOCAL, ProcedureFailed
from secops.service.ledgers import Ledgers
from secops.support.clock import now
from secops.support.language import choose
from tests.backup.performing import Performing
from tests.contracts.test_database_engine import Bench, after_a_second, labs, make_bench, moment
from tests.lab.serving import folder_for_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
DATABASES = sorted(
    name
    for name, lab in labs().items()
    if any((writer.kind, writer.product) == (AssetKind.DATABASE, lab.product) for writer in writers().values())
)


@dataclass
class Nest:
    """A running database with canaries, an engine that copies it, and the ledger."""

    bench: Bench
    ledger: CanaryLedger

    @property
    def writer(self) -> CanaryWriter:
        return writer_for(self.bench.source)

    def write(self) -> Canary:
        return self.bench.performing.run(write_next(self.bench.source))

    def here(self) -> list[int]:
        told = self.bench.performing.run(self.writer.read(self.bench.source))
        return [one.counter for one in canaries_in(told, self.bench.source.id)]

    def prove(self, copied: Copy, until: datetime | None = None) -> Verified:
        """Climb up to the trial, which reads the canaries."""
        bench, shelf = self.bench, self.bench.shelf
        candidate = Candidate(bench.engine, bench.source, copied.point, shelf.vault, shelf.keys, copied.manifest, until)
        scratch = Scratch(LOCAL, str(shelf.folder / "scratch"))
        looks = Looks(trial=trial_for(bench.source))
        proven = bench.performing.run(verify(candidate, scratch, now(), looks, Rung.BUSINESS))
        left = [path.name for path in (shelf.folder / "scratch").iterdir()]
        assert left == [], "nothing is left of what was restored"
        return proven

    def holding(self, copied: Copy) -> Holding:
        found = self.ledger.holding(copied.point.id)
        assert found
        return found


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    choose("en")
    yield
    choose(None)


@pytest.fixture(scope="module", params=DATABASES)
def module_nest(request: pytest.FixtureRequest) -> Iterator[Nest]:
    lab = labs()[request.param]
    engine = next(one for one in engines().values() if one.chosen and lab.product in one.products)
    with lab.running() as database, folder_for_server("canary") as folder:
        sign = signer(folder)
        ledger, catalogue = CanaryLedger(folder / "canaries.sqlite", sign), Catalogue(folder / "points.sqlite")
        ledgers = Ledgers(catalogue, sign, canaries=lambda: ledger)
        with Performing(folder, ledgers=ledgers) as performing:
            database.write("wanted")
            bench = make_bench(engine, database, lab.product, folder, performing)
            rhythm = CanaryRhythm("1s", database.canary_options())
            # The notes of the lab are written once, and age while the machine is busy.
            asked = {**bench.source.tried_with, "canary": ""}
            source = replace(bench.source, canary=rhythm, tried_with=asked)
            bench.shelf = replace(bench.shelf, source=source)
            (folder / "scratch").mkdir(mode=0o755)
            yield Nest(bench, ledger)
        ledger.close()
        catalogue.close()


@pytest.fixture
def nest(module_nest: Nest) -> Iterator[Nest]:
    """Each test begins with a canary that is in the database and acknowledged."""
    module_nest.write()
    yield module_nest


def signer(folder: Path) -> Callable[[str], str]:
    key = make_key(folder / "key.pem", folder / "key.pub.pem")
    return lambda text: key.sign(text.encode()).hex()


def test_what_was_acknowledged_is_read_back_the_newest_first(nest: Nest) -> None:
    first, second = nest.write(), nest.write()
    assert nest.here()[:2] == [second.counter, first.counter]
    newest = nest.ledger.newest(nest.bench.source.id)
    assert newest and newest.counter == second.counter and newest.acknowledged >= second.moment
    nest.bench.performing.run(nest.writer.write(nest.bench.source, second))
    assert nest.here().count(second.counter) == 1, "again changes nothing"


def test_a_rehearsal_writes_nothing(nest: Nest) -> None:
    before, newest = nest.here(), nest.ledger.newest(nest.bench.source.id)
    nest.bench.performing.rehearse(write_next(nest.bench.source))
    assert (nest.here(), nest.ledger.newest(nest.bench.source.id)) == (before, newest)


def test_secrets_are_on_nobodys_list(nest: Nest) -> None:
    nest.write()
    for each in nest.bench.performing.performed:
        seen = repr((each.step.effect, each.result))
        assert not [secret for secret in nest.bench.database.secrets if secret in seen], each.step.name


def test_a_restored_copy_holds_those_from_before_it_and_says_what_would_be_lost(nest: Nest) -> None:
    last = nest.write()
    copied = nest.bench.copy(moment())
    later = [nest.write(), nest.write()]
    verdict = nest.prove(copied).verdict
    assert (verdict.rung, verdict.failed) == (Rung.BUSINESS, Rung.NONE), verdict.because
    assert f"canaries up to number {last.counter}" in verdict.because.en
    held = nest.holding(copied)
    assert (held.newest, held.moment, held.stale, held.missing, held.forged) == (last.counter, last.moment, 0, 0, 0)
    assert nest.ledger.acknowledged_after(nest.bench.source.id, held.newest) == len(later)


def test_a_copy_without_what_was_acknowledged_before_it_does_not_restore(nest: Nest) -> None:
    """As if the product had lost it after it had said yes."""
    _once(nest)
    lost = nest.ledger.begin(nest.bench.source.id, now())
    nest.ledger.acknowledge(nest.bench.source.id, lost.counter, now())
    copied = nest.bench.copy(moment())
    verdict = nest.prove(copied).verdict
    assert (verdict.failed, verdict.restorable) == (Rung.BUSINESS, Proof.NO)
    assert "the last 1 canaries that were acknowledged" in verdict.because.en
    # The next one covers the hole; it stays counted as long as its neighbours are looked at.
    nest.write()
    again = nest.bench.copy(moment())
    assert nest.prove(again).verdict.failed is Rung.NONE
    assert nest.holding(again).missing == 1
    nest.bench.performing.run(nest.writer.write(nest.bench.source, lost))


def test_a_forged_canary_speaks_of_an_intruder(nest: Nest) -> None:
    _once(nest)
    newest = nest.write()
    forged = replace(newest, counter=newest.counter + 500, signature="ab" * 64)
    nest.bench.performing.run(nest.writer.write(nest.bench.source, forged))
    copied = nest.bench.copy(moment())
    verdict = nest.prove(copied).verdict
    assert verdict.clean is Proof.NO and "forged" in verdict.because.en
    assert (nest.holding(copied).forged, nest.holding(copied).newest) == (1, newest.counter)
    nest.bench.database.ask(f"DELETE FROM {TABLE} WHERE counter = {forged.counter}")  # type: ignore[attr-defined]


def _once(nest: Nest) -> None:
    """What follows is the same code for every product: it is tried on the one that is copied fastest."""
    if nest.writer.name != "sqlite":
        pytest.skip("tried on sqlite")


def test_at_a_moment_the_last_before_it_is_there_and_the_first_after_it_is_not(nest: Nest) -> None:
    engine = nest.bench.engine
    if not engine.point_in_time:
        pytest.skip(f"{engine.name} restores copies as they are")
    copied = nest.bench.copy(moment())
    before = nest.write()
    until = after_a_second()
    after = nest.write()
    reach = nest.bench.run("bring_log", moment())
    assert isinstance(reach, datetime) and reach > until
    verdict = nest.prove(copied, until).verdict
    assert verdict.failed is Rung.NONE, verdict.because
    held = nest.holding(copied)
    assert (held.newest, held.stale, held.late) == (before.counter, 0, 0)
    # Held against another moment than it was brought to, the same data are wrong in either direction.
    found = [before]
    early = nest.ledger.hold("x", found, replace(held, subject="x", wanted=before.moment.replace(year=2020)))
    assert early.late == 1
    stale = nest.ledger.hold("y", found, replace(held, subject="y", wanted=after.moment.replace(year=2099)))
    assert stale.stale >= 1


def test_a_replica_is_asked_itself(nest: Nest) -> None:
    newest = nest.write()
    replica = replace(nest.bench.source, id="replica", replica_of=nest.bench.source.id)
    held = nest.bench.performing.run(read_replica(replica, nest.bench.source.id))
    assert held and (held.subject, held.newest) == ("replica", newest.counter)


def test_what_is_away_acknowledges_nothing(nest: Nest) -> None:
    away = CanaryRhythm("1s", nest.bench.database.away_options())
    gone = replace(nest.bench.source, path="/nowhere/at all", canary=away)
    before = nest.ledger.newest(gone.id)
    with pytest.raises(ProcedureFailed):
        nest.bench.performing.run(write_next(gone))
    assert nest.ledger.newest(gone.id) == before
