"""The ways to log in, each as the requests that it takes."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlencode

from scanners.pages.parsing import parsed
from scanners.web.browser.login_steps import Walked, walk
from scanners.web.browser.rendering import Browser
from scanners.web.charset import charset_of, text_of
from scanners.web.cookies import CookieJar
from scanners.web.crawl.forms import filled_form
from scanners.web.message import Answer, Headers, Request, Response, Target
from scanners.web.redirects import NONE, Follow, Redirects
from scanners.web.sessions.cookie_file import read_cookies
from scanners.web.sessions.session_file import BrowserLogin, FormLogin, JsonLogin, RecordedStep, SessionFile
from scanners.web.urls import request_target_of, resolve, target_of, url_of
from secops.model.text import Text
from secops.support.errors import BadInput

FOLLOWING = Redirects(Follow.SAME_HOST, 10)
_CSRF_COOKIES = {"xsrf-token": "X-XSRF-TOKEN", "csrftoken": "X-CSRFToken", "csrf-token": "X-CSRF-Token"}
_CSRF_METAS = "meta[name=csrf-token], meta[name=_csrf], meta[name=csrf_token]"


class Sends(Protocol):
    """Sends requests inside the scope; the scanning client is one."""

    async def exchange(
        self, target: Target, request: Request, *, session: CookieJar | None = None, redirects: Redirects = NONE
    ) -> Answer:
        """The answer, or why there is none."""
        ...


class LoginImpossible(Exception):
    """There was nothing that could be sent; it does not count as a failed login, unless `counts`."""

    def __init__(self, text: Text, *, counts: bool = False) -> None:
        super().__init__(text.en)
        self.text = text
        self.counts = counts


class Login:
    """Logs one user in. After `begin` the jar and the headers hold the session, if the server granted one."""

    def __init__(
        self,
        sends: Sends,
        spec: SessionFile,
        jar: CookieJar,
        folder: Path,
        resolve_secret: Callable[[str], str],
        browser: Browser | None = None,
    ) -> None:
        self._sends = sends
        self._spec = spec
        self._jar = jar
        self._folder = folder
        self._secret = resolve_secret
        self._browser = browser
        self.headers: Headers = ()
        """What proves the session beside cookies."""
        self.storage: Any = None
        """What the site keeps in the browser that logged in."""

    @property
    def can_be_repeated(self) -> bool:
        """Tokens and cookies that a person brought cannot be renewed."""
        return self._spec.bearer is None and self._spec.cookies is None

    async def begin(self) -> None:
        """Send what it takes. Raises LoginImpossible, and BadInput for secrets and files that cannot be read."""
        spec = self._spec
        if spec.bearer:
            self.headers = ((spec.bearer.header, spec.bearer.prefix + self._secret(spec.bearer.token)),)
        elif spec.cookies:
            self._import(self._folder / spec.cookies.file)
        elif spec.form:
            await self._by_form(spec.form)
        elif spec.json:
            await self._by_json(spec.json)
        elif spec.browser:
            await self._by_browser(spec.browser)
        else:
            await self._by_steps(spec.steps)

    def _import(self, path: Path) -> None:
        target = target_of(self._spec.probe.url)
        fitting = [cookie for cookie in read_cookies(path) if cookie.is_for(target.host)]
        for cookie in fitting:
            self._jar.add(target, cookie.name, cookie.value, cookie.path)
        if not fitting:
            host = target.host
            raise BadInput(
                Text(f"Cookie 文件 {path} 中没有 {host} 的 Cookie", f"cookie file {path} has no cookie for {host}")
            )

    async def _by_form(self, form: FormLogin) -> None:
        page, response = await self._get(form.page)
        content_type = response.header("content-type")
        html, charset = text_of(response.body, content_type), charset_of(response.body, content_type)
        fields = {name: self._secret(value) for name, value in form.fields.items()}
        lead = filled_form(html, page, charset, fields)
        if lead is None:
            names = ", ".join(form.fields)
            raise LoginImpossible(
                Text(f"{form.page} 上没有含 {names} 的表单", f"there is no form with {names} on {form.page}")
            )
        if lead.target != target_of(page):
            raise LoginImpossible(
                Text(f"登录表单指向其他网站:{lead.url}", f"the login form leads to another site: {lead.url}")
            )
        headers = (*lead.headers, ("Referer", page), ("Origin", str(lead.target)))
        await self._send(lead.url, Request(lead.method, lead.request.target, headers, lead.body))

    async def _by_json(self, login: JsonLogin) -> None:
        headers = [("Content-Type", "application/json"), ("Accept", "application/json")]
        if login.page:
            page, response = await self._get(login.page)
            headers += [("Referer", page), *self._csrf(response)]
        headers += [(name, self._secret(value)) for name, value in login.headers.items()]
        body = json.dumps(self._revealed(login.body), ensure_ascii=False).encode()
        response = await self._send(login.url, Request("POST", request_target_of(login.url), tuple(headers), body))
        if login.token:
            token = _pointed_at(response.body, login.token)
            self.headers = (("Authorization", f"Bearer {token}"),) if token else ()

    async def _by_steps(self, steps: tuple[RecordedStep, ...]) -> None:
        taken: dict[str, str] = {}

        def filled(text: str) -> str:
            return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: taken.get(found[1], found[0]), self._secret(text))

        for step in steps:
            url = resolve(self._spec.probe.url, filled(step.url))
            if not url:
                raise LoginImpossible(Text(f"步骤的网址无效:{step.url}", f"no web address in a step: {step.url}"))
            headers = [(name, filled(value)) for name, value in step.headers.items()]
            body = filled(step.body).encode()
            if step.fields:
                headers.insert(0, ("Content-Type", "application/x-www-form-urlencoded"))
                body = urlencode({name: filled(value) for name, value in step.fields.items()}).encode()
            response = await self._send(url, Request(step.method, request_target_of(url), tuple(headers), body))
            said = response.raw_head.decode("latin-1") + text_of(response.body, response.header("content-type"))
            for name, pattern in step.take.items():
                found = re.search(pattern, said[:2_000_000])
                if not found:
                    raise LoginImpossible(
                        Text(f"{url} 的应答中没有 {name}", f"there is no {name} in the answer of {url}")
                    )
                taken[name] = found.group(1)

    async def _by_browser(self, login: BrowserLogin) -> None:
        if self._browser is None:
            raise LoginImpossible(Text("没有可用的浏览器", "there is no browser to log in with"))
        self._jar.clear()
        steps = [replace(step, value=self._secret(step.value)) if step.value else step for step in login.steps]
        walked = await walk(self._browser, self._spec.probe.url, steps, self._jar)
        if walked.trouble:
            raise LoginImpossible(walked.trouble, counts=walked.acted)
        self.storage = walked.storage
        self.headers = _proof(login, walked)

    async def _get(self, url: str) -> tuple[str, Response]:
        """The page, and where it was after redirects."""
        answer = await self._answer(url, Request("GET", request_target_of(url)))
        hop = answer.chain[-1]
        return url_of(hop.target, hop.request), hop.response

    async def _send(self, url: str, request: Request) -> Response:
        return (await self._answer(url, request)).chain[-1].response

    async def _answer(self, url: str, request: Request) -> Answer:
        answer = await self._sends.exchange(target_of(url), request, session=self._jar, redirects=FOLLOWING)
        if answer.failure or not answer.chain:
            why = answer.failure.detail if answer.failure else Text("没有应答", "there was no answer")
            raise LoginImpossible(Text(f"{url} 无法访问:{why.zh}", f"{url} cannot be reached: {why.en}"))
        return answer

    def _csrf(self, response: Response) -> list[tuple[str, str]]:
        """The token that frameworks leave in a cookie or in the head of a page, in the header that they read."""
        for cookie in self._jar.cookies():
            if header := _CSRF_COOKIES.get(cookie.name.lower()):
                return [(header, unquote(cookie.value))]
        meta = parsed(text_of(response.body, response.header("content-type"))).css_first(_CSRF_METAS)
        token = meta.attributes.get("content") if meta else ""
        return [("X-CSRF-Token", token)] if token else []

    def _revealed(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._revealed(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self._revealed(each) for each in value]
        return self._secret(value) if isinstance(value, str) else value


def _proof(login: BrowserLogin, walked: Walked) -> Headers:
    """The header that proves the session: of the token that the file tells, or as scripts of the site sent it."""
    if login.token is None:
        return (("Authorization", walked.authorization),) if walked.authorization else ()
    kept = walked.kept.get(login.token.key, "")
    token = _pointed_at(kept.encode(), login.token.pointer) if login.token.pointer else kept
    if not token:
        key = login.token.key
        raise LoginImpossible(
            Text(f"登录后浏览器中没有 {key}", f"there is no {key} in the browser after the login"), counts=walked.acted
        )
    return ((login.token.header, login.token.prefix + token),)


def _pointed_at(content: bytes, pointer: str) -> str:
    try:
        found: Any = json.loads(content)
        for step in pointer.strip("/").split("/"):
            step = step.replace("~1", "/").replace("~0", "~")
            found = found[int(step)] if isinstance(found, list) else found[step]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        return ""
    return found if isinstance(found, str) else ""
