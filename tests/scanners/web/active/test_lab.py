"""Flaws of the vulnerable applications are found, and nothing is found in their fixed twins: a fast selection.

`make bench-web-accuracy` tries all of them.
"""

import asyncio
from collections import Counter

import pytest

from tests.lab.vulnerable.lab import Flaw, Lab, manifest
from tests.lab.vulnerable.trying import Tried, Trying

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("vulnerable")]
FLAWS = {flaw.name: flaw for flaw in manifest()}
BLIND = ("flask/cmdi/blind-oob", "flask/sqli/time-number", "flask/deserialization/pickle-blind", "php/xxe/oob")
"""One of each kind; they take their time."""
_SLOW = ("blind", "time", "oob", "jitter", "deserialization", "sqli/header")
_MOST_OF_A_CLASS = 5


def _quick() -> list[Flaw]:
    """Scripts in every context, a few of each other class, one of each blind kind."""
    taken: Counter[str] = Counter()
    chosen = []
    for flaw in FLAWS.values():
        quick = not any(word in flaw.path for word in _SLOW)
        if flaw.name in BLIND or (quick and (flaw.weakness == "xss" or taken[flaw.weakness] < _MOST_OF_A_CLASS)):
            chosen.append(flaw)
            taken[flaw.weakness] += 1
    return chosen


QUICK = _quick()
CHECKS_OF = {
    "xss": "reflected-xss,stored-xss",
    "sqli": "sql-error,sql-boolean,sql-time",
    "cmdi": "command-injection",
    "codeinj": "code-injection",
    "ssti": "template-injection",
    "pathtraver": "path-traversal",
    "redirect": "open-redirect",
    "ssrf": "ssrf",
    "xxe": "xml-entities,xml-in-fields",
    "crlf": "crlf-injection",
    "xpathi": "xpath-injection",
    "ldapi": "ldap-injection",
    "deserialization": "deserialization",
    "upload": "file-upload",
    "idor": "object-reference",
    "none": "object-reference",
}


def tried(lab: Lab, flaw: Flaw) -> list[Tried]:
    async def run() -> list[Tried]:
        async with Trying(lab, CHECKS_OF.get(flaw.weakness, "")) as trying:
            return [await trying.try_one(flaw, flawed) for flawed in (True, False)]

    return asyncio.run(run())


@pytest.mark.parametrize("flaw", QUICK, ids=[flaw.name for flaw in QUICK])
def test_a_flaw_is_found_and_its_twin_is_clean(flaw: Flaw, lab: Lab) -> None:
    if flaw.app not in lab.ports:
        pytest.skip(f"{flaw.app} is not installed")
    flawed, fixed = tried(lab, flaw)
    assert flawed.right, f"not found; {flawed.sent} requests, {flawed.failures}"
    assert not flawed.wrong and not fixed.wrong, (flawed.because, fixed.because)


def test_the_manifest_names_each_flaw_once_and_every_class_has_one() -> None:
    flaws = manifest()
    assert len(flaws) == len(FLAWS)
    classes = {flaw.weakness for flaw in flaws}
    assert {"xss", "sqli", "cmdi", "codeinj", "ssti", "pathtraver", "redirect", "xxe", "ssrf"} <= classes
    assert {"crlf", "xpathi", "ldapi", "deserialization", "upload", "securecookie", "headers"} <= classes
    assert {"cors", "csrf", "auth", "idor", "exposure", "cache", "mixed"} <= classes
