"""One small file per mistake: refused with exit code 2, every problem named at its place, in both languages.

`FOLDER/NAME.yaml` is the mistake; `FOLDER/NAME.expected` holds one line for each problem, `line:column: sentence`.
A new kind of file is one line in READERS and a folder of that name.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from playbooks.load import read_playbook
from scanners.web.sessions.session_file import load_session
from secops.inventory.load import load_inventory
from secops.service.settings import Settings
from secops.sla.holidays import load_calendar
from secops.sla.policy import load_sla_policy
from secops.support.located import BadFile
from secops.support.strict_yaml import read

HERE = Path(__file__).parent
READERS: dict[str, Callable[[Path], object]] = {
    "holidays": load_calendar,
    "inventory": load_inventory,
    "playbook": read_playbook,
    "session": load_session,
    "settings": lambda path: read(path).build(Settings),
    "sla_policy": load_sla_policy,
}
MISTAKES = [(folder, path) for folder in READERS for path in sorted((HERE / folder).glob("*.yaml"))]


def refusal(folder: str, path: Path) -> BadFile:
    with pytest.raises(BadFile) as caught:
        READERS[folder](path)
    return caught.value


@pytest.mark.parametrize(("folder", "path"), MISTAKES, ids=lambda part: part if isinstance(part, str) else part.stem)
def test_each_mistake_gets_its_sentence(folder: str, path: Path) -> None:
    before = path.read_bytes()
    bad = refusal(folder, path)
    assert bad.exit_code == 2
    found = [f"{problem.line}:{problem.column}: {problem.text.en}" for problem in bad.problems]
    assert found == path.with_suffix(".expected").read_text("utf-8").splitlines()
    assert all(f"{path}:{problem.line}:{problem.column}: {problem.text.zh}" in bad.text.zh for problem in bad.problems)
    assert all(has_chinese(problem.text.zh) for problem in bad.problems)
    assert path.read_bytes() == before


@pytest.mark.parametrize("folder", READERS)
def test_every_expectation_has_its_mistake(folder: str) -> None:
    names = {path.stem for path in (HERE / folder).glob("*.yaml")}
    assert names == {path.stem for path in (HERE / folder).glob("*.expected")}
    assert names


LARGE: dict[str, tuple[bytes, str]] = {
    "ten megabytes of nesting": (b"[" * 10_000_000, "larger than 4 MiB"),
    "nesting": (b"[" * 4_000_000, "nested deeper than 40 levels"),
    "nested maps": (b"{a: " * 1_000_000, "nested deeper than 40 levels"),
    "anchor bomb": (
        b"a: &a [x, x, x, x, x, x, x, x]\n"
        + b"".join(b"%c: &%c [%s]\n" % (n + 1, n + 1, b", ".join([b"*%c" % n] * 8)) for n in range(97, 104)),
        "nodes when expanded",
    ),
    "many aliases": (b"a: &a x\nb: [" + b"*a, " * 65 + b"]", "more than 64 aliases"),
    "not text": (bytes(range(256)) * 100, "not UTF-8"),
}


@pytest.mark.parametrize("folder", READERS)
@pytest.mark.parametrize("name", LARGE)
def test_large_mistakes_are_refused(tmp_path: Path, folder: str, name: str) -> None:
    content, sentence = LARGE[name]
    (tmp_path / "large.yaml").write_bytes(content)
    bad = refusal(folder, tmp_path / "large.yaml")
    assert any(sentence in problem.text.en for problem in bad.problems)
    assert len(str(bad)) < 2000


def has_chinese(text: str) -> bool:
    return any("\u4e00" <= character <= "\u9fff" for character in text)
