"""Reading templates: tolerant of how they are written, and never silent about what cannot be run."""

import pickle
import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanners.web.redirects import Follow
from scanners.web.templates.coverage import reason_text
from scanners.web.templates.features import FEATURES
from scanners.web.templates.model import Refused, Severity, Template
from scanners.web.templates.plain_yaml import NotYaml, read_plain
from scanners.web.templates.reading import read_template
from tests.scanners.web.templates.answering import read, template_of

GOOD = """\
id: good
info:
  name: Good
  author: us, them
  severity: HIGH
  tags: CVE,cve2024,own
  reference:
    - https://example.test/1
  classification:
    cve-id: [CVE-2024-1, CVE-2024-2]
    cvss-score: 9.80
  metadata:
    vendor: acme
    verified: true
http:
  - method: GET
    path:
      - "{{BaseURL}}/x"
    matchers:
      - type: word
        words:
          - no
          - 1.10
          - on
      - type: status
        status: [200, "404"]
# digest: 4a0a0047304502
"""


def test_a_template_as_written() -> None:
    template = template_of(GOOD)
    info = template.info
    assert (info.severity, info.tags, info.authors) == (Severity.HIGH, ("cve", "cve2024", "own"), ("us", "them"))
    assert info.classification == {"cve-id": "CVE-2024-1,CVE-2024-2", "cvss-score": "9.80"}
    assert info.metadata == {"vendor": "acme", "verified": "true"}
    words, statuses = template.blocks[0].matchers
    assert words.values == ("no", "1.10", "on") and statuses.numbers == (200, 404)


def test_both_spellings_of_the_key_and_a_list_of_one() -> None:
    text = GOOD.replace("http:\n", "requests:\n").replace('path:\n      - "{{BaseURL}}/x"', 'path: "{{BaseURL}}/x"')
    assert template_of(text).blocks[0].paths == ("{{BaseURL}}/x",)


REDIRECTS = {
    "": (Follow.NOWHERE, 10),
    "redirects: true": (Follow.ANYWHERE, 10),
    "host-redirects: true\n    redirects: true": (Follow.SAME_HOST, 10),
    "redirects: true\n    max-redirects: 3": (Follow.ANYWHERE, 3),
    "redirects: true\n    max-redirects: 0": (Follow.ANYWHERE, 10),
}


@pytest.mark.parametrize(("written", "expected"), REDIRECTS.items())
def test_redirects(written: str, expected: tuple[Follow, int]) -> None:
    sending = template_of(GOOD.replace("    path:", f"    {written}\n    path:")).blocks[0].sending
    assert (sending.redirects.follow, sending.redirects.most) == expected


REFUSED = {
    "not-yaml": GOOD + "\n\t- x: [",
    "not-a-template": GOOD.replace("http:", "nothing:"),
    "self-contained": "self-contained: true\n" + GOOD,
    "workflow": GOOD + "workflows:\n  - template: x.yaml\n",
    "protocol": GOOD + "dns:\n  - name: x\n",
    "flow-script": "flow: 'for (let x of iterate(template.y)) { http(1) }'\n" + GOOD,
    "block-key": GOOD.replace("    path:", "    surprise: 1\n    path:"),
    "value": GOOD.replace("method: GET", "method: GET\n    max-size: many"),
    "fuzzing": GOOD.replace("    path:", "    fuzzing:\n      - part: query\n    path:"),
    "race": GOOD.replace("    path:", "    race: true\n    path:"),
    "digest-login": GOOD.replace("    path:", "    digest-username: x\n    path:"),
    "signature": GOOD + "signature: AWS\n",
    "global-matchers": GOOD.replace("    path:", "    global-matchers: true\n    path:"),
    "matcher-kind": GOOD.replace("type: status", "type: mood"),
    "matcher-offset": GOOD.replace("type: word", "type: word\n        offset: 3"),
    "extractor-kind": GOOD.replace("    matchers:", "    extractors:\n      - type: magic\n    matchers:"),
    "regex": GOOD.replace("type: word", "type: regex\n        regex: ['(?=x)']"),
    "expression": GOOD.replace("type: word", "type: dsl\n        dsl: ['contains(body']"),
    "helper": GOOD.replace("/x", "/{{public_ip()}}"),
    "json-query": GOOD.replace(
        "    matchers:", "    extractors:\n      - {type: json, json: ['.a | nope']}\n    matchers:"
    ),
    "xpath": GOOD.replace("type: word", "type: xpath\n        xpath: ['//a[']"),
    "binary": GOOD.replace("type: word", "type: binary\n        binary: ['xyz']"),
    "payload-file": GOOD.replace("    path:", "    payloads:\n      x: ../../etc/passwd\n    path:"),
    "payloads": GOOD.replace("    path:", "    payloads: [x]\n    path:"),
    "raw-request": GOOD.replace('path:\n      - "{{BaseURL}}/x"', 'raw:\n      - "GET"'),
    "fixed-host": GOOD.replace("{{BaseURL}}/x", "https://third.test/x"),
}
ELSEWHERE = {"too-large", "unreadable", "duplicate-id"}


@pytest.mark.parametrize(("feature", "text"), REFUSED.items())
def test_what_is_refused_and_why(feature: str, text: str) -> None:
    found = read(text, files={})
    assert isinstance(found, Refused)
    assert feature in {reason.feature for reason in found.reasons}
    if feature != "not-yaml":
        assert found.identity == "good"


def test_every_reason_has_a_case_and_a_sentence_in_both_languages() -> None:
    assert set(REFUSED) | ELSEWHERE == set(FEATURES)
    for feature in FEATURES:
        sentence = reason_text(feature)
        assert sentence.zh and sentence.en and re.search("[\u4e00-\u9fff]", sentence.zh)


def test_all_reasons_at_once_each_with_its_place() -> None:
    text = REFUSED["regex"].replace("type: status", "type: mood").replace("/x", "/{{public_ip()}}")
    found = read(text)
    assert isinstance(found, Refused)
    assert {(reason.feature, reason.where) for reason in found.reasons} == {
        ("regex", "http[0].matchers[0].regex"),
        ("matcher-kind", "http[0].matchers[1].type"),
        ("helper", "http[0].path[0]"),
    }


def test_files_that_are_no_templates_are_none() -> None:
    for text in ("", "- a\n- b\n", "just text", "key: value\n"):
        assert read(text) is None


def test_a_template_can_be_handed_to_another_process() -> None:
    copied = pickle.loads(pickle.dumps(template_of(GOOD)))
    assert copied.blocks[0].matchers[0].values == ("no", "1.10", "on") and copied.identity == "good"


def test_aliases_that_would_grow_without_end() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
    assert read(bomb) is None
    assert isinstance(read("id: x\ninfo: &i\n  name: x\nhttp: &h [*h]\n"), Refused)
    assert isinstance(read("id: x\ninfo: {}\nhttp: " + "[" * 5000), Refused)


@given(st.binary(max_size=300))
def test_any_bytes_are_yaml_or_not(content: bytes) -> None:
    with suppress(NotYaml):
        read_plain(content)


@given(st.integers(0, len(GOOD)), st.text(max_size=8))
def test_a_template_with_something_put_into_it_is_read_or_refused(place: int, added: str) -> None:
    text = GOOD[:place] + added + GOOD[place:]
    found = read_template(text.encode("utf-8", "replace"), "x.yaml", lambda name: b"word")
    assert found is None or isinstance(found, Template | Refused)
    if isinstance(found, Refused):
        assert found.reasons
