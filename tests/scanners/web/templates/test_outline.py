"""What is told of a template before it is run."""

import pytest

from scanners.web.templates.outline import methods_of, needs_listener, only_reads, request_count
from tests.scanners.web.templates.answering import block_template

MATCHER = "    matchers:\n      - {type: status, status: [200]}\n"
PATH = '    path: ["{{BaseURL}}/a", "{{BaseURL}}/b"]\n'
RAW = '    raw:\n      - "@once\\r\\npost /a HTTP/1.1\\r\\n\\r\\nx"\n      - "GET /b HTTP/1.1\\r\\n\\r\\n"\n'
PAYLOADS = "    attack: clusterbomb\n    payloads:\n      a: [x, y]\n      b: ['1', '2', '3']\n    headers: {X: '{{a}}{{b}}'}\n"

TOLD = {
    PATH: ({"GET"}, True, 2, False),
    "    method: HEAD\n" + PATH: ({"HEAD"}, True, 2, False),
    "    method: PUT\n" + PATH: ({"PUT"}, False, 2, False),
    '    body: "x"\n' + PATH: ({"GET"}, False, 2, False),
    RAW: ({"POST", "GET"}, False, 2, False),
    RAW + "    unsafe: true\n": ({"POST", "GET"}, False, 2, False),
    PATH + PAYLOADS: ({"GET"}, True, 12, False),
    '    path: ["{{BaseURL}}/{{interactsh-url}}"]\n': ({"GET"}, True, 1, True),
    PATH + '    headers: {X: "http://{{interactsh-url}}"}\n': ({"GET"}, True, 2, True),
}


@pytest.mark.parametrize(("block", "told"), TOLD.items())
def test_outlines(block: str, told: tuple[set[str], bool, int, bool]) -> None:
    template = block_template(block + MATCHER)
    found = (set(methods_of(template)), only_reads(template), request_count(template), needs_listener(template))
    assert found == told
