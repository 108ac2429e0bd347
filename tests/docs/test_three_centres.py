"""The page on three centres works, from bare hosts to a protected database, on hosts that nobody else made."""

import re
import shlex
from collections.abc import Mapping, Sequence

import pytest

from tests.docs.blocks import Block, blocks_of
from tests.lab.plain_hosts import Host, plain_hosts

PAGE = "docs/how-to/three-centres.md"
ADDRESSES = {"c1": "10.60.0.1", "c2": "10.60.0.2", "c3": "10.60.0.3"}
_EVERYWHERE = ("every host", "每台主机")
_ALONE = ("c3 alone", "只剩 c3")


def steps(page: str, *, alone: bool = False) -> list[tuple[tuple[str, ...], str]]:
    """On which hosts, and what is typed there; `alone`: when the city is lost."""
    found = [block for block in blocks_of(page) if block.language == "bash"]
    return [(hosts_of(block), block.text) for block in found if (block.title in _ALONE) is alone]


def hosts_of(block: Block) -> tuple[str, ...]:
    if block.title in _ALONE:
        return ("c3",)
    return tuple(ADDRESSES) if block.title in _EVERYWHERE else tuple(block.title.split())


def test_both_languages_tell_the_same() -> None:
    def bare(page: str) -> list[tuple[tuple[str, ...], str]]:
        return [
            (hosts, re.sub(r'--reason "[^"]*"', "", text)) for hosts, text in (*steps(page), *steps(page, alone=True))
        ]

    assert bare(PAGE) == bare(PAGE.replace(".md", ".zh.md"))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.xdist_group("three-centres")
def test_a_reader_gets_from_three_bare_hosts_to_a_protected_database() -> None:
    with plain_hosts(ADDRESSES) as hosts:
        follow(hosts, steps(PAGE))
        assert rows(hosts["c3"], ADDRESSES["c2"]) == "1"
        for lost in ("c1", "c2"):
            hosts[lost].end()
        follow(hosts, steps(PAGE, alone=True))
        assert rows(hosts["c3"], ADDRESSES["c3"]) == "1"


def follow(hosts: Mapping[str, Host], typed: Sequence[tuple[tuple[str, ...], str]]) -> None:
    """As a reader would, host by host."""
    for names, text in typed:
        for name in names:
            done = hosts[name].run(text)
            assert done.returncode == 0, f"{name}$ {text}\n{done.stdout}\n{done.stderr}\n{logs(hosts[name])}"


def rows(host: Host, entry: str) -> str:
    """What a client finds of what it wrote, through an entry."""
    where = f"host={entry} port=6432 user=app dbname=records connect_timeout=2"
    asked = host.run(f"PGPASSWORD=change-me-too psql -At {shlex.quote(where)} -c 'SELECT count(*) FROM trial'")
    return asked.stdout.strip() or asked.stderr


def logs(host: Host) -> str:
    """For who reads why it failed."""
    return host.run("tail -n 15 /var/log/*.log /var/lib/postgresql/15/*.log 2>/dev/null || true").stdout[-6000:]
