"""Accounts that still have the password they were delivered with."""

import json
import re
from collections.abc import Generator
from dataclasses import replace
from urllib.parse import parse_qsl, urlencode

from scanners.web.message import Request
from scanners.web.points import content_type_of, with_length
from scanners.web.probing.check import PageCheck
from scanners.web.probing.page import Page
from scanners.web.probing.trial import Ask, Effect, Hits, Listen, Probing, Purpose, Session, Trial
from scanners.web.probing.usual_logins import LOCKED, USUAL_LOGINS
from scanners.web.probing.weakness import Verdict, WebClass
from secops.model.finding import Severity
from secops.model.text import Text

_USER = re.compile(r"user|login|name|account|email|mobile|uid|账号|用户", re.IGNORECASE)
_PASSWORD = re.compile(r"passw|pwd|密码|口令", re.IGNORECASE)
_FAILED = re.compile(r"wrong|incorrect|invalid|fail|error|denied|错误|失败|不正确|不存在", re.IGNORECASE)


class DefaultLogin(PageCheck):
    """Tries a few well-known passwords; stops at the first sign of a lock."""

    name = "default-login"
    title = Text("默认账号口令可登录", "default passwords open the door")
    weakness = WebClass.AUTH
    severity = Severity.CRITICAL
    cwe = 1392
    clauses = ("8.1.4.2 b", "8.1.4.1 a")
    mend = Text(
        "修改默认口令,删除或改名默认账号,并启用双因素。",
        "Change default passwords, rename or remove default accounts, and ask for a second factor.",
    )

    def fits(self, request: Request, page: Page) -> bool:
        """Forms and JSON with one name and one password."""
        return request.method == "POST" and _names(request) is not None

    def probe(self, page: Page, trial: Trial) -> Probing:
        """One failure on purpose, to know what failing looks like."""
        failing = yield from _try(page.request, trial, trial.mark(), trial.mark())
        if failing.answer.failure or LOCKED.search(failing.text):
            return None
        for user, password in USUAL_LOGINS:
            seen = yield from _try(page.request, trial, user, password)
            if seen.answer.failure or seen.status in (403, 429) or LOCKED.search(seen.text):
                return None
            if not succeeded(seen, failing):
                continue
            control = yield from _try(page.request, trial, trial.mark(), trial.mark(), Purpose.CONTROL)
            again = yield from _try(page.request, trial, user, password, Purpose.AGAIN)
            if succeeded(again, control) and not succeeded(control, failing):
                because = Text(
                    f"账号 {user} 使用默认口令登录成功(两次),随机口令则失败",
                    f"the account {user} opens with its default password, twice; random ones do not",
                )
                return Verdict(because, {"user": user, "password": f"{password[:2]}***"})
        return None


def _try(
    request: Request, trial: Trial, user: str, password: str, purpose: Purpose = Purpose.ATTACK
) -> Generator[Ask | Listen, Page | Hits, Page]:
    return trial.ask(_as(request, user, password), purpose, Effect.LOGIN, Session.NOBODY)


def succeeded(seen: Page, failing: Page) -> bool:
    """A cookie or a token that a failure does not give, or a way that a failure does not lead."""
    if seen.status >= 400 or (seen.status == 200 and _PASSWORD.search(seen.text) and "<input" in seen.text.lower()):
        return False
    gained = {_name(cookie) for cookie in seen.headers("set-cookie")} - {
        _name(c) for c in failing.headers("set-cookie")
    }
    led = seen.header("location").partition("?")[0] != failing.header("location").partition("?")[0]
    token = '"token"' in seen.text.lower().replace("access_", "") and '"token"' not in failing.text.lower()
    return bool(gained or led or token) and not _FAILED.search(seen.text)


def _name(cookie: str) -> str:
    return cookie.partition("=")[0].strip()


def _names(request: Request) -> tuple[str, str] | None:
    """The fields of name and password."""
    keys = list(_fields(request))
    users = [key for key in keys if _USER.search(key) and not _PASSWORD.search(key)]
    passwords = [key for key in keys if _PASSWORD.search(key)]
    return (users[0], passwords[0]) if len(passwords) == 1 and users else None


def _fields(request: Request) -> dict[str, str]:
    kind = content_type_of(request.headers).lower()
    if "json" in kind:
        try:
            read = json.loads(request.body)
        except ValueError:
            return {}
        return {key: str(value) for key, value in read.items()} if isinstance(read, dict) else {}
    return dict(parse_qsl(request.body.decode("latin-1"), True)) if "urlencoded" in kind else {}


def _as(request: Request, user: str, password: str) -> Request:
    names = _names(request)
    assert names
    fields = {**_fields(request), names[0]: user, names[1]: password}
    as_json = "json" in content_type_of(request.headers).lower()
    body = json.dumps(fields) if as_json else urlencode(fields)
    return with_length(replace(request, body=body.encode()))


DEFAULT_LOGIN = DefaultLogin()
