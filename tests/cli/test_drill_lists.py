"""`secops drill list` and `due`: what was drilled and what is to be, before and after a drill that fails for want of a copy."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from secops.evidence.keys import PRIVATE_KEY_NAME, PUBLIC_KEY_NAME, make_key
from secops.support import language
from tests.cli.typed import Done, typed
from tests.service.homes import HOST, SYSTEM

ASSET = f"{SYSTEM}-content"
Drill = Callable[..., Done]


@pytest.fixture
def drill(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Drill]:
    file = home / "inventory.yaml"
    city = yaml.safe_load(file.read_text("utf-8"))
    room = {
        "id": "room",
        "centre": city["centres"][0]["id"],
        "host": HOST,
        "path": "/room",
        "url": "http://127.0.0.1:9/",
    }
    file.write_text(yaml.safe_dump({**city, "places": [room]}, allow_unicode=True), "utf-8")
    (home / "keys").mkdir()
    make_key(home / "keys" / PRIVATE_KEY_NAME, home / "keys" / PUBLIC_KEY_NAME)
    monkeypatch.setenv("JINDUN_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str, lang: str = "en") -> Done:
        return typed(monkeypatch, capsys, "--lang", lang, "drill", *arguments)

    yield run
    language.choose(None)


def test_what_is_due_and_what_was_drilled_is_listed(drill: Drill) -> None:
    due = drill("due", "--json")
    assert due.returncode == 1 and ASSET in {one["asset"] for one in json.loads(due.stdout)}
    assert "never came back" in drill("due").stdout and "从未成功" in drill("due", lang="zh").stdout
    none = drill("list", "--json")
    assert (none.returncode, json.loads(none.stdout)) == (0, [])
    assert drill("run", ASSET).returncode == 1, "there is no copy of it"
    for named in ((), (ASSET,), (SYSTEM,)):
        (one,) = json.loads(drill("list", *named, "--json").stdout)
        assert (one["asset"], one["state"]) == (ASSET, "failed") and "no restore point" in one["because"]["en"]
    assert json.loads(drill("list", "infrastructure-01-content", "--json").stdout) == []
    assert "failed" in drill("list").stdout
    assert drill("list", "nowhere").returncode == 2
