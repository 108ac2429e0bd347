"""Trees on another host, behind a real sshd, are scanned as those that lie here; what did not come was not looked at."""

import io
import os
import tarfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import orjson
import pytest

from scanners.files.check import Limits, Means
from scanners.files.stream import look_at_stream
from secops.execution.secrets import Secrets
from secops.execution.ssh import SshRunner
from secops.inventory.inventory import Inventory
from secops.model.outcome import Outcome
from secops.model.step import Rescan, Result, Trouble
from secops.service.tree_scanning import TreeEyes
from secops.support.language import choose
from tests.backup.performing import NO_SCANNER
from tests.backup.scanning import small_city
from tests.lab.sshd import SSHD, Sshd, running_sshd

RULES = 'rule web_shell { strings: $mark = "jindun harmless marker" condition: $mark }\n'
INFECTED = b"<?php jindun harmless marker ?>"


@dataclass
class Elsewhere:
    """A tree on the host, and the service's eyes."""

    eyes: TreeEyes
    tree: Path
    server: Sshd

    def scan(self, seconds: float = 60.0, tree: Path | None = None, host: str = "host-1") -> Result:
        return self.eyes.perform(Rescan("site", (), tree=str(tree or self.tree), host=host), seconds)


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    choose("en")
    yield
    choose(None)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    if SSHD is None:
        pytest.skip("sshd is not installed")
    with running_sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture
def elsewhere(server: Sshd, tmp_path: Path) -> Iterator[Elsewhere]:
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    (tmp_path / "tree" / "index.html").write_text("<h1>welcome</h1>")
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "shell.yar").write_text(RULES)
    host = server.asset()
    ssh = SshRunner({host.id: host}, server.client_key, server.known_hosts, Secrets(tmp_path))
    means = Means(tmp_path / "rules", tmp_path / "cache")
    eyes = TreeEyes(lambda: NO_SCANNER, small_city(tmp_path), means, ssh.pour)
    yield Elsewhere(eyes, tmp_path / "tree", server)
    ssh.close()


def told(result: Result, check: str = "yara-rules") -> dict[str, object]:
    found: dict[str, object] = next(one for one in orjson.loads(result.output) if one["check"] == check)
    return found


def test_a_clean_tree_is_clean_by_the_rules_of_the_service(elsewhere: Elsewhere) -> None:
    result = elsewhere.scan()
    assert result.ok, result.reason
    seen = told(result)
    assert seen["files"] == 1 and f"yara-rules@{str(seen['rules'])[:16]}" in elsewhere.eyes.rules("site")


def test_what_is_infected_is_found_whatever_its_name(elsewhere: Elsewhere) -> None:
    odd = [b"deep/new\nline.php", b"deep/\xff\xfe.php", b"deep/" + "木马.php".encode(), b"deep/" + b"x" * 200]
    for name in odd:
        (Path(os.fsdecode(os.fsencode(elsewhere.tree) + b"/" + name))).write_bytes(INFECTED)
    os.link(elsewhere.tree / "deep" / "木马.php", elsewhere.tree / "second name.php")
    (elsewhere.tree / "link").symlink_to("/etc")
    os.mkfifo(elsewhere.tree / "pipe")
    result = elsewhere.scan()
    assert result.trouble is Trouble.FAILED
    weaknesses = told(result)["weaknesses"]
    assert isinstance(weaknesses, list) and len(weaknesses) == len(odd), "one file of two names comes once"
    shown = {one["locator"][0] for one in weaknesses}
    assert {"deep/new\\x0aline.php", "deep/\\xff\\xfe.php"} <= shown
    here = elsewhere.eyes.perform(Rescan("site", (), tree=str(elsewhere.tree)), 60)
    assert here.trouble is Trouble.FAILED


def test_a_host_that_does_not_send_all_leaves_the_tree_not_looked_at(elsewhere: Elsewhere) -> None:
    for result in (elsewhere.scan(tree=elsewhere.tree / "gone"), elsewhere.scan(host="nobody")):
        assert not result.ok and result.trouble is Trouble.UNREACHABLE
        assert "did not send all of the tree" in result.reason or "broken" in result.reason


def test_a_line_that_is_cut_leaves_the_tree_not_looked_at(elsewhere: Elsewhere) -> None:
    with (elsewhere.tree / "large").open("wb") as file:
        for _ in range(60):
            file.write(os.urandom(1 << 20))
    stop = threading.Event()

    def cut() -> None:
        while not stop.wait(0.02):
            if elsewhere.server.sessions():
                time.sleep(0.1)
                elsewhere.server.kill_sessions()
                return

    cutter = threading.Thread(target=cut)
    cutter.start()
    result = elsewhere.scan()
    stop.set()
    cutter.join()
    assert not result.ok and result.trouble is Trouble.UNREACHABLE, result.output


def test_nothing_is_sent_when_nothing_is_set_up(elsewhere: Elsewhere, tmp_path: Path) -> None:
    asked: list[object] = []

    def never(*words: object) -> Result:
        asked.append(words)
        return Result(ok=True)

    city = small_city(tmp_path).city
    (system,) = city.systems
    bare = replace(city, systems=(replace(system, assets=system.assets[:1]),))
    idle = TreeEyes(lambda: NO_SCANNER, Inventory(bare), Means(), never)
    result = idle.perform(Rescan("site", (), tree="/x", host="host-1"), 5)
    assert result.ok and result.output == "[]" and asked == []


def archive(*members: tuple[str, bytes]) -> io.BytesIO:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as opened:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            opened.addfile(member, io.BytesIO(content))
    made.seek(0)
    return made


def test_a_file_over_the_limit_is_named_and_the_rest_is_read(elsewhere: Elsewhere) -> None:
    stream = archive(("big", b"x" * 2000), ("bad.php", INFECTED))
    (looked,) = look_at_stream(stream, elsewhere.eyes.means, ("yara-rules",), Limits(file_bytes=1000))
    assert [one.path for one in looked.suspicions] == ["bad.php"]
    assert [path for path, _ in looked.unread] == ["big"]


@pytest.mark.parametrize("stream", [b"", b"not a tar at all" * 100, archive(("a", b"x" * 5000)).getvalue()[:3000]])
def test_what_is_no_whole_stream_is_not_clean(elsewhere: Elsewhere, stream: bytes) -> None:
    (looked,) = look_at_stream(io.BytesIO(stream), elsewhere.eyes.means, ("yara-rules",))
    assert looked.outcome is Outcome.UNREACHABLE


def test_time_that_is_up_leaves_the_rest_not_looked_at(elsewhere: Elsewhere) -> None:
    (looked,) = look_at_stream(archive(("a", b"x")), elsewhere.eyes.means, ("yara-rules",), seconds=-1)
    assert looked.outcome is Outcome.UNREACHABLE and looked.files == 0
