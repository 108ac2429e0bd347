"""Every effect goes to the runner of its kind, and nothing ever comes back as an exception."""

from dataclasses import dataclass, field

import pytest

from secops.execution.runner import Runners
from secops.model.step import LOCAL, Command, Dialogue, Effect, Fetch, Rescan, Result, Sql, Trouble


@dataclass
class Named:
    name: str
    seen: list[tuple[Effect, float]] = field(default_factory=list)

    def perform(self, effect: Effect, timeout_seconds: float) -> Result:
        self.seen.append((effect, timeout_seconds))
        return Result(ok=True, output=self.name)


class Broken:
    def perform(self, effect: Effect, timeout_seconds: float) -> Result:
        raise RuntimeError("a bug")


def runners() -> Runners:
    return Runners(Named("local"), Named("ssh"), Named("dialogue"), Named("fetch"), Named("rescan"), sql=Named("sql"))


@pytest.mark.parametrize(
    ("effect", "name"),
    [
        (Command(LOCAL, ("true",)), "local"),
        (Command("host-1", ("true",)), "ssh"),
        (Dialogue("/s", "x"), "dialogue"),
        (Fetch("http://x/"), "fetch"),
        (Rescan("asset", ("check",)), "rescan"),
        (Sql("host=/s", "SELECT 1"), "sql"),
    ],
)
def test_effects_are_routed_by_kind_and_host(effect: Effect, name: str) -> None:
    assert runners().perform(effect, 7).output == name


def test_without_a_scanner_a_rescan_is_refused() -> None:
    bare = Runners(Named("local"), Named("ssh"), Named("dialogue"), Named("fetch"))
    assert bare.perform(Rescan("asset", ("check",)), 5).trouble is Trouble.REFUSED
    assert bare.perform(Sql("host=/s", "SELECT 1"), 5).trouble is Trouble.REFUSED


def test_what_a_runner_raises_is_our_bug_and_a_result() -> None:
    result = Runners(Broken(), Broken(), Broken(), Broken()).perform(Fetch("http://x/"), 5)
    assert (result.ok, result.trouble) == (False, Trouble.INTERNAL)
    assert "a bug" in result.reason
