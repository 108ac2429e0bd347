"""Devices and consoles behind basic authentication that still have their first password."""

import base64
from collections.abc import Generator
from dataclasses import replace

from scanners.web.active.default_login import DEFAULT_LOGIN
from scanners.web.message import Request
from scanners.web.probing.check import PageCheck
from scanners.web.probing.page import Page
from scanners.web.probing.trial import Ask, Effect, Hits, Listen, Probing, Purpose, Session, Trial
from scanners.web.probing.usual_logins import LOCKED, USUAL_LOGINS
from scanners.web.probing.weakness import Verdict, WebClass
from secops.model.finding import Severity
from secops.model.text import Text


class DefaultBasicLogin(PageCheck):
    """Tries a few well-known passwords; stops at the first sign of a lock."""

    name = "default-basic-login"
    title = Text("默认账号口令可通过基本认证", "default passwords pass basic authentication")
    weakness = WebClass.AUTH
    severity = Severity.CRITICAL
    cwe = 1392
    clauses = ("8.1.4.2 b", "8.1.4.1 a")
    mend = DEFAULT_LOGIN.mend

    def fits(self, request: Request, page: Page) -> bool:
        """What asks for it."""
        return page.status == 401 and "basic" in page.header("www-authenticate").lower()

    def probe(self, page: Page, trial: Trial) -> Probing:
        """One request for each pair."""
        for user, password in USUAL_LOGINS:
            seen = yield from _try(page.request, trial, user, password)
            if seen.answer.failure or seen.status == 429 or LOCKED.search(seen.text):
                return None
            if not 200 <= seen.status < 400:
                continue
            control = yield from _try(page.request, trial, trial.mark(), trial.mark(), Purpose.CONTROL)
            again = yield from _try(page.request, trial, user, password, Purpose.AGAIN)
            if control.status == 401 and again.status == seen.status:
                because = Text(
                    f"账号 {user} 使用默认口令通过认证(两次),随机口令则被拒绝",
                    f"the account {user} passes with its default password, twice; random ones do not",
                )
                return Verdict(because, {"user": user, "password": f"{password[:2]}***"})
        return None


def _try(
    request: Request, trial: Trial, user: str, password: str, purpose: Purpose = Purpose.ATTACK
) -> Generator[Ask | Listen, Page | Hits, Page]:
    secret = base64.b64encode(f"{user}:{password}".encode()).decode()
    headers = tuple(pair for pair in request.headers if pair[0].lower() != "authorization")
    asked = replace(request, headers=(*headers, ("Authorization", f"Basic {secret}")))
    return trial.ask(asked, purpose, Effect.LOGIN, Session.NOBODY)


DEFAULT_BASIC_LOGIN = DefaultBasicLogin()
