"""Reading pages: what is external, what stays equal, what never fails."""

import asyncio
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scanners.check import Baseline
from scanners.observation import from_bytes, to_bytes
from scanners.pages.domains import registrable
from scanners.pages.likeness import likeness, sketch_of_sequence, sketch_of_text
from scanners.pages.page import read_page
from scanners.pages.tamper import PAGE_TAMPER
from scanners.reach import Reach
from secops.model.outcome import Outcome
from tests.hostile.servers import HEAD, answering, listening
from tests.scanners.reaching import QUICK, evaluate, guard, page

URL = "http://www.example.gov.cn/a/index.html"
ASSET = page(URL)


@pytest.mark.parametrize(
    "host, domain",
    [
        ("news.example.com", "example.com"),
        ("example.com", "example.com"),
        ("a.b.city.gov.cn", "city.gov.cn"),
        ("www.city.zj.cn", "city.zj.cn"),
        ("www.city.cn", "city.cn"),
        ("a.example.co.uk", "example.co.uk"),
        ("A.Example.COM.", "example.com"),
        ("10.1.2.3", "10.1.2.3"),
        ("[fd00::1]", "fd00::1"),
        ("localhost", "localhost"),
        ("", ""),
    ],
)
def test_registrable_domains(host: str, domain: str) -> None:
    assert registrable(host) == domain


@pytest.mark.parametrize(
    "reference, domain",
    [
        ("https://x.other.com/", "other.com"),
        ("//x.other.com", "other.com"),
        ("http:\\\\x.other.com\\y", "other.com"),
        ("ht\ntp://x.oth\ter.com/", "other.com"),
        ("  HTTPS://OTHER.com  ", "other.com"),
        ("http://www.example.gov.cn@other.com/", "other.com"),
        ("&#104;ttp://other&#46;com/", "other.com"),
        ("/inside", None),
        ("http://sub.example.gov.cn/", None),
        ("mailto:a@other.com", None),
        ("javascript:void(0)", None),
        ("#top", None),
        ("http://[bad", None),
        ("data:text/html,x", None),
    ],
)
def test_who_a_link_leads_to(reference: str, domain: str | None) -> None:
    found = [one.domain for one in read_page(URL, f'<a href="{reference}">x</a>').external]
    assert found == ([domain] if domain else [])


def test_a_base_moves_relative_links_elsewhere() -> None:
    found = read_page(URL, "<base href='http://other.com/'><a href='inside.html'>x</a>").external
    assert [one.domain for one in found] == ["other.com"]


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=400) | st.text(alphabet="<>/='\" adivstyle:{};!-", max_size=400))
@example("<style>{{{</style><a href=http://x.y style=':;'>")
@example("<meta http-equiv=refresh content=url=http://[>")
def test_anything_parses_and_a_page_is_itself(html: str) -> None:
    seen = read_page(URL, html)
    stored = to_bytes(PAGE_TAMPER, seen)
    again = from_bytes(PAGE_TAMPER, stored)
    assert again == seen
    assert list(PAGE_TAMPER.judge(ASSET, read_page(URL, html), Baseline(again, "li"))) == []


PARTS = [
    "<h1>示例市人民政府</h1>",
    "<nav class='top'><a href='/a/'>信息公开</a><a href='/b/'>办事服务</a></nav>",
    "<p>市政府召开常务会议,研究部署安全生产和防汛抗旱工作,要求各部门压实责任。</p>",
    "<p>办事大厅延时服务公告:每周六上午照常受理社保、不动产登记业务,请携带身份证件。</p>",
    "<ul style='display:none'><li><a href='https://www.partner.org.cn/'>合作网站</a></li></ul>",
    "<form action='/search' method='get'><input name='q'><input type='hidden' name='token' value='TOKEN'></form>",
    "<a href='https://www.gov.cn/'>中国政府网</a>",
    "<img src='https://img.partner.org.cn/a.png' alt='图'>",
    "<script>var visits = 1001; show(visits);</script>",
    "<script src='https://stat.partner.org.cn/c.js?v=12'></script>",
    "<p>您是第 1024 位访客 2026-11-22 08:00:00</p>",
]


def rendered(chance: random.Random) -> str:
    """The same page as another run of the same software would write it."""
    lines = [part.replace("TOKEN", f"{chance.getrandbits(128):x}") for part in PARTS]
    lines = [line.replace("1024", str(chance.randrange(10**6))).replace("08:00:00", "09:13:59") for line in lines]
    lines = [line.replace("visits = 1001", f"visits  =   {chance.randrange(10**6)}") for line in lines]
    if chance.random() < 0.5:
        lines = [line.replace("'", '"') for line in lines]
    if chance.random() < 0.5:
        lines = [f"<!-- built {chance.random()} -->{line}" for line in lines]
    if chance.random() < 0.3:
        lines[1], lines[2] = lines[2], lines[1]
    glue = chance.choice(["", "\n", "\r\n   ", "\t\n"])
    head = "<title>示例市  人民政府</title>" if chance.random() < 0.5 else "<title>\n示例市 人民政府\n</title>"
    return f"<html><head><meta charset=utf-8>{head}</head><body>{glue.join(lines)}</body></html>"


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_benign_noise_gives_nothing(one: int, other: int) -> None:
    before, now = read_page(URL, rendered(random.Random(one))), read_page(URL, rendered(random.Random(other)))
    assert list(PAGE_TAMPER.judge(ASSET, now, Baseline(before, "li"))) == []


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, len(PARTS)))
def test_a_hidden_block_is_found_wherever_it_is_put_among_noise(seed: int, at: int) -> None:
    chance = random.Random(seed)
    before = read_page(URL, rendered(chance))
    html = rendered(chance).split("</p>")
    html.insert(min(at, len(html) - 1), "<div style='overflow:hidden;height:0'><a href='//d.dark.com'>x</a></div>")
    rules = [
        (one.rule, one.locator)
        for one in PAGE_TAMPER.judge(ASSET, read_page(URL, "</p>".join(html)), Baseline(before, "li"))
    ]
    assert rules == [("page-tamper.hidden-link", ("dark.com",))]


@given(st.text(max_size=300), st.text(max_size=300))
def test_likeness_is_symmetric_and_bounded(one: str, other: str) -> None:
    first, second = sketch_of_text(one), sketch_of_text(other)
    assert likeness(first, first) == 1.0
    assert 0.0 <= likeness(first, second) == likeness(second, first) <= 1.0


def test_likeness_follows_the_share_of_common_text() -> None:
    chance = random.Random(5)
    words = ["".join(chance.choices("甲乙丙丁戊己庚辛壬癸子丑寅卯辰巳", k=8)) for _ in range(400)]
    whole, half = " ".join(words[:200]), " ".join(words[100:300])
    assert 0.2 < likeness(sketch_of_text(whole), sketch_of_text(half)) < 0.5
    assert likeness(sketch_of_text(whole), sketch_of_text(" ".join(words[200:]))) < 0.1
    assert likeness(sketch_of_sequence(["a", "b", "c"]), sketch_of_sequence([])) == 0.0


@pytest.mark.parametrize(
    "raw, outcome",
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", Outcome.UNREACHABLE),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", Outcome.UNREACHABLE),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", Outcome.BLOCKED),
        (HEAD + "\r\n<title>网站防火墙</title>您的访问被拦截".encode(), Outcome.BLOCKED),
        (HEAD + b"\r\n<title>captcha</title>" + b"<p>own page</p>" * 2000, Outcome.FOUND),
    ],
    ids=["not there", "down", "forbidden", "firewall", "long page with a firewall's title"],
)
def test_what_is_not_the_page_is_never_a_change(raw: bytes, outcome: Outcome) -> None:
    """And a long page with a firewall's title is judged: an intruder could write that title."""
    baseline = to_bytes(PAGE_TAMPER, read_page(URL, rendered(random.Random(1))))

    async def work() -> None:
        async with listening(answering(raw)) as server, Reach(guard(), patience=QUICK) as reach:
            (ended,) = await evaluate(PAGE_TAMPER, page(server.url), reach, baselines=lambda *which: (baseline, "li"))
            assert ended.outcome is outcome, ended.reason

    asyncio.run(work())
