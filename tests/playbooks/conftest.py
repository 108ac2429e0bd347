"""A home in a temporary folder, and runs of small playbooks in it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import indent

import pytest

from playbooks.load import parse_playbook
from secops.service.beginning import make_home
from secops.service.home import Home
from secops.service.running import Ended, start


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    make_home(tmp_path / "home")
    with Home(tmp_path / "home") as opened:
        yield opened


def playbook_text(steps: str, head: str = "") -> str:
    return f"id: trial\nname: {{zh: 试, en: trial}}\n{head}steps:\n{indent(steps, '  ')}"


@pytest.fixture
def play(home: Home) -> Callable[..., Ended]:
    def run(steps: str, *, head: str = "", given: dict[str, str] | None = None, **more: object) -> Ended:
        return start(home, parse_playbook(playbook_text(steps, head), "trial.yaml"), given or {}, **more)  # type: ignore[arg-type]

    return run


def states(ended: Ended) -> dict[str, str]:
    return {record.path: str(record.state) for record in ended.records}
