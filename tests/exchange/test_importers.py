"""Golden reports, one per format: what they say of which asset; and what mistakes in them lead to."""

import io
import json
import random
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from secops.exchange.importer import all_importers
from secops.exchange.misread import Misread
from tests.exchange.city import GOLDEN, gathered

REPORTS = sorted(path for path in GOLDEN.iterdir() if not path.name.endswith(".expected.json"))
BY_NAME = {path.stem: path for path in REPORTS}
EMPTY: Any = (None, [], {}, "", "\0", 0, -1, 1e300, True, [[]], [{}], [None], {"text": []}, "inf", "x" * 9000)


def names(path: Path) -> str:
    return path.stem


def test_every_format_has_its_golden_report() -> None:
    assert BY_NAME.keys() == all_importers().keys()


@pytest.mark.parametrize("path", REPORTS, ids=names)
def test_a_golden_report_says_what_is_expected(path: Path) -> None:
    expected = json.loads(path.with_name(f"{path.stem}.expected.json").read_text("utf-8"))
    gathering = gathered(path.stem, path.read_bytes())
    assert (gathering.records, dict(gathering.unmatched)) == (expected["records"], expected["unmatched"])
    found = [
        {
            "asset": one.asset,
            "check": one.check,
            "started": one.started.isoformat(),
            "weaknesses": [
                [each.weakness_class, each.rule, list(each.locator), each.severity] for each in one.weaknesses
            ],
        }
        for one in gathering.evaluations(complete=False)
    ]
    assert found == expected["evaluations"]


@pytest.mark.parametrize("path", REPORTS, ids=names)
def test_a_report_is_recognised_by_its_format_alone(path: Path) -> None:
    head = path.read_bytes()[: 64 << 10]
    assert [name for name, one in all_importers().items() if one.recognises(head)] == [path.stem]


@pytest.mark.parametrize("path", REPORTS, ids=names)
def test_sentences_and_rules_hold_in_every_weakness(path: Path) -> None:
    for evaluation in gathered(path.stem, path.read_bytes()).evaluations(complete=False):
        for weakness in evaluation.weaknesses:
            assert weakness.rule.startswith(f"{evaluation.check}.")
            assert all((weakness.title.zh, weakness.reason.zh, weakness.reason.en, weakness.mend.zh, weakness.mend.en))
            assert "报告" in weakness.reason.zh


def test_a_secret_in_a_report_is_not_kept() -> None:
    kept = list(gathered("trivy", BY_NAME["trivy"].read_bytes()).evaluations(complete=False))
    assert "MUST-NOT-BE-KEPT" not in repr(kept)


# --- identity: the report of tomorrow, with other severities, wordings and versions


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        (
            "nuclei",
            {"medium": "high", "Git configuration exposed": "Repository found", "x=1": "x=22", "/20261/": "/9/"},
        ),
        ("nmap", {"9.2": "9.9", "Redis": "Valkey", "7.0.15": "8.1", "web.health": "alias.health"}),
        ("zap", {'"riskcode": "3"': '"riskcode": "1"', "news/17": "news/18888", "Cross Site": "X", "cript%3E": "%3E"}),
        (
            "sarif",
            {'"7.5"': '"9.9"', "Directory listing": "Index", '"startLine": 40': '"startLine": 41', "old/3": "old/4"},
        ),
        ("trivy", {"1.0-1": "1.0-2", "debian 12.5": "debian 12.9", "HIGH": "LOW", "overflow": "crash"}),
        (
            "wazuh",
            {'"level":10': '"level":12', "1.0-1": "1.1-1", "brute force": "many tries", "203.0.113.20": "203.0.113.1"},
        ),
        ("defectdojo", {"Critical": "Low", "SQL injection": "SQLi", "v2.1": "v2.2", "search/7?q=1": "search/8?q=2"}),
        (
            "openscap",
            {'severity="high"': 'severity="low"', "Disable root": "No root", "Login yes": "Login without-password"},
        ),
        ("alertmanager", {'"critical"': '"warning"', "The portal is down": "Down again", "blackbox": "probe"}),
    ],
)
def test_what_changes_while_the_problem_stays_makes_no_other_finding(name: str, changes: dict[str, str]) -> None:
    before = BY_NAME[name].read_text("utf-8")
    after = before
    for old, new in changes.items():
        assert old in after
        after = after.replace(old, new)
    assert identities(name, after) == identities(name, before)


def identities(name: str, report: str) -> set[tuple[Any, ...]]:
    return {
        (one.asset, one.check, each.weakness_class, each.rule, each.locator)
        for one in gathered(name, report.encode()).evaluations(complete=False)
        for each in one.weaknesses
    }


# --- what is broken is located, whatever it is


@pytest.mark.parametrize("path", REPORTS, ids=names)
def test_a_report_cut_anywhere_is_located_or_whole_lines(path: Path) -> None:
    body = path.read_bytes().rstrip()
    for length in range(1, len(body), 37):
        try:
            gathered(path.stem, body[:length])
        except Misread as error:
            assert error.line >= 1 or str(error)
        else:
            assert path.suffix == ".jsonl" and (body[length : length + 1] == b"\n" or body[:length].endswith(b"\n"))


@pytest.mark.parametrize("path", [path for path in REPORTS if path.suffix != ".xml"], ids=names)
def test_any_value_of_another_kind_is_read_or_located(path: Path) -> None:
    """Each node of the report replaced by each of many values."""
    lines = path.suffix == ".jsonl"
    text = path.read_text("utf-8")
    documents = [json.loads(line) for line in text.splitlines() if line] if lines else [json.loads(text)]
    for number, document in enumerate(documents):
        for place in places(document):
            for value in random.Random(repr(place)).sample(EMPTY, 4):
                changed = [*documents[:number], replaced(document, place, value), *documents[number + 1 :]]
                try:
                    gathered(path.stem, "\n".join(map(json.dumps, changed)).encode())
                except Misread as error:
                    assert error.text.zh != error.text.en


def places(value: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if here:
        yield here
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*here, key))


def replaced(document: Any, place: tuple[Any, ...], value: Any) -> Any:
    changed = deepcopy(document)
    within = changed
    for key in place[:-1]:
        within = within[key]
    within[place[-1]] = value
    return changed


@pytest.mark.parametrize("path", [path for path in REPORTS if path.suffix == ".xml"], ids=names)
def test_damaged_xml_is_read_or_located(path: Path) -> None:
    body, chance = path.read_bytes(), random.Random(7)
    for _ in range(300):
        start = chance.randrange(len(body))
        damaged = body[:start] + chance.choice([b"", b"<", b'"', b"\0", b"\xff", b"9" * 5000]) + body[start + 3 :]
        try:
            gathered(path.stem, damaged)
        except Misread as error:
            assert error.text.zh != error.text.en


class Endless(io.RawIOBase):
    """A gigabyte that is nowhere: a head, then one letter for ever. Remembers how much was asked for."""

    def __init__(self, head: bytes) -> None:
        self.head = head
        self.left = 1 << 30
        self.given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = min(len(buffer), self.left, 1 << 20)
        part = self.head[:size] or b"a" * size
        self.head = self.head[size:]
        buffer[: len(part)] = part
        self.left -= len(part)
        self.given += len(part)
        return len(part)


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("nuclei", b'{"template-id":"'),
        ("wazuh", b""),
        ("sarif", b'{"runs":"'),
        ("nmap", b"<nmaprun><host><status state='"),
        ("nmap", b"<nmaprun><!-- "),
        ("openscap", b"<Benchmark><title>"),
    ],
)
def test_a_gigabyte_in_one_line_is_left_after_a_little(name: str, head: bytes) -> None:
    source = Endless(head)
    with pytest.raises(Misread):
        list(all_importers()[name].read(io.BufferedReader(source, 1 << 16)))
    assert source.given < 80 << 20


BOMB = (
    b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><nmaprun><host>&b;</host></nmaprun>'
)
OUTSIDE = b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/hostname">]><nmaprun><host>&f;</host></nmaprun>'


@pytest.mark.parametrize(
    ("name", "report", "line", "sentence"),
    [
        ("nuclei", b'{"template-id":"a"}\n\n{"template-id"', 3, "not valid JSON; it may be cut short"),
        ("nuclei", b'[1]\n', 1, "a JSON object is expected"),
        ("nuclei", b'{"matched-at":"a","info":{}}\n', 1, "template-id / templateID is missing"),
        ("nuclei", '{"template-id":"a"}\n'.encode("utf-16"), 1, "not UTF-8; it looks like UTF-16"),
        ("nuclei", b'{"template-id":"ok"}\n{"template-id":"\xff"}\n', 2, "not UTF-8"),
        ("nuclei", b'{"template-id":"ok"}\n{"a\0b":1}\n', 2, "not valid JSON; it may be cut short"),
        ("nuclei", b'{"template-id":"ok"}\n{"template-id":"\\ud800"}\n', 2, "a \\u escape is half a character"),
        ("nuclei", b'{"template-id":"ok"}\n{"template-id":"\\udc00"}\n', 2, "a \\u escape is half a character"),
        ("nuclei", b'{"template-id":"a"}\n{"template-id":"b","template-id":"c"}\n', 2,
         'the key "template-id" is twice in one object'),
        ("sarif", b'{"version":"2.1.0","runs":[],\n "a":{"b":"x\\":","b" :1}}', 2, 'the key "b" is twice in one object'),
        ("sarif", b'{"version":"2.1.0",\n"runs":1e999}', 2, "a number is too large"),
        ("sarif", b'{"a":"\\":","b":' + b'{"b":' * 1100 + b"1" + b"}" * 1101, 1, "nested too deeply to be read"),
        ("sarif", b"[" * 2_000_000, 1, "nested too deeply to be read"),
        ("sarif", b'{"version":"2.0.0"}', 0, "SARIF 2.1.0 is understood, not '2.0.0'"),
        ("sarif", b'{"version":"2.1.0",\n"runs":[{"tool":{"driver":{}}}]}', 0, "runs[0]: name is missing"),
        ("zap", b'{"site":[{"@name":"https://a","alerts":[{"pluginid":"1","riskcode":"9","instances":[{}]}]}]}', 0,
         "site[0].alerts[0]: riskcode should be 0 to 3, not '9'"),
        ("nmap", b"<nmaprun>\n<host></nmaprun>", 2, "not well-formed XML; it may be cut short"),
        ("nmap", BOMB, 1, "the XML defines entities of its own and is not read"),
        ("nmap", OUTSIDE, 1, "the XML defines entities of its own and is not read"),
        ("nmap", b"<a>" * 5000, 1, "elements are nested deeper than 200"),
        ("nmap", b'<?xml version="1.0" encoding="x-none"?><nmaprun/>', 1, "the encoding of the XML cannot be read"),
        ("openscap", b'<T><rule-result idref="a"><result>maybe</result></rule-result></T>', 0,
         "rule-result[1]: no valid result ('maybe'), or no idref"),
        ("alertmanager", b'{"version":"3"}', 0, "version 4 is understood, not '3'"),
    ],
)  # fmt: skip
def test_each_mistake_is_located_and_said(name: str, report: bytes, line: int, sentence: str) -> None:
    with pytest.raises(Misread) as caught:
        gathered(name, report)
    assert (caught.value.line, caught.value.text.en) == (line, sentence)
    assert any("\u4e00" <= letter <= "\u9fff" for letter in caught.value.text.zh)


# --- what attackers use


@pytest.mark.parametrize(
    ("name", "report", "exploited"),
    [
        ("nuclei", '{"template-id":"a","matched-at":"%s","info":{"tags":"cve,KEV, rce"}}', True),
        ("nuclei", '{"template-id":"a","matched-at":"%s","info":{"tags":["cve","vkev"]}}', True),
        ("nuclei", '{"template-id":"a","matched-at":"%s","info":{"tags":["kevin"]}}', False),
        ("nuclei", '{"template-id":"a","matched-at":"%s","info":{}}', False),
        (
            "defectdojo",
            '{"findings":[{"title":"t","severity":"High","known_exploited":true,"endpoints":["%s"]}]}',
            True,
        ),
        ("defectdojo", '{"findings":[{"title":"t","severity":"High","endpoints":["%s"]}]}', False),
    ],
)
def test_a_tool_may_know_that_attackers_use_it(name: str, report: str, exploited: bool) -> None:
    (evaluation,) = gathered(name, (report % "https://health.city.example/").encode() + b"\n").evaluations(
        complete=False
    )
    assert [weakness.exploited for weakness in evaluation.weaknesses] == [exploited]
