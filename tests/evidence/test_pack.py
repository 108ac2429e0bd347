"""A pack appears whole or not at all, and never in the place of another."""

import resource
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from secops.evidence.chain import Kind, Record
from secops.evidence.keys import load_private_key
from secops.evidence.new_file import AlreadyThere
from secops.evidence.pack import PART_BYTES, Sealed, attachments, header, write_pack
from secops.evidence.verify import read_pack, verify_pack
from secops.model.text import Text
from secops.support.errors import BadInput, Incomplete
from tests.evidence.conftest import BEGUN, records


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_what_is_sealed_is_what_is_verified(tmp_path: Path, key: Ed25519PrivateKey) -> None:
    path = tmp_path / "new" / "证据.jsonl"
    sealed = write_pack(path, records(key), key)
    verification = verify_pack(path, key.public_key())
    assert verification.ok
    assert (verification.records, verification.fingerprint) == (sealed.records + 1, sealed.fingerprint)
    assert list(read_pack(path, None))[-1].prev == sealed.head
    assert path.stat().st_mode & 0o077 == 0
    assert names(path.parent) == [path.name]


def test_records_keep_their_order_and_their_words(pack: Path, key: Ed25519PrivateKey) -> None:
    read = list(read_pack(pack, key.public_key()))
    given = list(records(key))
    assert [linked.kind for linked in read] == [*(record.kind for record in given), Kind.SEAL]
    assert [linked.body["step"] for linked in read if linked.kind == Kind.JOURNAL] == ["step 0", "step 1", "step 2"]
    assert read[1].body["state"] == "new"


def test_an_existing_pack_is_left_alone(tmp_path: Path, key: Ed25519PrivateKey) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text("mine")
    with pytest.raises(AlreadyThere, match="not overwritten"):
        write_pack(path, records(key), key)
    assert path.read_text() == "mine"
    dangling = tmp_path / "dangling.jsonl"
    dangling.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AlreadyThere):
        write_pack(dangling, records(key), key)


def test_of_concurrent_writers_one_wins_and_is_whole(tmp_path: Path, key: Ed25519PrivateKey) -> None:
    path, writers = tmp_path / "run.jsonl", 8
    barrier = Barrier(writers)

    def waiting() -> Iterator[Record]:
        for record in records(key, journal=50):
            yield record
            if record.kind is Kind.HEADER:
                barrier.wait(30)

    def write(_: int) -> Sealed | AlreadyThere:
        try:
            return write_pack(path, waiting(), key)
        except AlreadyThere as error:
            return error

    with ThreadPoolExecutor(writers) as pool:
        results = list(pool.map(write, range(writers)))
    assert sum(isinstance(result, Sealed) for result in results) == 1
    assert verify_pack(path, key.public_key()).ok
    assert names(tmp_path) == [path.name]


def test_records_that_fail_midway_leave_nothing(tmp_path: Path, key: Ed25519PrivateKey) -> None:
    def failing() -> Iterator[Record]:
        yield from records(key)
        raise ConnectionError("the store went away")

    with pytest.raises(ConnectionError):
        write_pack(tmp_path / "run.jsonl", failing(), key)
    assert names(tmp_path) == []


@pytest.mark.parametrize("body", [7, ["list"], {"a": object()}, {1: "number"}, {"a": 2**64}, {"a": "\ud800"}])
def test_a_body_that_is_not_json_is_named(tmp_path: Path, key: Ed25519PrivateKey, body: object) -> None:
    bad = [next(records(key)), Record(Kind.JOURNAL, BEGUN, body)]
    with pytest.raises(BadInput, match=r"record 1 \(journal\)"):
        write_pack(tmp_path / "run.jsonl", bad, key)
    assert names(tmp_path) == []


def test_a_naive_time_is_refused(tmp_path: Path, key: Ed25519PrivateKey) -> None:
    bad = [next(records(key)), Record(Kind.JOURNAL, BEGUN, {"at": BEGUN.replace(tzinfo=None)})]
    with pytest.raises(BadInput, match="without its zone"):
        write_pack(tmp_path / "run.jsonl", bad, key)


def test_a_record_too_large_is_refused(tmp_path: Path, key: Ed25519PrivateKey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secops.evidence.pack.MAX_LINE_BYTES", 1000)
    big = [next(records(key)), Record(Kind.JOURNAL, BEGUN, {"output": "x" * 1000})]
    with pytest.raises(BadInput, match="too large"):
        write_pack(tmp_path / "run.jsonl", big, key)


def test_the_writer_insists_on_its_frame(tmp_path: Path, key: Ed25519PrivateKey, key_folder: Path) -> None:
    first, *rest = records(key)
    other = load_private_key(key_folder / "other.pem")
    for wrong in ([], rest, [first, first], [first, Record(Kind.SEAL, BEGUN, {})]):
        with pytest.raises(ValueError, match="header"):
            write_pack(tmp_path / "run.jsonl", wrong, key)
    with pytest.raises(ValueError, match="another key"):
        write_pack(tmp_path / "run.jsonl", [first], other)
    assert names(tmp_path) == []


def test_a_long_attachment_is_split_and_comes_back(tmp_path: Path, key: Ed25519PrivateKey) -> None:
    content = "漏洞".encode() * (PART_BYTES // 3)
    city = Text("津", "Jin")
    first = header(BEGUN, run="r", product="0", city=city, key=key.public_key())
    write_pack(tmp_path / "run.jsonl", [first, *attachments(BEGUN, "big", content)], key)
    assert verify_pack(tmp_path / "run.jsonl", key.public_key()).ok
    assert [record.body["part"] for record in attachments(BEGUN, "none", b"")] == [1]  # type: ignore[index]


_WRITE_FOREVER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from secops.evidence.chain import Kind, Record
from secops.evidence.keys import load_private_key
from secops.evidence.pack import header, write_pack
from secops.model.text import Text

key, path, most = load_private_key(Path(sys.argv[1])), Path(sys.argv[2]), int(sys.argv[3])
def records():
    yield header(datetime.now(UTC), run="r", product="0", city=Text("津", "Jin"), key=key.public_key())
    for number in range(most):
        yield Record(Kind.JOURNAL, datetime.now(UTC), {"n": number, "output": "x" * 500})
write_pack(path, records(), key)
"""


def _writer(key_folder: Path, path: Path, most: int, limit_bytes: int | None = None) -> subprocess.Popen[str]:
    def limit() -> None:
        if limit_bytes:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

    return subprocess.Popen(
        [sys.executable, "-c", _WRITE_FOREVER, str(key_folder / "private.pem"), str(path), str(most)],
        preexec_fn=limit,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("grown_bytes", [1, 100_000, 2_000_000])
def test_kill_nine_leaves_no_half_pack(tmp_path: Path, key_folder: Path, grown_bytes: int) -> None:
    path = tmp_path / "run.jsonl"
    with _writer(key_folder, path, most=10_000_000) as process:
        try:
            deadline = time.monotonic() + 60
            while sum(part.stat().st_size for part in tmp_path.glob(".*.part")) < grown_bytes:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.01)
        finally:
            process.send_signal(signal.SIGKILL)
    assert not path.exists()
    key = load_private_key(key_folder / "private.pem")
    write_pack(path, records(key), key)
    assert verify_pack(path, key.public_key()).ok


@pytest.mark.slow
def test_a_disk_that_refuses_leaves_nothing(tmp_path: Path, key_folder: Path) -> None:
    with _writer(key_folder, tmp_path / "run.jsonl", most=100_000, limit_bytes=300_000) as process:
        _, error = process.communicate(timeout=280)
    assert process.returncode != 0
    assert f"{Incomplete.__name__}: {tmp_path / 'run.jsonl'} cannot be written: File too large" in error
    assert names(tmp_path) == []


@pytest.mark.slow
def test_a_hundred_thousand_records_in_little_memory_and_time(tmp_path: Path, key: Ed25519PrivateKey) -> None:
    path = tmp_path / "run.jsonl"
    started = time.process_time()
    write_pack(path, records(key, journal=100_000), key)
    assert verify_pack(path, key.public_key()).ok
    assert time.process_time() - started < 60

    def peak_bytes(journal: int) -> int:
        target = tmp_path / f"{journal}.jsonl"
        tracemalloc.start()
        try:
            write_pack(target, records(key, journal=journal), key)
            assert verify_pack(target, key.public_key()).ok
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak_bytes(20_000) < peak_bytes(200) + 1_000_000
