"""Files that are no store of ours: refused with a sentence that names the file, exit code 2, not a byte changed.

`store/NAME.db` is opened as it is, `store/NAME.sql` makes the file; `store/NAME.expected` is part of the message.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from secops.store.sqlite_store import SqliteStore
from secops.support.errors import BadInput
from tests.contracts.evaluations import evaluation, weakness

HERE = Path(__file__).parent
MISTAKES = sorted(path for path in (HERE / "store").iterdir() if path.suffix in (".db", ".sql"))


def refused(path: Path) -> BadInput:
    """The refusal, which names the file in both languages."""
    with pytest.raises(BadInput) as refusal:
        SqliteStore(path)
    assert str(path) in refusal.value.text.zh
    assert str(path) in refusal.value.text.en
    assert refusal.value.exit_code == 2
    return refusal.value


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda path: path.stem)
def test_a_file_that_is_not_ours(tmp_path: Path, mistake: Path) -> None:
    file = tmp_path / "findings.db"
    if mistake.suffix == ".sql":
        made = sqlite3.connect(file)
        made.executescript(mistake.read_text())
        made.close()
    else:
        shutil.copy(mistake, file)
    before = file.read_bytes()
    assert mistake.with_suffix(".expected").read_text().strip() in refused(file).text.en
    assert file.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [file.name]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert "check that its folder exists" in refused(tmp_path / "nowhere" / "findings.db").text.en


def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    assert "cannot be opened" in refused(tmp_path).text.en


OPEN = """
import sys
from pathlib import Path
from secops.store.sqlite_store import SqliteStore
from secops.support.errors import BadInput
try:
    SqliteStore(Path(sys.argv[1]))
except BadInput as error:
    print(error.text.en)
"""


@pytest.mark.parametrize("existing", [False, True])
def test_a_folder_that_may_not_be_written(tmp_path: Path, existing: bool) -> None:
    """Mounted read-only in namespaces of our own, since permissions do not hold root back."""
    file = tmp_path / "folder" / "findings.db"
    file.parent.mkdir()
    if existing:
        with SqliteStore(file) as store:
            store.record("s", [evaluation(weakness())])
    before = file.read_bytes() if existing else None
    script = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" || exit 99; "$2" -c "$3" "$1/findings.db"'
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", script, "sh", file.parent, sys.executable, OPEN],
        cwd=HERE.parents[1],
        env={**os.environ, "JINDUN_LANG": "en"},
        capture_output=True,
        text=True,
    )
    if done.returncode == 99 or "unshare" in done.stderr:
        pytest.skip(f"no folder can be made read-only here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    assert f"{file} cannot be opened for writing" in done.stdout
    assert (file.read_bytes() if file.exists() else None) == before
