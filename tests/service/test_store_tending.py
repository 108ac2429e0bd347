"""What is done for a store by the clock, without anybody asking."""

import os
import time
from pathlib import Path

import pytest

from secops.service.beginning import make_home
from secops.service.home import FILE, open_home
from secops.store.elasticsearch_documents import Kind
from tests.contracts.evaluations import evaluation, weakness
from tests.lab.elasticsearch import shared_elasticsearch
from tests.store.elasticsearch_lab import fresh_indices

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("elasticsearch")]
DAY_SECONDS = 86_400


def test_full_indices_are_followed_by_the_next_once_a_day(tmp_path: Path) -> None:
    home = tmp_path / "home"
    make_home(home)
    with fresh_indices(shared_elasticsearch()) as indices:
        place = f"kind: elasticsearch, urls: [{indices.server.name!r}], prefix: {indices.prefix}"
        with (home / FILE).open("a", encoding="utf-8") as settings:
            settings.write(f"\nstore: {{{place}, keep: {{new_index_after: 1s}}}}\n")

        def written() -> int:
            """How many indices of coverage there are after one more scan, which is old enough for the next."""
            with open_home(home) as opened:
                opened.store.record(f"s{time.time_ns()}", [evaluation(weakness())])
                indices.server.refresh(indices.alias(Kind.COVERAGE))
                time.sleep(1.1)
                opened.reviewer()()
            return len(indices.of_kind(Kind.COVERAGE, indices.server.indices(f"{indices.prefix}-*")))

        assert written() == 2, "it was never done before"
        assert written() == 2, "it was done today"
        stamp = home / "state" / "rolled"
        yesterday = time.time() - DAY_SECONDS - 1
        os.utime(stamp, (yesterday, yesterday))
        assert written() == 3
        with open_home(home) as opened:
            assert len(opened.store.coverage()) == 1


def test_a_server_that_is_away_holds_nobody_up(tmp_path: Path) -> None:
    home = tmp_path / "home"
    make_home(home)
    with (home / FILE).open("a", encoding="utf-8") as settings:
        settings.write('\nstore: {kind: elasticsearch, urls: ["http://127.0.0.1:1"]}\n')
    with open_home(home) as opened:
        assert opened.store.record("s", [evaluation(weakness())]).waiting == 1
        opened.reviewer()()
