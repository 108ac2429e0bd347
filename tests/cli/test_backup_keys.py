"""`secops backup keys`: what one hands out, collects, checks and rebuilds, and every way in which shares are bad."""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from backup.escrow import _slip, split
from backup.key_shares import shares_of
from secops.service.beginning import make_home
from secops.support import language
from tests.cli.typed import Done, typed

Keys = Callable[..., Done]
PEOPLE = ("li", "wang", "zhao", "chen")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """One with keys of its own."""
    make_home(tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def keys(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Keys]:
    monkeypatch.setenv("JINDUN_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "250")

    def run(*arguments: str | Path, lang: str = "en") -> Done:
        return typed(monkeypatch, capsys, "--lang", lang, "backup", "keys", *arguments)

    yield run
    language.choose(None)


@pytest.fixture
def handed(keys: Keys, tmp_path: Path) -> list[Path]:
    """Four files of which any two rebuild."""
    done = keys("split", "--into", tmp_path / "out", *(word for name in PEOPLE for word in ("--holder", name)))
    assert done.returncode == 0, done.stderr
    return [tmp_path / "out" / f"{name}.share" for name in PEOPLE]


def last_line(file: Path) -> str:
    return file.read_text().splitlines()[-1]


def test_any_two_rebuild_the_keys_and_nobody_else_may_read_them(
    keys: Keys, handed: list[Path], home: Path, tmp_path: Path
) -> None:
    assert [file.stat().st_mode & 0o777 for file in handed] == [0o600] * 4
    done = keys("rebuild", handed[3], handed[1], "--into", tmp_path / "new")
    assert done.returncode == 0, done.stderr
    for key in (home / "keys").iterdir():
        again = tmp_path / "new" / "keys" / key.name
        assert again.read_bytes() == key.read_bytes() and again.stat().st_mode & 0o777 == 0o600
    secret = (home / "keys" / "vault").read_text().strip()
    assert secret not in done.stdout and all(secret not in file.read_text() for file in handed)
    again = keys("rebuild", handed[0], handed[1], "--into", tmp_path / "new")
    assert again.returncode == 2 and "is left alone" in again.stderr


def test_splitting_again_gives_the_same_shares_and_overwrites_nothing(
    keys: Keys, handed: list[Path], tmp_path: Path
) -> None:
    words = [word for name in PEOPLE for word in ("--holder", name)]
    done = keys("split", "--into", tmp_path / "out", *words)
    assert done.returncode == 2 and "not overwritten" in done.stderr
    assert keys("split", "--into", tmp_path / "again", *words).returncode == 0
    assert last_line(tmp_path / "again" / "li.share") == last_line(handed[0])


def test_shares_are_checked_against_the_keys_of_now(keys: Keys, handed: list[Path], home: Path) -> None:
    one = keys("verify", handed[0])
    assert one.returncode == 1 and "1 more are needed" in one.stdout
    done = keys("verify", *handed[:2], "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["missing"], told["present"]) == (0, 0, True)
    assert "现在的" in keys("verify", *handed[:2], lang="zh").stdout
    (home / "keys" / "vault").write_text("changed\n")
    old = keys("verify", *handed[:2])
    assert old.returncode == 1 and "not those of now" in old.stdout


def test_a_share_that_was_copied_wrong_is_named_with_its_line(keys: Keys, handed: list[Path]) -> None:
    handed[1].write_text(handed[1].read_text().replace("jindun-share-1:2:", "jindun-share-1:3:"))
    handed[2].write_text("hello\n")
    done = keys("verify", *handed)
    assert done.returncode == 2
    assert f"{handed[1]}:4: the share was copied wrong" in done.stderr
    assert f"{handed[2]}:1: this is no share" in done.stderr
    assert "抄写有误" in keys("rebuild", *handed, "--into", handed[0].parent / "x", lang="zh").stderr


def test_a_share_that_somebody_changed_with_its_checksum_is_named(
    keys: Keys, handed: list[Path], tmp_path: Path
) -> None:
    line = _changed(last_line(handed[2]))
    handed[2].write_text(line + "\n")
    done = keys("verify", *handed)
    assert done.returncode == 2 and f"{handed[2]}:1 was changed, the others do" in done.stderr
    two = keys("rebuild", handed[0], handed[2], "--into", tmp_path / "new")
    assert two.returncode == 2 and "one of the shares was changed" in two.stderr
    assert not (tmp_path / "new").exists()


def test_shares_of_another_set_and_two_versions_of_one_are_named(keys: Keys, handed: list[Path], home: Path) -> None:
    stranger = handed[0].parent / "stranger.share"
    stranger.write_text(split(b"something else", 2, 3)[2].text)
    done = keys("verify", *handed, stranger)
    assert done.returncode == 2 and f"{stranger}:1 differ from the other 4" in done.stderr
    twin = handed[0].parent / "twin.share"
    twin.write_text(_changed(last_line(handed[0])))
    done = keys("verify", *handed, twin)
    assert done.returncode == 2 and "both number 1 and differ" in done.stderr


def test_shares_that_lead_out_of_the_folder_are_refused(keys: Keys, tmp_path: Path) -> None:
    for secret in (b'{"../../etc/x": "eA=="}', b'{"/etc/x": "eA=="}', b"[1]", b"\xff"):
        files = [tmp_path / f"{number}.share" for number in range(2)]
        for file, share in zip(files, split(secret, 2, 2), strict=True):
            file.write_text(share.text)
        done = keys("rebuild", *files, "--into", tmp_path / "new")
        assert done.returncode == 2 and not (tmp_path / "new").exists(), done


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--holder", "li"], "2 ≤ k ≤ n"),
        (["--holder", "li", "--holder", "li"], "a name of its own"),
        (["--holder", "../li", "--holder", "wang"], "cannot have a /"),
        ([], "one of the two"),
        (["--needed", "3", "--holder", "li", "--holder", "wang"], "2 ≤ k ≤ n"),
    ],
)
def test_what_cannot_be_split_is_told(keys: Keys, tmp_path: Path, words: list[str], said: str) -> None:
    done = keys("split", "--into", tmp_path / "out", *words)
    assert done.returncode == 2 and said in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_not_there_is_told(keys: Keys, tmp_path: Path) -> None:
    assert keys("verify", tmp_path / "nope").returncode == 2
    assert keys("rebuild", tmp_path, "--into", tmp_path / "x").returncode == 2


def test_peoples_shares_fit_those_that_vaults_keep(keys: Keys, home: Path, tmp_path: Path) -> None:
    """The holder that is a vault gets its share with its copies."""
    file = home / "inventory.yaml"
    city = yaml.safe_load(file.read_text("utf-8"))
    system, vault = city["systems"][0], "v1"
    city["vaults"] = [{"id": vault, "centre": city["centres"][0]["id"], "location": str(tmp_path / vault)}]
    centre = next(one["id"] for one in city["centres"] if one["role"] == "production")
    told = {"holders": ["li", "wang", vault], "needed": "2"}
    name = {"zh": "本服务", "en": "service"}
    asset = {"id": "self", "kind": "file_tree", "name": name, "centre": centre, "host": "local", "path": str(home)}
    asset["copied_by"] = {"engine": "configuration", "options": told}
    system["assets"].append(asset)
    file.write_text(yaml.safe_dump(city, allow_unicode=True), "utf-8")
    settings = home / "jindun.yaml"
    settings.write_text(settings.read_text().replace("backup:\n", f"backup:\n  state_directory: {tmp_path}/borg\n"))
    done = keys("split", "self", "--into", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["li.share", "wang.share"]
    of_vault = shares_of(home, ("keys",), 2, ("li", "wang", vault), tmp_path / "borg" / "escrow.seed")[vault]
    (tmp_path / "vault.share").write_text(of_vault.text)
    assert keys("verify", tmp_path / "vault.share", tmp_path / "out" / "wang.share").returncode == 0
    assert keys("split", "nope", "--into", tmp_path / "o").returncode == 2


def _changed(line: str) -> str:
    """Another value in it, with a checksum that fits."""
    head, values, _ = line.rsplit(":", 2)
    other = bytearray(b64decode(values))
    other[20] ^= 1
    body = f"{head}:{b64encode(bytes(other)).decode()}"
    return f"{body}:{_slip(body)}"
