"""Default passwords are tried so that no account is locked."""

import base64
from collections import Counter
from urllib.parse import parse_qs

import pytest

from scanners.safety import Safety
from scanners.web.message import Answer, Request
from scanners.web.probing.found import page_checks
from scanners.web.probing.page import Page
from tests.scanners.web.probing.performing import HTML, answered, performed, trial

FORM = (("Content-Type", "application/x-www-form-urlencoded"),)
LOGIN = Request("POST", "/login", FORM, b"username=li&password=x")
FIELDS = "<form><input name=username><input name=password type=password></form>"
NOBODY = ("nobody", "t-55-Kq!vv")
CHECKS = page_checks()


class Door:
    """A login that locks an account after some failures."""

    def __init__(self, locks_after: int, opens_for: tuple[str, str] = NOBODY) -> None:
        self.failures: Counter[str] = Counter()
        self._locks_after = locks_after
        self._opens_for = opens_for

    def answer(self, request: Request) -> Answer:
        fields = parse_qs(request.body.decode())
        user, password = fields["username"][0], fields["password"][0]
        if self.failures[user] >= self._locks_after:
            return answered(request, "账号已锁定")
        if (user, password) == self._opens_for:
            return answered(request, "", 302, (("Location", "/home"), ("Set-Cookie", "sid=1")))
        self.failures[user] += 1
        return answered(request, FIELDS + "用户名或密码错误")

    def basic(self, request: Request) -> Answer:
        given = dict(request.headers).get("Authorization", "Basic Og==").partition(" ")[2]
        user, _, password = base64.b64decode(given).decode().partition(":")
        if (user, password) == self._opens_for:
            return answered(request, "console")
        self.failures[user] += 1
        return answered(request, "", 401, (("WWW-Authenticate", "Basic realm=x"),))


def tried(door: Door, allowed: Safety = Safety.INTRUSIVE):
    page = Page(LOGIN, answered(LOGIN, FIELDS))
    return performed(CHECKS["default-login"].probe(page, trial()), door.answer, allowed=allowed)


@pytest.mark.parametrize("login", [("admin", "admin"), ("admin", "123456"), ("root", "root"), ("guest", "guest")])
def test_a_default_password_is_found(login: tuple[str, str]) -> None:
    done = tried(Door(3, login))
    assert done.verdict and done.verdict.evidence["user"] == login[0]
    assert done.verdict.evidence["password"] == f"{login[1][:2]}***"


@pytest.mark.parametrize("locks_after", [3, 5])
def test_no_account_is_locked(locks_after: int) -> None:
    door = Door(locks_after)
    assert tried(door).verdict is None
    assert max(door.failures.values()) < locks_after


def test_a_lock_ends_it_at_once() -> None:
    door = Door(1)
    assert tried(door).verdict is None
    assert door.failures["root"] == 0


def test_only_an_intrusive_scan_tries_passwords() -> None:
    door = Door(3, ("admin", "admin"))
    done = tried(door, Safety.NORMAL)
    assert done.sent == 0 and done.refused is Safety.INTRUSIVE and not door.failures


def test_basic_authentication() -> None:
    request = Request("GET", "/console")
    check = CHECKS["default-basic-login"]
    for opens_for in (("admin", "123456"), NOBODY):
        door = Door(3, opens_for)
        page = Page(request, door.basic(request))
        assert check.fits(request, page)
        done = performed(check.probe(page, trial()), door.basic)
        assert bool(done.verdict) is (opens_for != NOBODY)
        del door.failures[""]
        assert max(door.failures.values()) < 3


def test_a_page_that_welcomes_everybody_is_no_login() -> None:
    page = Page(LOGIN, answered(LOGIN, FIELDS))

    def welcomes(request: Request) -> Answer:
        return answered(request, "Welcome", headers=(*HTML, ("Set-Cookie", "sid=1")))

    assert performed(CHECKS["default-login"].probe(page, trial()), welcomes).verdict is None
