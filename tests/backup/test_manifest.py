"""Manifests: what they hold, how they compare, and that they survive being text."""

import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backup.comparison import Change, compare, describe, hold_against, steady
from backup.manifest import About, Entry, Kind, Manifest, digest_of, is_manifest, path_text

PAGE = Entry("page.html", Kind.FILE, 0o644, 5, "a" * 64)
LINK = Entry("link", Kind.LINK, 0o777, target="page.html")
FOLDER = Entry("folder", Kind.DIRECTORY, 0o755)
BEFORE = Manifest.of([PAGE, LINK, FOLDER])

paths = st.binary(min_size=1, max_size=20).map(path_text)
owners = st.builds("{}:{}".format, st.integers(0, 70000), st.sampled_from(["root", "www-data", "7"]))
abouts = st.none() | st.builds(
    About,
    owner=owners,
    group=owners,
    modified=st.sampled_from(["0.000000000", "1764559321.123456789"]),
    same_as=st.just("") | paths,
    sparse=st.booleans(),
    attributes=st.sampled_from(["", None, "user.origin@0123456789abcdef"]),
)
entries = st.builds(
    Entry,
    path=paths,
    kind=st.sampled_from([Kind.FILE, Kind.DIRECTORY, Kind.PIPE, Kind.DEVICE]),
    mode=st.integers(0, 0o7777),
    size_bytes=st.integers(0, 2**50),
    digest=st.sampled_from(["", "b" * 64]),
    about=abouts,
) | st.builds(Entry, path=paths, kind=st.just(Kind.LINK), mode=st.just(0o777), target=paths, about=abouts)
manifests = st.lists(entries, max_size=8, unique_by=lambda entry: entry.path).map(Manifest.of)


@given(manifests)
def test_the_text_reads_back(manifest: Manifest) -> None:
    assert Manifest.from_text(manifest.text) == manifest


@given(st.binary(max_size=12), st.binary(max_size=12))
def test_distinct_names_have_distinct_texts(one: bytes, other: bytes) -> None:
    assert (path_text(one) == path_text(other)) == (one == other)


@given(st.binary(max_size=30))
def test_the_text_of_a_name_is_one_line_of_utf8(name: bytes) -> None:
    text = path_text(name)
    assert len(text.splitlines()) <= 1
    assert "\t" not in text
    text.encode()


@given(manifests)
def test_entries_come_back_by_path(manifest: Manifest) -> None:
    entries = list(manifest.entries)
    assert Manifest.of(reversed(entries)) == manifest
    assert [entry.path for entry in entries] == sorted(entry.path for entry in entries)
    assert manifest.size_bytes == sum(entry.size_bytes for entry in entries)
    assert digest_of(manifest.text) == manifest.digest


@given(manifests, manifests)
def test_a_manifest_differs_wherever_paths_or_contents_do(one: Manifest, other: Manifest) -> None:
    told = {difference.path for difference in compare(one, other)}
    assert compare(one, one) == ()
    wanted, found = ({entry.path: entry for entry in each.entries} for each in (one, other))
    assert set(wanted) ^ set(found) <= told
    assert {path for path in set(wanted) & set(found) if wanted[path].mode != found[path].mode} <= told
    assert (one.digest == other.digest) == (one == other)


SEEN = About("1000:alice", "50:staff", "1764559321.123456789", "", True, "user.origin@0123456789abcdef")
SEEN_PAGE = replace(PAGE, about=SEEN)


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (replace(SEEN, owner="0:root"), "page.html had owner 1000:alice, has 0:root"),
        (replace(SEEN, group="0:root"), "page.html had group 50:staff, has 0:root"),
        (replace(SEEN, owner="1007:alice"), ""),
        (replace(SEEN, owner="1000:bob"), ""),
        (replace(SEEN, modified="9.0"), "page.html was modified at 1764559321.123456789, now says 9.0"),
        (replace(SEEN, same_as="a"), "page.html has become one file with a"),
        (replace(SEEN, attributes=""), "page.html had the attributes user.origin, has -"),
        (replace(SEEN, attributes="user.origin@0"), "page.html has other values of the attributes user.origin"),
        (
            replace(SEEN, owner="0:root", attributes=""),
            "page.html had owner 1000:alice, has 0:root, had the attributes user.origin, has -",
        ),
        (replace(SEEN, sparse=False), ""),
        (replace(SEEN, attributes=None), ""),
        (None, ""),
    ],
)
def test_what_beside_content_was_lost_is_said(found: About | None, sentence: str) -> None:
    differences = compare(Manifest.of([SEEN_PAGE]), Manifest.of([replace(PAGE, about=found)], 0))
    assert "".join(one.because.en for one in differences) == sentence


@pytest.mark.parametrize(
    ("expected", "found", "seen_by", "remark"),
    [
        (SEEN, replace(SEEN, owner="7:g", group="7:g"), 7, "owners were not compared because user 7, who restored"),
        (None, SEEN, 0, "owners, times, hard links and attributes were not compared because the manifest"),
        (None, None, 0, "owners, times, hard links and attributes were not compared because the manifest"),
        (SEEN, replace(SEEN, attributes=None), 0, "attributes and ACLs were not compared because they cannot be read"),
        (replace(SEEN, attributes=None), replace(SEEN, attributes=None), 0, "attributes and ACLs were not compared"),
        (SEEN, replace(SEEN, sparse=False), 0, "the holes of 1 sparse files were filled, as of page.html"),
        (SEEN, SEEN, 7, ""),
    ],
)
def test_what_was_not_compared_is_said_with_its_reason(
    expected: About | None, found: About | None, seen_by: int, remark: str
) -> None:
    compared = hold_against(
        Manifest.of([replace(PAGE, about=expected)]), Manifest.of([replace(PAGE, about=found)], seen_by)
    )
    assert compared.differences == ()
    assert "; ".join(one.en for one in compared.remarks).startswith(remark)
    assert bool(compared.remarks) == bool(remark)


def test_a_name_of_a_file_whose_first_name_was_changing_is_not_held_against_it() -> None:
    other = replace(PAGE, path="b", about=replace(SEEN, same_as="a"))
    alone = replace(other, about=SEEN)
    assert compare(Manifest.of([Entry("a", Kind.CHANGING), other]), Manifest.of([alone])) == ()
    assert compare(Manifest.of([other]), Manifest.of([alone])) != ()


FIRST_VERSION = f"""jindun manifest 1
directory\t0755\t0\t-\tfolder
link\t0777\t0\t-\tlink\tpage.html
file\t0644\t5\t{"a" * 64}\tpage.html
"""


def test_a_manifest_of_the_first_version_is_read() -> None:
    assert is_manifest(FIRST_VERSION)
    assert Manifest.from_text(FIRST_VERSION) == BEFORE
    assert digest_of(FIRST_VERSION) == hashlib.sha256(FIRST_VERSION.encode()).hexdigest()


@pytest.mark.parametrize("harm", [lambda text: text[:-9], lambda text: text[:30] + "A" + text[31:]])
def test_a_truncated_or_damaged_manifest_is_refused(harm: Callable[[str], str]) -> None:
    with pytest.raises(ValueError, match="a damaged manifest"):
        Manifest.from_text(harm(BEFORE.text))


@given(manifests, manifests)
def test_a_steady_manifest_equals_both_looks(one: Manifest, other: Manifest) -> None:
    kept = steady(one, other)
    assert compare(kept, one) == compare(kept, other) == ()
    assert Manifest.from_text(kept.text) == kept


@pytest.mark.parametrize(
    ("after", "change", "sentence"),
    [
        ([PAGE, LINK], Change.MISSING, "folder is missing"),
        ([PAGE, LINK, FOLDER, Entry("new", Kind.PIPE)], Change.EXTRA, "new is extra"),
        ([replace(PAGE, digest="b" * 64), LINK, FOLDER], Change.CHANGED, "page.html has other content"),
        ([replace(PAGE, size_bytes=6), LINK, FOLDER], Change.CHANGED, "page.html had 5 bytes and has 6"),
        ([replace(PAGE, mode=0o666), LINK, FOLDER], Change.CHANGED, "page.html had mode 0644, has 0666"),
        ([PAGE, replace(LINK, target="/etc"), FOLDER], Change.CHANGED, "link led to page.html, leads to /etc"),
        ([PAGE, LINK, Entry("folder", Kind.LINK)], Change.CHANGED, "folder was a directory and is a link"),
    ],
)
def test_a_difference_says_what_it_is(after: list[Entry], change: Change, sentence: str) -> None:
    [difference] = compare(BEFORE, Manifest.of(after))
    assert (difference.change, difference.because.en) == (change, sentence)


def test_many_differences_are_one_sentence() -> None:
    differences = compare(Manifest.of([]), Manifest.of(Entry(str(n), Kind.PIPE) for n in range(9)))
    assert describe(differences).en == "9 differences from the manifest: 0 is extra; 1 is extra; 2 is extra…"
    assert describe(()).zh == "与清单一致"


@pytest.mark.parametrize("text", ["", "jindun manifest 2\n", "jindun manifest 3\n", "jindun manifest 1\nnonsense\n"])
def test_what_is_not_a_manifest_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Manifest.from_text(text)
