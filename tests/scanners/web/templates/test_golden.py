"""Our own small templates, one file for each thing that templates can do, with answers and the verdicts they must get."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from scanners.web.message import Response
from scanners.web.templates.out_of_band import Interaction, Listen
from scanners.web.templates.plan import Send
from scanners.web.templates.site import site_of
from tests.scanners.web.templates.answering import Listener, Played, play, response, template_of

FILES = sorted((Path(__file__).parent / "golden").glob("*.yaml"))
CASES = [
    pytest.param(golden["template"], case, id=f"{file.stem}: {case['name']}")
    for file in FILES
    for golden in [yaml.safe_load(file.read_text("utf-8"))]
    for case in golden["cases"]
]


def test_there_are_golden_cases() -> None:
    assert len(FILES) >= 25 and len(CASES) >= 90


@pytest.mark.parametrize(("template", "case"), CASES)
def test_golden(template: str, case: dict[str, Any]) -> None:
    played = _played(template, case)
    found = [
        {
            "block": match.block,
            "names": list(match.names),
            "extracted": list(match.extracted),
            "payloads": dict(match.payloads),
            "url": match.page.url,
        }
        for match in played.outcome.matches
    ]
    expected = case["matches"]
    if isinstance(expected, int):
        assert len(found) == expected, found
    else:
        assert [{key: one[key] for key in want} for one, want in zip(found, expected, strict=True)] == expected
    if "sent" in case:
        assert played.lines == case["sent"]
    for key in ("bodies", "cookies", "follow"):
        if key in case:
            assert _of_requests(played, key) == case[key]
    if "unsent" in case:
        assert [one.because for one in played.outcome.unsent] == case["unsent"]
    if "settled" in case:
        assert played.outcome.settled_early == case["settled"]
    if "listened" in case:
        assert len(played.listened) == case["listened"]


def _of_requests(played: Played, key: str) -> list[Any]:
    if key == "bodies":
        return [one.request.body.decode() for one in played.sent]
    return [str(one.redirects.follow) if key == "follow" else getattr(one, key) for one in played.sent]


def _played(template: str, case: dict[str, Any]) -> Played:
    answers = list(case.get("answers", []))
    count = 0

    def answer(exchange: Send) -> Sequence[Response]:
        nonlocal count
        count += 1
        written = answers[count - 1] if count <= len(answers) else {"status": 404}
        if written == "none":
            return ()
        return [_response(one) for one in (written if isinstance(written, list) else [written])]

    def heard(listen: Listen) -> list[Interaction]:
        return [
            Interaction(
                listen.tokens[call.get("token", 0)],
                call["protocol"],
                call.get("request", "").encode(),
                b"",
                "192.0.2.9",
            )
            for call in case.get("calls", [])
        ]

    listener = None if case.get("listener") is False else Listener()
    site = site_of(case.get("url", "http://site.test"))
    return play(template_of(template), answer, site, listener=listener, heard=heard, given=case.get("given"))


def _response(written: dict[str, Any]) -> Response:
    body = written.get("body", "")
    encoded = bytes.fromhex(written["hex"]) if "hex" in written else body.encode(written.get("encoding", "utf-8"))
    headers = [(name, value) for pair in written.get("headers", []) for name, value in pair.items()]
    return response(
        written.get("status", 200), encoded, headers, written.get("seconds", 0.01), written.get("reason", "OK")
    )
