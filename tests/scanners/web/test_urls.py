"""References become addresses as in a browser, and whatever a page writes is an address or nothing."""

from urllib.parse import urljoin

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scanners.web.crawl.avoidance import changes_things, ends_session
from scanners.web.crawl.clusters import cluster_of, is_trap, key_of
from scanners.web.crawl.frontier import Frontier
from scanners.web.crawl.lead import Lead, Reading, Source
from scanners.web.crawl.plan import CrawlPlan
from scanners.web.urls import request_target_of, resolve, target_of

BASE = "http://site.test/a/b/c.html?x=1"


@pytest.mark.parametrize(
    ("reference", "url"),
    [
        ("d", "http://site.test/a/b/d"),
        ("../d?y#f", "http://site.test/a/d?y"),
        ("?y=2", "http://site.test/a/b/c.html?y=2"),
        ("", BASE),
        ("#f", BASE),
        ("//other.test:80/x", "http://other.test/x"),
        ("https://SITE.test:443", "https://site.test/"),
        ("http:/one/slash", "http://one/slash"),
        ("\\back\\slash?a\\b", "http://site.test/back/slash?a\\b"),
        ("a b?c d", "http://site.test/a/b/a%20b?c%20d"),
        ("100%/x?y=5%", "http://site.test/a/b/100%25/x?y=5%25"),
        ("%7e/%2e%2e/x", "http://site.test/a/b/x"),
        ("/../../x/./y/..", "http://site.test/x/"),
        ("http://例子.测试/", "http://xn--fsqu00a.xn--0zwm56d/"),
        ("http://[::1]:8080/x", "http://[::1]:8080/x"),
        ("/a\n b", "http://site.test/a%20b"),
        ("javascript:alert(1)", ""),
        ("mailto:a@b", ""),
        ("data:text/html,x", ""),
        ("http://", ""),
        ("http://a b/", ""),
        ("http://[::1", ""),
        ("http://site.test:99999/", ""),
        ("http://user:secret@site.test/x", "http://site.test/x"),
        ("/" + "x" * 5000, ""),
    ],
)
def test_as_browsers_do(reference: str, url: str) -> None:
    assert resolve(BASE, reference) == url


def test_the_query_is_written_in_the_characters_of_the_page() -> None:
    assert resolve(BASE, "/中?q=中", "gbk") == "http://site.test/%E4%B8%AD?q=%D6%D0"


PIECES = [*"abc/.?&=#%:;@[]\\ \t中é{}|^`'\"<>", "../", "//", "http:", "%2e", "\ud800"]


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
@example("http://[v1.x]/")
@example("//a:b")
@example("http://\u2100/")
@example("http://a%00b/")
def test_anything_written_is_an_address_or_nothing(written: str) -> None:
    for charset in ("utf-8", "gbk"):
        url = resolve(BASE, written, charset)
        if not url:
            continue
        assert url.isascii() and not set(url) & set(" \r\n\t#")
        assert resolve(url, url) == url, "an address stays the address that it is"
        target = target_of(url)
        assert url == f"{target}{request_target_of(url)}"
        lead = Lead(url, Source.LINK)
        for judge in (key_of, cluster_of, is_trap, ends_session, changes_things):
            judge(lead)
        frontier = Frontier(CrawlPlan((BASE,)))
        frontier.take(Lead(BASE, Source.SEED), Reading(200, "html", leads=(lead,)))
        while frontier.next():
            pass


@given(st.lists(st.sampled_from(["a", "b", "..", ".", "x.html"]), max_size=6).map("/".join))
def test_dots_go_as_the_standard_says(path: str) -> None:
    if not path.startswith("//"):
        expected = urljoin("http://site.test/d/", path) if path else "http://site.test/d/"
        assert resolve("http://site.test/d/", path) == expected
