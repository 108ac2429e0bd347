"""Trees are looked at file by file; what was not looked at is never clean."""

import os
from pathlib import Path

import pytest

from scanners.files.check import Limits, Means, tree_checks
from scanners.files.look import look_at_tree, rules_of
from scanners.files.yara_rules import _compiled
from secops.model.outcome import Outcome
from secops.support.errors import BadInput
from secops.support.located import BadFile
from tests.lab.clamd import eicar, marker, marker_rule, running_clamd

HIDDEN = '<p>hi</p><div style="display:none"><a href="http://casino.example/">casino</a></div>'


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    made = tmp_path / "tree"
    (made / "folder").mkdir(parents=True)
    (made / "index.html").write_text("<h1>ok</h1>")
    (made / "empty").write_bytes(b"")
    os.mkfifo(made / "pipe")
    (made / "loop").symlink_to("..")
    return made


@pytest.fixture
def means(tmp_path: Path) -> Means:
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "marker.yar").write_text(marker_rule())
    return Means(rules=rules, cache=tmp_path / "cache")


def test_every_check_says_what_it_is() -> None:
    assert sorted(tree_checks()) == ["clamav", "hidden-links", "yara-rules"]
    for check in tree_checks().values():
        assert check.title.zh != check.title.en and check.describes.zh != check.describes.en


def test_nothing_set_up_looks_at_nothing(tree: Path) -> None:
    assert look_at_tree(str(tree), Means()) == ()


def test_a_clean_tree_is_clean_and_the_cost_is_told(tree: Path, means: Means) -> None:
    (looked,) = look_at_tree(str(tree), means)
    assert looked.outcome is Outcome.TESTED_CLEAN
    assert (looked.check, looked.files, looked.read_bytes) == ("yara-rules", 1, len("<h1>ok</h1>"))
    assert len(looked.rules.digest) == 64 and looked.rules.date


@pytest.mark.parametrize("name", [b"plain", b"new\nline", b"\xff\xfe", "津盾".encode(), b"folder/deep"])
def test_a_marked_file_is_found_whatever_its_name(tree: Path, means: Means, name: bytes) -> None:
    with open(os.fsencode(tree) + b"/" + name, "wb") as file:  # noqa: PTH123 - a name of bytes
        file.write(b"x" * 100_000 + marker())
    (looked,) = look_at_tree(str(tree), means)
    assert looked.outcome is Outcome.FOUND
    assert [one.rule for one in looked.suspicions] == ["yara-rules.jindun_marker"]
    assert looked.suspicions[0].path.isprintable()


def test_what_is_too_large_or_unreadable_is_not_clean(tree: Path, means: Means) -> None:
    (tree / "large").write_bytes(b"0" * 2000)
    (looked,) = look_at_tree(str(tree), means, limits=Limits(file_bytes=1000))
    assert looked.outcome is Outcome.UNREACHABLE
    assert "large (2000 bytes are more than the limit of 1000)" in looked.reason.en


def test_a_time_that_is_up_is_not_clean(tree: Path, means: Means) -> None:
    (looked,) = look_at_tree(str(tree), means, seconds=-1)
    assert looked.outcome is Outcome.UNREACHABLE and "time was up" in looked.reason.en


def test_a_missing_tree_is_not_clean(tmp_path: Path, means: Means) -> None:
    (looked,) = look_at_tree(str(tmp_path / "nowhere"), means)
    assert looked.outcome is Outcome.UNREACHABLE


def test_rules_are_compiled_once_and_cached_by_their_digest(tree: Path, means: Means) -> None:
    assert means.rules and means.cache
    before = rules_of(means)["yara-rules"].digest
    look_at_tree(str(tree), means)
    assert [path.name for path in means.cache.iterdir()] == [f"{before}.yarac"]
    (means.rules / "more.yara").write_text("rule other { condition: false }")
    assert rules_of(means)["yara-rules"].digest != before
    assert len(list(means.cache.iterdir())) == 2


def test_a_cache_that_is_damaged_is_compiled_anew(tree: Path, means: Means) -> None:
    assert means.cache
    kept = means.cache / f"{rules_of(means)['yara-rules'].digest}.yarac"
    kept.write_bytes(b"garbage")
    _compiled.cache_clear()
    (tree / "bad").write_bytes(marker())
    (looked,) = look_at_tree(str(tree), means)
    assert looked.outcome is Outcome.FOUND
    assert len(kept.read_bytes()) > 100


def test_bad_rules_are_told_at_once_with_their_places(tree: Path, means: Means) -> None:
    assert means.rules
    (means.rules / "a.yar").write_text("rule a {\n  condition: $none\n}")
    (means.rules / "b.yar").write_text("rule b { condition: }")
    with pytest.raises(BadFile) as refusal:
        look_at_tree(str(tree), means)
    assert refusal.value.exit_code == 2
    said = str(refusal.value)
    assert f"{means.rules}/a.yar:2:14" in said and "$none" in said
    assert f"{means.rules}/b.yar:1:" in said


def test_no_rules_is_not_clean(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    (looked,) = look_at_tree(str(tree), Means(rules=tmp_path / "none"))
    assert looked.outcome is Outcome.UNREACHABLE and "there are no rules" in looked.reason.en
    with pytest.raises(BadFile, match="no such folder"):
        look_at_tree(str(tree), Means(rules=tmp_path / "gone"))


def test_a_named_check_that_is_not_set_up_is_not_clean(tree: Path) -> None:
    (looked,) = look_at_tree(str(tree), Means(), checks=("clamav",))
    assert looked.outcome is Outcome.UNREACHABLE and "not set up" in looked.reason.en
    with pytest.raises(BadInput, match="did you mean"):
        look_at_tree(str(tree), Means(), checks=("clamva",))


def test_hidden_links_are_found_in_pages_that_are_no_assets(tree: Path) -> None:
    means = Means(pages=("http://portal.example/index.html",))
    assert [one.outcome for one in look_at_tree(str(tree), means)] == [Outcome.TESTED_CLEAN]
    (tree / "folder" / "old.htm").write_text(HIDDEN)
    (tree / "ours.html").write_text(HIDDEN.replace("casino.example", "portal.example"))
    (looked,) = look_at_tree(str(tree), means)
    assert [(one.rule, one.path) for one in looked.suspicions] == [("hidden-links.hidden-link", "folder/old.htm")]
    both = Means(pages=(*means.pages, "http://casino.example/"))
    assert [one.outcome for one in look_at_tree(str(tree), both)] == [Outcome.TESTED_CLEAN], "both are the system's own"


def test_without_clamd_nothing_is_clean(tree: Path, tmp_path: Path) -> None:
    (looked,) = look_at_tree(str(tree), Means(clamd=str(tmp_path / "no.sock")))
    assert looked.outcome is Outcome.UNREACHABLE and "does not answer" in looked.reason.en


@pytest.mark.slow
def test_clamd_knows_its_signatures(tree: Path) -> None:
    with running_clamd() as socket:
        means = Means(clamd=socket)
        (looked,) = look_at_tree(str(tree), means)
        assert looked.outcome is Outcome.TESTED_CLEAN, looked.reason
        (tree / "eicar").write_bytes(eicar())
        (tree / "marked").write_bytes(b"." * 300_000 + marker())
        (looked,) = look_at_tree(str(tree), means)
        found = {one.path: one.rule for one in looked.suspicions}
        assert set(found) == {"eicar", "marked"}
        assert found["marked"].startswith("clamav.Jindun.Marker")
        (tree / "eicar").unlink()
        (tree / "marked").unlink()
        (tree / "larger than clamd takes").write_bytes(b"0" * 3_000_000)
        (looked,) = look_at_tree(str(tree), means)
        assert looked.outcome is Outcome.UNREACHABLE and "size limit" in looked.reason.en
    (looked,) = look_at_tree(str(tree), means)
    assert looked.outcome is Outcome.UNREACHABLE
