"""What is never touched, and which pages are the same page again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanners.web.crawl.avoidance import changes_things, ends_session
from scanners.web.crawl.clusters import cluster_of, is_trap, key_of, path_template
from scanners.web.crawl.lead import Lead, Source

SITE = "http://site.test"


def lead(place: str, text: str = "", body: bytes = b"", method: str = "GET") -> Lead:
    kind = (("Content-Type", "application/x-www-form-urlencoded"),) if body else ()
    return Lead(SITE + place, Source.LINK, method=method, headers=kind, body=body, text=text)


@pytest.mark.parametrize(
    "given",
    [
        lead("/logout"), lead("/user/logOut.do"), lead("/log-out"), lead("/a/sign_off?x=1"), lead("/index.php?m=user&a=logout"),
        lead("/x", "退出登录"), lead("/x", "安全退出"), lead("/x", "Sign out"), lead("/%E6%B3%A8%E9%94%80"), lead("/exit"),
        lead("/LogoutServlet"), lead("/user.do", body=b"a=1&action=logout", method="POST"), lead("/accounts/signout/"),
    ],
    ids=lambda one: f"{one.url[16:]} {one.text}",
)  # fmt: skip
def test_ends_the_session(given: Lead) -> None:
    assert ends_session(given)


@pytest.mark.parametrize(
    "given",
    [
        lead("/delete?id=1"), lead("/user/12/remove"), lead("/x", "删除"), lead("/admin/shutdown"), lead("/x", "Delete this"),
        lead("/order", "立即支付"), lead("/users/5", method="DELETE"), lead("/deleteUser.do"), lead("/p", body=b"op=drop", method="POST"),
    ],
    ids=lambda one: f"{one.url[16:]} {one.text}",
)  # fmt: skip
def test_changes_things(given: Lead) -> None:
    assert changes_things(given)


@pytest.mark.parametrize(
    "given",
    [
        lead("/login"), lead("/blog/outlook"), lead("/signup"), lead("/catalog?out=1"), lead("/exits/list"), lead("/about", "关于我们"),
        lead("/formats"), lead("/information"), lead("/model/list"), lead("/x?q=dialogue"), lead("/logs"), lead("/news/delta"),
        lead("/login?next=/home"), lead("/search", "查询"), lead("/benchmark/cmdi-00/BenchmarkTest00006", body=b"x=1", method="POST"),
    ],
    ids=lambda one: one.url[16:],
)  # fmt: skip
def test_the_rest_is_asked(given: Lead) -> None:
    assert not ends_session(given)
    assert not changes_things(given)


SAME = [
    ("/news/1.html", "/news/22.html"),
    ("/d/2024-03-01/x", "/d/2023-12-31/x"),
    ("/u/123e4567-e89b-12d3-a456-426614174000", "/u/923e4567-e89b-12d3-a456-426614174fff"),
    ("/f/0123456789abcdef", "/f/fedcba98765432101234"),
    ("/l?page=1&sort=name", "/l?sort=name&page=2"),
    ("/s?q=a+b", "/s?q=c%20d+e"),
]
DIFFERENT = [("/a", "/b"), ("/l?do=list", "/l?do=edit"), ("/l?a=1", "/l?b=1"), ("/news/1.html", "/news/1.php")]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_same_cluster(one: str, other: str) -> None:
    assert cluster_of(lead(one)) == cluster_of(lead(other))
    assert key_of(lead(one)) != key_of(lead(other))


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_other_cluster(one: str, other: str) -> None:
    assert cluster_of(lead(one)) != cluster_of(lead(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/a;jsessionid=AB12", "/a;jsessionid=CD34"),
        ("/a?PHPSESSID=0123456789ab&x=1", "/a?x=1&PHPSESSID=ba9876543210"),
        ("/a?_=1700000000000", "/a?_=1700000000001"),
    ],
)
def test_same_request(one: str, other: str) -> None:
    assert key_of(lead(one)) == key_of(lead(other))


def test_a_token_makes_no_new_form() -> None:
    forms = [lead("/save", body=b"csrf=" + token + b"&name=x", method="POST") for token in (b"aaaaaaaa1", b"bbbbbbbb2")]
    assert key_of(forms[0]) == key_of(forms[1])
    others = [lead("/save", body=b"action=" + word, method="POST") for word in (b"edit", b"list")]
    assert key_of(others[0]) != key_of(others[1])


def test_traps() -> None:
    assert is_trap(lead("/a/b/a/b/a/b/"))
    assert is_trap(lead("/x" * 20))
    assert is_trap(lead("/x?" + "&".join(f"p{n}=1" for n in range(80))))
    assert not is_trap(lead("/gov/2024/03/news/list/index.html?page=2"))


@given(st.text(max_size=40))
def test_any_path_has_a_template(path: str) -> None:
    assert path_template(path_template(path)) == path_template(path) or "%" in path_template(path)
