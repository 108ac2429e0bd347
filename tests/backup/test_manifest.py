"""Manifests: what they hold, how they compare, and that they survive being text."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backup.manifest import Change, Entry, Kind, Manifest, compare, describe, path_text, steady

PAGE = Entry("page.html", Kind.FILE, 0o644, 5, "a" * 64)
LINK = Entry("link", Kind.LINK, 0o777, target="page.html")
FOLDER = Entry("folder", Kind.DIRECTORY, 0o755)
BEFORE = Manifest.of([PAGE, LINK, FOLDER])

paths = st.binary(min_size=1, max_size=20).map(path_text)
entries = st.builds(
    Entry,
    path=paths,
    kind=st.sampled_from([Kind.FILE, Kind.DIRECTORY, Kind.PIPE, Kind.DEVICE]),
    mode=st.integers(0, 0o7777),
    size_bytes=st.integers(0, 2**50),
    digest=st.sampled_from(["", "b" * 64]),
) | st.builds(Entry, path=paths, kind=st.just(Kind.LINK), mode=st.just(0o777), target=paths)
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


@given(manifests, manifests)
def test_only_equal_manifests_have_no_differences(one: Manifest, other: Manifest) -> None:
    assert (compare(one, other) == ()) == (one == other) == (one.digest == other.digest)


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


@pytest.mark.parametrize("text", ["", "jindun manifest 2\n", "jindun manifest 1\nnonsense\n"])
def test_what_is_not_a_manifest_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Manifest.from_text(text)
