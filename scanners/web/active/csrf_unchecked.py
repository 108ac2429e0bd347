"""Tokens against request forgery that nobody looks at."""

import re
from collections.abc import Generator
from dataclasses import replace
from urllib.parse import parse_qsl, urlencode

from scanners.web.message import Request
from scanners.web.passive.csrf_token import CSRF_TOKEN
from scanners.web.points import content_type_of, with_length
from scanners.web.probing.check import PageCheck
from scanners.web.probing.difference import Words, telling, words_of
from scanners.web.probing.page import Page
from scanners.web.probing.page_forms import Field, forms_in
from scanners.web.probing.trial import Ask, Effect, Hits, Listen, Probing, Purpose, Trial
from scanners.web.probing.weakness import Verdict, WebClass
from secops.model.finding import Severity
from secops.model.text import Text

_REFUSED = re.compile(
    r"refused|denied|invalid|expired|forbidden|error|captcha|失败|错误|无效|过期|拒绝|验证码", re.IGNORECASE
)
_ROUNDS = 2


class CsrfUnchecked(PageCheck):
    """Sends a form with its token and with a wrong one, in turns. Intrusive: the form does what it does each time."""

    name = "csrf-unchecked"
    title = Text("防跨站请求伪造令牌未被校验", "tokens against request forgery are not checked")
    weakness = WebClass.CSRF
    severity = Severity.MEDIUM
    cwe = 352
    clauses = ("8.1.4.4 d",)
    mend = CSRF_TOKEN.mend

    def fits(self, request: Request, page: Page) -> bool:
        """Plain forms."""
        return (
            request.method == "POST"
            and "urlencoded" in content_type_of(request.headers)
            and b"passw" not in request.body
        )

    def probe(self, page: Page, trial: Trial) -> Probing:
        """The form is looked for in the pages that lead there."""
        right: list[Words] = []
        wrong: list[Words] = []
        name = ""
        for _ in range(_ROUNDS):
            token = yield from _token(page.request, trial)
            if not token:
                return None
            name = token.name
            for value, answers in ((token.value, right), (token.value[::-1] + "x", wrong)):
                sent = _sent(page.request, name, value)
                answer = yield from trial.ask(sent, Purpose.ATTACK, Effect.WRITE)
                if answer.answer.failure or answer.status >= 400 or _REFUSED.search(answer.text):
                    return None
                answers.append(words_of(answer))
        if telling(right, wrong):
            return None
        because = Text(
            f"字段 {name} 换成错误的令牌后,请求仍被接受(两轮一致)",
            f"with a wrong token in {name} the request is accepted all the same, twice",
        )
        return Verdict(because, {"field": name}, rule="accepted")


def _token(request: Request, trial: Trial) -> Generator[Ask | Listen, Page | Hits, Field | None]:
    for view in trial.views[:3]:
        seen = yield from trial.ask(view, Purpose.LOOK)
        for form in forms_in(seen.text, view.target):
            if form.method == "POST" and form.path == request.target and form.token:
                return form.token
    return None


def _sent(request: Request, name: str, value: str) -> Request:
    fields = [pair for pair in parse_qsl(request.body.decode("latin-1"), True, encoding="latin-1") if pair[0] != name]
    body = urlencode([*fields, (name, value)], encoding="latin-1").encode()
    return with_length(replace(request, body=body))


CSRF_UNCHECKED = CsrfUnchecked()
