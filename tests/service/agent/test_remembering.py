"""What an agent that cannot write still does, and what it does not."""

from pathlib import Path

import pytest

from backup.failover.situation import Act, ActKind, Published, Version
from secops.service.agent import remembering
from secops.service.agent.remembering import Outdated, Remembering
from secops.support.errors import Incomplete


def test_without_room_the_newest_is_known_and_nothing_is_promised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path, _content: bytes) -> None:
        raise OSError(28, "No space left on device")

    memory = Remembering(tmp_path / "c.json")
    memory.admit(Published(Version(1, 1), "a"))
    with monkeypatch.context() as patched:
        patched.setattr(remembering, "write_for_good", full)
        memory.admit(Published(Version(2, 2), "b"))
        assert memory.memory.highest == Version(2, 2) and not memory.is_kept
        with pytest.raises(Outdated):
            memory.admit(Published(Version(1, 1), "a"))
        for kind in (ActKind.PROMOTE, ActKind.RESUME, ActKind.START, ActKind.SET_NAMES):
            with pytest.raises(Incomplete):
                memory.before(Act(kind, Version(2, 2)))
    memory.admit(Published(Version(2, 2), "b"))
    assert memory.is_kept and Remembering(tmp_path / "c.json").memory.highest == Version(2, 2)
