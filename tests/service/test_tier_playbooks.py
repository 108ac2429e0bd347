"""The playbooks of each tier, really run on a small database; drilled, and restored by the one for clean copies."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from playbooks.load import Library
from secops.execution.journal import Mode, RunState
from secops.model.city import Product, Tier
from secops.model.restore_point import Rung
from secops.service.drilling import run_drill
from secops.service.home import Home
from secops.service.running import Ended, start
from secops.support.language import choose
from tests.lab.databases.sqlite import lab
from tests.lab.serving import folder_for_server
from tests.service.databases import ASSET, make_database_home

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not shutil.which("borg"), reason="borg is not installed")]
GIVEN = {"asset": ASSET, "place": "room"}
HIGHEST = {Tier.DATA: Rung.SCAN, Tier.APPLICATION: Rung.BUSINESS, Tier.BUSINESS: Rung.BUSINESS}


@contextmanager
def town(tier: Tier) -> Iterator[tuple[Home, Path]]:
    """A home whose database is of that tier, and its folder."""
    choose("en")
    with lab.running() as database, folder_for_server("tier") as folder:
        database.write("wanted")
        with Home(make_database_home(folder, database, Product.SQLITE, "sqlite", tier=str(tier))) as home:
            yield home, folder
    choose(None)


def well(ended: Ended) -> Ended:
    assert ended.run.state is RunState.SUCCEEDED, ended.run.because
    return ended


@pytest.mark.parametrize("tier", Tier)
def test_a_tier_is_protected_as_its_playbook_says(tier: Tier) -> None:
    with town(tier) as (home, folder):
        playbook = home.library.get(f"protect-{tier}")
        well(start(home, playbook, GIVEN, mode=Mode.REHEARSAL))
        assert not home.catalogue.points(ASSET) and not any((folder / "near").iterdir()), "a rehearsal copies nothing"
        well(start(home, playbook, GIVEN))
        points = {point.vault: point.verdict for point in home.catalogue.points(ASSET)}
        assert points.keys() == {"near", "local", "far"}
        assert {verdict.rung for verdict in points.values()} == {HIGHEST[tier]}, points
        assert all(verdict.proven_clean for verdict in points.values())
        if tier is not Tier.DATA:  # The rest is the same for every tier.
            return
        well(run_drill(home, ASSET))
        restored = {one.path: one for one in well(start(home, home.library.get("restore-clean"), GIVEN)).records}
        assert any(Path(restored["restore"].outputs["directory"]).iterdir())


def test_there_is_one_for_each_tier_and_for_all_that_follows() -> None:
    shipped = {playbook.spec.id for playbook in Library()}
    assert {f"protect-{tier}" for tier in Tier} <= shipped
    assert {"verify-copies", "restore-clean", "restore-copy", "drill-restore", "prune-by-policy"} <= shipped
