"""A pack with one of every kind of record, and the keys that sealed it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from secops.evidence.chain import Kind, Record
from secops.evidence.keys import load_private_key, make_key
from secops.evidence.pack import attachments, header, tools, write_pack
from secops.evidence.timings import Timings, timing_body
from secops.model.finding import Finding, Severity, State, Weakness, WeaknessClass
from secops.model.text import Text

BEGUN = datetime(2026, 11, 22, 8, 0, 0, tzinfo=UTC)


def timings() -> Timings:
    moments = [BEGUN + timedelta(seconds=seconds) for seconds in (0, 2, 3, 4, 5, 9, 30)]
    return Timings(*moments, recovered_to=BEGUN - timedelta(minutes=5), acknowledged_lost=0)


def finding(severity: Severity = Severity.CRITICAL) -> Finding:
    text = Text("隐藏外链", "a hidden outside link")
    weakness = Weakness(WeaknessClass.TAMPER, "page-tamper.hidden", ("/",), severity, text, text, text, {"line": "8"})
    return Finding("1-x", "portal", "page", "page-tamper", weakness, State.NEW, BEGUN, BEGUN, BEGUN, state_since=BEGUN)


def records(key: Ed25519PrivateKey, journal: int = 3) -> Iterator[Record]:
    city = Text("津城", "Jin [bold]city")
    yield header(BEGUN, run="run-1", product="0.1.0", city=city, key=key.public_key())
    yield Record(Kind.FINDING_BEFORE, BEGUN, finding())
    for number in range(journal):
        entry = {
            "step": f"step {number}",
            "seconds": 0.1 + number,
            "output": '页面\n\x1b[31m"hash":"' + "0" * 64 + '",',
        }
        yield Record(Kind.JOURNAL, BEGUN + timedelta(seconds=number), entry)
    yield Record(Kind.FINDING_AFTER, BEGUN, finding(Severity.LOW))
    yield Record(Kind.TIMING, BEGUN, timing_body(timings()))
    yield tools(BEGUN, {"borg": "1.2.4", "haproxy": "2.6"})
    yield from attachments(BEGUN, "page.html", "<p>篡改</p>".encode())
    yield from attachments(BEGUN, "capture.bin", b"\xff\x00\xfe")


@pytest.fixture(scope="session")
def key_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    make_key(folder / "private.pem", folder / "public.pem")
    make_key(folder / "other.pem", folder / "other.pub.pem")
    return folder


@pytest.fixture(scope="session")
def key(key_folder: Path) -> Ed25519PrivateKey:
    return load_private_key(key_folder / "private.pem")


@pytest.fixture(scope="session")
def pack(tmp_path_factory: pytest.TempPathFactory, key: Ed25519PrivateKey) -> Path:
    """Whole; tests change copies of it."""
    path = tmp_path_factory.mktemp("pack") / "run-1.jsonl"
    write_pack(path, records(key), key)
    return path
