"""Whatever happens to a pack after sealing is noticed, at its first broken link."""

import hashlib
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from secops.evidence import chain
from secops.evidence import pack as writing
from secops.evidence.chain import Breach, Kind, canonical
from secops.evidence.keys import load_private_key, load_public_key
from secops.evidence.verify import BrokenLink, BrokenPack, Verification, read_pack, verify_pack
from secops.support.errors import BadInput


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("changed")


class Changed:
    """Writes changed copies and verifies them."""

    def __init__(self, folder: Path, pack: Path, key: Ed25519PrivateKey) -> None:
        self.path = folder / "changed.jsonl"
        self.original = pack.read_bytes()
        self.lines = self.original.splitlines(keepends=True)
        self.key = key

    def verify(self, content: bytes) -> Verification:
        self.path.write_bytes(content)
        return verify_pack(self.path, self.key.public_key())

    def broken(self, lines: list[bytes]) -> BrokenLink:
        verification = self.verify(b"".join(lines))
        assert verification.broken is not None
        assert verification.records == verification.broken.line - 1 or verification.broken.breach is Breach.AFTER_SEAL
        return verification.broken


@pytest.fixture(scope="module")
def changed(folder: Path, pack: Path, key: Ed25519PrivateKey) -> Changed:
    return Changed(folder, pack, key)


def forged(line: bytes, **fields: object) -> bytes:
    """The line with other fields and a hash that fits them: what an intruder without the key can do."""
    record = json.loads(line) | fields
    del record["hash"]
    record["hash"] = hashlib.sha256(canonical(record)).hexdigest()
    return canonical(record) + b"\n"


def test_a_whole_pack_is_whole(changed: Changed) -> None:
    verification = changed.verify(changed.original)
    assert verification.ok
    assert verification.records == len(changed.lines)
    assert verification.run == "run-1"
    assert verification.sealed == json.loads(changed.lines[-1])["at"]


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_any_changed_byte_is_noticed_on_its_line(changed: Changed, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(changed.original) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != changed.original[place]))
    verification = changed.verify(changed.original[:place] + bytes([byte]) + changed.original[place + 1 :])
    assert verification.broken is not None
    assert verification.broken.line == changed.original[:place].count(b"\n") + 1


def test_every_byte_of_the_seal_counts(changed: Changed) -> None:
    body, seal = b"".join(changed.lines[:-1]), changed.lines[-1]
    for place in range(len(seal)):
        other = seal[:place] + bytes([seal[place] ^ 0x20]) + seal[place + 1 :]
        assert not changed.verify(body + other).ok, place


@settings(max_examples=100, deadline=None)
@given(place=st.integers(0, 10_000), junk=st.binary(min_size=1, max_size=40))
def test_any_inserted_bytes_are_noticed(changed: Changed, place: int, junk: bytes) -> None:
    place = min(place, len(changed.original))
    content = changed.original[:place] + junk + changed.original[place:]
    assert content == changed.original or not changed.verify(content).ok


def test_every_deleted_line_is_noticed_where_it_stood(changed: Changed) -> None:
    last = len(changed.lines) - 1
    for place in range(len(changed.lines)):
        broken = changed.broken(changed.lines[:place] + changed.lines[place + 1 :])
        assert (broken.line, broken.breach) == (place + 1, Breach.TRUNCATED if place == last else Breach.REMOVED)


def test_every_duplicated_line_is_noticed_at_the_copy(changed: Changed) -> None:
    last = len(changed.lines) - 1
    for place in range(len(changed.lines)):
        broken = changed.broken([*changed.lines[: place + 1], *changed.lines[place:]])
        assert (broken.line, broken.breach) == (place + 2, Breach.AFTER_SEAL if place == last else Breach.DUPLICATED)


def test_every_swap_is_noticed_at_the_first_moved_line(changed: Changed) -> None:
    for first in range(len(changed.lines)):
        for second in range(first + 1, len(changed.lines)):
            lines = list(changed.lines)
            lines[first], lines[second] = lines[second], lines[first]
            broken = changed.broken(lines)
            assert (broken.line, broken.breach) == (first + 1, Breach.REORDERED)
            assert broken.kind == json.loads(lines[first])["kind"]


def test_truncated_between_lines(changed: Changed) -> None:
    for kept in range(len(changed.lines)):
        broken = changed.broken(changed.lines[:kept])
        assert (broken.line, broken.breach) == (kept + 1, Breach.TRUNCATED if kept else Breach.EMPTY)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_truncated_within_a_line(changed: Changed, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(changed.lines) - 1))
    kept = data.draw(st.integers(1, len(changed.lines[place]) - 1))
    broken = changed.broken([*changed.lines[:place], changed.lines[place][:kept]])
    assert (broken.line, broken.breach) == (place + 1, Breach.TRUNCATED)


def test_a_forged_line_breaks_the_next_link(changed: Changed) -> None:
    lines = list(changed.lines)
    lines[3] = forged(lines[3], body={"step": "nothing to see"})
    broken = changed.broken(lines)
    assert (broken.line, broken.breach, broken.kind) == (5, Breach.REPLACED, "journal")


def test_an_inserted_line_with_a_good_hash(changed: Changed) -> None:
    extra = forged(changed.lines[3], n=4, prev=json.loads(changed.lines[3])["hash"], body={"step": "invented"})
    broken = changed.broken([*changed.lines[:4], extra, *changed.lines[4:]])
    assert (broken.line, broken.breach) == (6, Breach.INSERTED)


def test_a_chain_forged_to_its_end_fails_at_the_signature(changed: Changed) -> None:
    lines = [*changed.lines[:3], forged(changed.lines[3], body={"step": "forged"})]
    for line in changed.lines[4:-1]:
        lines.append(forged(line, prev=json.loads(lines[-1])["hash"]))
    head = json.loads(lines[-1])["hash"]
    seal = json.loads(changed.lines[-1])
    lines.append(forged(changed.lines[-1], prev=head))
    assert changed.broken(lines).breach is Breach.BAD_SIGNATURE
    lines[-1] = forged(changed.lines[-1], prev=head, body=seal["body"] | {"head": head})
    assert changed.broken(lines).breach is Breach.BAD_SIGNATURE
    assert changed.broken(lines).line == len(lines)


@pytest.mark.parametrize(
    "fields",
    [{"at": "2020-01-01T00:00:00.000000Z"}, {"body": {}}, {"body": {"signature": 7}}, {"body": {"signature": "é"}}],
)
def test_a_seal_with_a_good_hash_but_other_words(changed: Changed, fields: dict[str, object]) -> None:
    broken = changed.broken([*changed.lines[:-1], forged(changed.lines[-1], **fields)])
    assert (broken.line, broken.breach, broken.kind) == (len(changed.lines), Breach.BAD_SIGNATURE, "seal")


@pytest.mark.parametrize("signature", [None, 7, "é", "!!!!", "AAAA"])
def test_a_seal_whose_signature_is_rubbish(changed: Changed, signature: object) -> None:
    body = json.loads(changed.lines[-1])["body"] | {"signature": signature}
    broken = changed.broken([*changed.lines[:-1], forged(changed.lines[-1], body=body)])
    assert broken.breach is Breach.BAD_SIGNATURE


def test_a_line_that_says_the_same_in_other_words(changed: Changed) -> None:
    respaced = json.dumps(json.loads(changed.lines[2]), sort_keys=True).encode() + b"\n"
    broken = changed.broken([*changed.lines[:2], respaced, *changed.lines[3:]])
    assert (broken.line, broken.breach, broken.kind) == (3, Breach.CHANGED, "journal")


def test_a_key_said_twice_hides_nothing(changed: Changed) -> None:
    twice = b'{"at":"1999-01-01T00:00:00.000000Z",' + changed.lines[2][1:]
    assert changed.broken([*changed.lines[:2], twice, *changed.lines[3:]]).line == 3


@pytest.mark.parametrize(
    ("junk", "breach"),
    [
        (b"not json\n", Breach.NOT_JSON),
        (b"\x00\xff\xfe\x80" * 40 + b"\n", Breach.NOT_JSON),
        (b"\n", Breach.NOT_JSON),
        (b"[" * 100_000 + b"\n", Breach.NOT_JSON),
        (b"[]\n", Breach.NOT_A_RECORD),
        (
            b'{"at":"","body":{"a":' + b"[" * 900 + b"]" * 900 + b'},"hash":"","kind":"journal","n":2,"prev":""}\n',
            Breach.NOT_A_RECORD,
        ),
        (b'{"at":"","body":{"a":"\\ud800"},"hash":"","kind":"journal","n":2,"prev":""}\n', Breach.NOT_JSON),
        (b"7\n", Breach.NOT_A_RECORD),
        (b'{"kind":["seal"]}\n', Breach.NOT_A_RECORD),
        (b'{"at":"","body":{},"hash":"","kind":"journal","n":true,"prev":""}\n', Breach.NOT_A_RECORD),
        (b'{"at":"","body":{},"hash":"","kind":"gossip","n":2,"prev":""}\n', Breach.NOT_A_RECORD),
        (
            b'{"at":"","body":{},"hash":"","kind":"journal","n":99999999999999999999999,"prev":""}\n',
            Breach.NOT_A_RECORD,
        ),
    ],
)
def test_rubbish_in_the_place_of_a_line(changed: Changed, junk: bytes, breach: Breach) -> None:
    for place in (0, 2):
        broken = changed.broken([*changed.lines[:place], junk, *changed.lines[place + 1 :]])
        assert (broken.line, broken.breach) == (place + 1, breach)


def test_a_negative_number_and_no_header(changed: Changed) -> None:
    assert changed.broken([forged(changed.lines[0], n=-1), *changed.lines[1:]]).line == 1
    assert changed.broken([forged(changed.lines[0], kind="journal"), *changed.lines[1:]]).line == 1


def test_an_unknown_format_is_said(changed: Changed) -> None:
    header = json.loads(changed.lines[0])
    line = forged(changed.lines[0], body=header["body"] | {"format": "jindun-evidence/9"})
    assert changed.broken([line, *changed.lines[1:]]).breach is Breach.UNKNOWN_FORMAT


def test_a_huge_line_is_not_read_whole(changed: Changed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secops.evidence.verify.MAX_LINE_BYTES", 100_000)
    broken = changed.broken([*changed.lines[:2], b"x" * 100_001])
    assert (broken.line, broken.breach) == (3, Breach.TOO_LONG)
    assert verify_pack(Path("/dev/zero"), changed.key.public_key()).broken is not None


def test_the_wrong_key_is_named_at_once(changed: Changed, key_folder: Path, pack: Path) -> None:
    broken = verify_pack(pack, load_public_key(key_folder / "other.pub.pem")).broken
    assert broken is not None
    assert (broken.line, broken.breach) == (1, Breach.WRONG_KEY)


def test_a_pack_sealed_anew_by_another_key(changed: Changed, key_folder: Path, tmp_path: Path) -> None:
    """The header still names the first key, the seal is by the second."""
    other = load_private_key(key_folder / "other.pem")
    head = chain.from_line(changed.lines[-2][:-1])
    seal = chain.to_line(chain.link(writing._seal(head, other, writing.now()), head))
    broken = changed.broken([*changed.lines[:-1], seal])
    assert (broken.line, broken.breach, broken.kind) == (len(changed.lines), Breach.WRONG_KEY, "seal")


def test_without_a_key_the_chain_is_still_followed(changed: Changed) -> None:
    changed.path.write_bytes(changed.original)
    assert len(list(read_pack(changed.path, None))) == len(changed.lines)
    changed.path.write_bytes(changed.original.replace(b"step 1", b"step 2"))
    with pytest.raises(BrokenPack, match="line 4"):
        list(read_pack(changed.path, None))


@pytest.mark.parametrize("name", ["missing.jsonl", "."])
def test_what_cannot_be_read_is_bad_input(tmp_path: Path, key: Ed25519PrivateKey, name: str) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        verify_pack(tmp_path / name, key.public_key())


@settings(max_examples=60, deadline=None)
@given(
    body=st.dictionaries(
        st.text(max_size=8),
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=20),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
            max_leaves=8,
        ),
        max_size=4,
    )
)
def test_any_json_body_survives(key: Ed25519PrivateKey, body: dict[str, object]) -> None:
    made = chain.link(chain.Record(Kind.JOURNAL, datetime.now(UTC), body), None)
    assert chain.from_line(chain.to_line(made)[:-1]) == made


def _examples() -> list[str]:
    docs = Path(__file__).parents[2] / "docs"
    texts = [(docs / name).read_text() for name in ("evidence-format.md", "evidence-format.zh.md")]
    return [text.split("```python\n")[1].split("```")[0] for text in texts]


@pytest.mark.parametrize("example", _examples(), ids=["en", "zh"])
def test_the_verifier_in_the_docs_agrees(example: str, changed: Changed, key_folder: Path, tmp_path: Path) -> None:
    assert len(example.splitlines()) <= 32
    script, path = tmp_path / "verifier.py", tmp_path / "pack.jsonl"
    script.write_text(example)

    def run(content: bytes, key: str = "public.pem") -> subprocess.CompletedProcess[str]:
        path.write_bytes(content)
        argv = [sys.executable, str(script), str(path), str(key_folder / key)]
        return subprocess.run(argv, capture_output=True, text=True, timeout=280, check=False)

    good = run(changed.original)
    assert good.returncode == 0, good.stderr
    assert str(len(changed.lines)) in good.stdout
    lines = changed.lines
    assert run(changed.original, "other.pub.pem").returncode != 0
    assert "4" in run(changed.original.replace(b"step 1", b"step 7")).stderr
    for bad in (lines[:-1], lines[1:], [*lines, lines[-1]], [], [*lines[:2], lines[3], lines[2], *lines[4:]]):
        assert run(b"".join(bad)).returncode != 0
