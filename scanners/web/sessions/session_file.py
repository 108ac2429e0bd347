"""The session file: who logs in, how, and what proves that it worked."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from scanners.web.urls import resolve
from secops.model.text import Text
from secops.support.misfits import BadValue
from secops.support.strict_yaml import BadFile, read

_STRICT = {"extra": "forbid", "use_attribute_docstrings": True}
_WAYS = ("form", "json", "bearer", "cookies", "steps", "browser")
_VERBS = ("goto", "fill", "choose", "click", "press", "wait", "until")
_WITH_VALUE = ("fill", "choose")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def _url(written: str) -> str:
    if not resolve(written, written):
        raise BadValue(Text(f"“{written}”不是网址", f"“{written}” is not a web address like https://host/path"))
    return written


def _header(written: str) -> str:
    if not _TOKEN.fullmatch(written):
        raise BadValue(Text(f"“{written}”不能作为请求头名称", f"“{written}” cannot be the name of a header"))
    return written


def _pattern(written: str) -> str:
    try:
        groups = re.compile(written).groups
    except re.error as error:
        raise BadValue(Text(f"正则表达式有误:{error}", f"the pattern is wrong: {error}")) from None
    if groups != 1:
        raise BadValue(Text("正则表达式须有且只有一个括号组", "the pattern needs exactly one group in parentheses"))
    return written


Url = Annotated[str, AfterValidator(_url)]
HeaderName = Annotated[str, AfterValidator(_header)]
Headers = dict[HeaderName, str]


@dataclass(frozen=True, slots=True)
class FormLogin:
    """A form on a page; its hidden fields are read afresh at each login."""

    __pydantic_config__ = _STRICT
    page: Url
    """Where the form is."""
    fields: Annotated[dict[str, str], Field(min_length=1)]
    """What is written in its fields."""


@dataclass(frozen=True, slots=True)
class JsonLogin:
    """A call with a JSON body."""

    __pydantic_config__ = _STRICT
    url: Url
    body: Annotated[dict[str, Any], Field(min_length=1)]
    page: Annotated[str, AfterValidator(lambda written: _url(written) if written else "")] = ""
    """Asked first, for its cookies and its CSRF token."""
    headers: Headers = field(default_factory=dict)
    token: str = ""
    """JSON pointer to a token in the answer, sent as bearer from then on; empty: the session is a cookie."""


@dataclass(frozen=True, slots=True)
class Bearer:
    """A token that somebody gave us."""

    __pydantic_config__ = _STRICT
    token: Annotated[str, Field(min_length=1)]
    header: HeaderName = "Authorization"
    prefix: str = "Bearer "


@dataclass(frozen=True, slots=True)
class ImportedCookies:
    """Cookies of a browser in which somebody logged in."""

    __pydantic_config__ = _STRICT
    file: Annotated[str, Field(min_length=1)]
    """Netscape format or JSON; the path starts at the session file."""


@dataclass(frozen=True, slots=True)
class RecordedStep:
    """One request of a login that was recorded. `{{name}}` stands for what an earlier step took."""

    __pydantic_config__ = _STRICT
    url: Annotated[str, Field(min_length=1)]
    method: Annotated[str, Field(pattern=r"^[A-Z]{3,10}$")] = "GET"
    headers: Headers = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)
    """Of an urlencoded body."""
    body: str = ""
    """Instead of fields."""
    take: dict[Annotated[str, Field(pattern=r"^\w+$")], Annotated[str, AfterValidator(_pattern)]] = field(
        default_factory=dict
    )
    """Name to pattern: what its group matches in the headers or the body of the answer."""


@dataclass(frozen=True, slots=True)
class BrowserStep:
    """One thing that a person does in the browser: exactly one of goto, fill, choose, click, press, wait and until.

    Elements are named by CSS selectors, or as `text=登录` by what is written on them.
    """

    __pydantic_config__ = _STRICT
    goto: str = ""
    """An address; it may start at the probe's."""
    fill: str = ""
    """A field, in which `value` is typed."""
    choose: str = ""
    """A list, of which `value` is chosen."""
    click: str = ""
    """An element."""
    press: str = ""
    """A key, such as Enter, where the cursor is."""
    wait: str = ""
    """An element that must show."""
    until: str = ""
    """A part of the address that must be reached."""
    value: str | None = None
    """What is typed or chosen; a secret as a reference."""
    seconds: Annotated[float, Field(gt=0, le=120)] = 15.0
    """How long it may take."""

    @property
    def verbs(self) -> list[str]:
        """Which of them are written."""
        return [verb for verb in _VERBS if getattr(self, verb)]


@dataclass(frozen=True, slots=True)
class StoredToken:
    """A token that scripts keep in the local or session storage of the browser."""

    __pydantic_config__ = _STRICT
    key: Annotated[str, Field(min_length=1)]
    """Of the storage."""
    pointer: str = ""
    """JSON pointer, when what is kept is JSON."""
    header: HeaderName = "Authorization"
    prefix: str = "Bearer "


@dataclass(frozen=True, slots=True)
class BrowserLogin:
    """A login that needs a browser, step by step. Needs Playwright and Chromium.

    Cookies become those of the session. So does the Authorization header that scripts of the site were seen to send,
    unless `token` says what else proves the session.
    """

    __pydantic_config__ = _STRICT
    steps: Annotated[tuple[BrowserStep, ...], Field(min_length=1, max_length=50)]
    token: StoredToken | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """A request whose answer tells whether somebody is logged in."""

    __pydantic_config__ = _STRICT
    url: Url
    shows: str = ""
    """Text that is in the page only when logged in."""
    lacks: str = ""
    """Text that is in the page only when logged out."""
    status: Annotated[int, Field(ge=100, le=599)] | None = None
    """Status only when logged in."""


@dataclass(frozen=True, slots=True)
class SessionFile:
    """One user. Exactly one of form, json, bearer, cookies, steps and browser says how the session begins."""

    __pydantic_config__ = _STRICT
    probe: Probe
    form: FormLogin | None = None
    json: JsonLogin | None = None
    bearer: Bearer | None = None
    cookies: ImportedCookies | None = None
    steps: tuple[RecordedStep, ...] = ()
    browser: BrowserLogin | None = None
    name: str = ""
    """Who it is, for people."""
    max_failed_logins: Annotated[int, Field(ge=1, le=10)] = 2
    """After so many in a row nobody tries again: accounts are locked by more."""


SCHEMA_KIND, SCHEMA_NAME = SessionFile, "session"


def load_session(path: Path) -> SessionFile:
    """The session of a file. Raises BadFile, which names every problem."""
    document = read(path)
    session = document.build(SessionFile)
    ways = [way for way in _WAYS if getattr(session, way)]
    problems = []
    if len(ways) != 1:
        listed = ", ".join(_WAYS)
        text = Text(f"须写明登录方式,且只写一种:{listed}", f"say how the session begins, in exactly one way: {listed}")
        problems.append(document.problem((ways[1],) if len(ways) > 1 else (), text))
    probe = session.probe
    if not (probe.shows or probe.lacks or probe.status):
        text = Text(
            "探测须写明 shows、lacks 或 status 中至少一项", "the probe needs at least one of shows, lacks and status"
        )
        problems.append(document.problem(("probe",), text))
    for number, step in enumerate(session.browser.steps if session.browser else ()):
        if wrong := _wrong_with(step):
            problems.append(document.problem(("browser", "steps", number), wrong))
    if problems:
        raise BadFile(problems)
    return session


def _wrong_with(step: BrowserStep) -> Text | None:
    if len(step.verbs) != 1:
        listed = ", ".join(_VERBS)
        return Text(f"每一步须写明一个动作,且只写一个:{listed}", f"a step says exactly one of {listed}")
    (verb,) = step.verbs
    if step.value is None and verb in _WITH_VALUE:
        return Text(f"{verb} 须写明 value", f"{verb} needs a value")
    if step.value is not None and verb not in _WITH_VALUE:
        return Text(f"{verb} 不使用 value", f"{verb} has no value")
    return None
