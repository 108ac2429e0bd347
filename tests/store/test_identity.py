"""The key of a finding: it carries its version, no two places share one, and our own checks keep to it."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from scanners.check import Check
from scanners.hosts.sshd_config import SSHD_CONFIG
from scanners.network.tcp_ports import TCP_PORTS
from scanners.observation import baseline_from, from_bytes
from scanners.pages.tamper import PAGE_TAMPER
from scanners.web.exposed_files import EXPOSED_FILES
from scanners.web.http_headers import HTTP_HEADERS
from scanners.web.origin import origin_place
from scanners.web.tls import TLS
from secops.model.city import Asset
from secops.model.finding import Severity, Weakness, WeaknessClass, finding_id
from secops.model.text import Text
from secops.store.query import Query
from secops.store.sqlite_store import SqliteStore
from tests.contracts.evaluations import evaluation

GOLDEN = Path(__file__).parents[1] / "golden"
CHECKS: dict[str, Check[Any]] = {
    check.name: check for check in (HTTP_HEADERS, TLS, EXPOSED_FILES, TCP_PORTS, SSHD_CONFIG, PAGE_TAMPER)
}
CASES = [path for name in CHECKS for path in sorted((GOLDEN / name).glob("*.json"))]
ASSET: TypeAdapter[Asset] = TypeAdapter(Asset)
PARTS = st.text(st.characters(exclude_characters="\x1f", codec="utf-8"), max_size=8)
KEYS = st.tuples(st.sampled_from(WeaknessClass), PARTS, PARTS, st.lists(PARTS, max_size=4).map(tuple))
WORDS = st.text(max_size=20)
Key = tuple[WeaknessClass, str, str, tuple[str, ...]]


# --- the key


@given(KEYS)
def test_the_version_of_the_key_stands_in_the_id(key: Key) -> None:
    assert re.fullmatch(r"1-[a-z2-7]{32}", finding_id(*key))


@given(KEYS, KEYS)
def test_two_places_have_two_ids(one: Key, other: Key) -> None:
    assert (finding_id(*one) == finding_id(*other)) is (one == other)


@pytest.mark.parametrize("part", range(4))
@given(key=KEYS, other=KEYS)
def test_each_part_of_the_key_counts(part: int, key: Key, other: Key) -> None:
    changed: Any = (*key[:part], other[part], *key[part + 1 :])
    assert (finding_id(*changed) == finding_id(*key)) is (other[part] == key[part])


@pytest.mark.parametrize(
    ("key", "id"),
    [
        ((WeaknessClass.WEB, "site", "http-headers.csp-missing", ("GET", "/")), "1-qqh3enmj236py2zcc4s5z46cyxnf72hs"),
        (
            (WeaknessClass.PORT, "host", "tcp-ports.undeclared-open", ("tcp", "23")),
            "1-mrh3d7z37fr6w343oakbujpds5uy4byh",
        ),
        (
            (WeaknessClass.VULNERABILITY, "主机", "tool.trivy.CVE-2026-0001", ("debian", "x")),
            "1-lhxqe6prjexcfjfi6o36me5c67bqys4f",
        ),
    ],
)
def test_ids_of_version_1_stay_what_they_are(key: Key, id: str) -> None:
    """Whoever changes how an id is made gives the key a new version, for findings are stored by it."""
    assert finding_id(*key) == id


# --- in the store


@settings(max_examples=30, deadline=None)
@given(
    kind=st.sampled_from(WeaknessClass),
    scans=st.lists(st.tuples(st.sampled_from(Severity), WORDS, WORDS), min_size=2, max_size=5),
)
def test_rescans_in_other_words_are_one_finding(kind: WeaknessClass, scans: list[tuple[Severity, str, str]]) -> None:
    with TemporaryDirectory() as folder, SqliteStore(Path(folder) / "findings.db") as store:
        for number, (severity, words, banner) in enumerate(scans):
            seen = Weakness(
                kind, "check.rule", ("place",), severity, Text(words, words), Text(banner, banner), Text("修", "mend"),
                {"banner": banner},
            )  # fmt: skip
            store.record(f"scan-{number}", [evaluation(seen, minutes=number, check="check")])
        (kept,) = store.find(Query(), 10, None).findings
        assert kept.id == finding_id(kind, "site", "check.rule", ("place",))
        assert kept.times_seen == len(scans) and kept.weakness.severity is scans[-1][0]


# --- our own checks


def keys(path: Path, change: Callable[[str], str] = str) -> list[tuple[str, tuple[str, ...]]]:
    """Rule and place of everything that a check says of a golden case, its texts changed before."""
    case = orjson.loads(path.read_bytes())
    check = CHECKS[path.parent.name]
    observed, asset = (json.loads(change(json.dumps(case[part], ensure_ascii=False))) for part in ("observed", "asset"))
    baseline = (orjson.dumps(case["baseline"]), "tester") if "baseline" in case else None
    read = from_bytes(check, orjson.dumps(observed))
    found = check.judge(ASSET.validate_python(asset), read, baseline_from(check, baseline))
    return sorted((one.rule, one.locator) for one in found)


SPELLINGS: dict[str, Callable[[str], str]] = {
    "upper case and default port": lambda text: re.sub(
        r'"url": "(https?)://([^"/:]+)/',
        lambda found: f'"url": "{found[1].upper()}://{found[2].upper()}:{443 if found[1] == "https" else 80}/',
        text,
    ),
    "other banners": lambda text: re.sub(r"(nginx|PHP|Apache|OpenSSH)([/_])\d[\d.]*", r"\g<1>\g<2>9.9.9", text),
    "other values of settings": lambda text: text.replace('"permitrootlogin": "yes"', '"permitrootlogin": "Yes"'),
    "other counts": lambda text: re.sub(r'"count": \d+', '"count": 77', text),
    "other serial numbers and issuers": lambda text: text.replace("Example CA", "Another CA"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_what_changes_between_two_scans_is_no_part_of_the_key(path: Path, spelling: str) -> None:
    assert keys(path, SPELLINGS[spelling]) == keys(path)


@pytest.mark.parametrize("name", ["http-headers", "exposed-files"])
def test_a_host_alias_is_no_part_of_the_key(name: str) -> None:
    paths = [path for path in CASES if path.parent.name == name and "archive" not in path.stem]
    assert paths
    for path in paths:
        assert keys(path, lambda text: text.replace("www.example.gov.cn", "alias.example.gov.cn")) == keys(path)


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_no_check_says_the_same_twice_nor_names_a_version(path: Path) -> None:
    found = keys(path)
    assert len(set(found)) == len(found)
    assert not [place for _, places in found for place in places if re.search(r"\d+\.\d+\.\d+(?!\.)", place)]


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://www.example.gov.cn/", ("https", "443")),
        ("HTTPS://WWW.example.gov.cn:443/a?b", ("https", "443")),
        ("http://[2001:db8::1]/", ("http", "80")),
        ("http://www.example.gov.cn:8443/", ("http", "8443")),
    ],
)
def test_an_origin_is_its_scheme_and_port(url: str, place: tuple[str, str]) -> None:
    assert origin_place(url) == place


def test_another_port_cookie_or_setting_is_another_finding() -> None:
    for path, old, new in (
        ("tcp-ports/undeclared-ordinary.json", "8080", "8081"),
        ("http-headers/bare-https.json", "gov.cn/", "gov.cn:8443/"),
    ):
        before, after = keys(GOLDEN / path), keys(GOLDEN / path, lambda text, old=old, new=new: text.replace(old, new))  # type: ignore[misc]
        assert before and not set(before) & set(after)
