"""What a script would ask the server, found without running it: calls with method, fields and headers, and addresses."""

import json
import re
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from scanners.web.crawl.lead import Harvest, Lead, Source
from scanners.web.crawl.script_tokens import PLACEHOLDER, Tokens, Unknown, Value, tokens_of
from scanners.web.message import Headers
from scanners.web.urls import resolve

_LONGEST = 2 * 1024 * 1024
_METHODS = frozenset({"get", "post", "put", "patch", "delete", "head", "options"})
_FETCHING = frozenset({"fetch", "window.fetch", "self.fetch", "axios", "request", "uni.request", "wx.request", "ajax"})
_FRAMING = frozenset({"content-length", "host", "cookie", "connection"})
_ADDRESS = re.compile(r"(?:https?:)?//[\w.-]+(?::\d+)?(?:/[^\s\"'<>\\^{}|]*)?|\.{0,2}/[^\s\"'<>\\^|*]*")
_PAGE = re.compile(
    r"[\w./-]{1,200}\.(?:html?|shtml|php\d?|jspx?|do|action|aspx?|ashx|asmx|json|xml|cgi|pl)(?:\?[^\s\"'<>]*)?"
)
_RELATIVE = re.compile(r"(?:api|rest|v\d|service|ajax|admin|user)s?/[\w./{}-]{1,200}(?:\?[^\s\"'<>]*)?", re.IGNORECASE)
_NO_ADDRESS = re.compile(
    r"^/[^\w.%:{$@~/-]|^/+$|^\./?$|^\.\./?$|^/[*+?()\[\]$^|]|^//[^\w]|^/[gimsuy]+$|^\.\.\.|^(?:text|image|application|audio|video|font)/"
)
_COOKIE_NAME = re.compile(r"^\s*([\w.-]{1,64})=")


def read_script(text: str, base: str, harvest: Harvest) -> None:
    """Take what a script asks for, and the names it uses."""
    tokens = tokens_of(text[:_LONGEST])
    reader = _Reader(tokens, base, harvest)
    reader.read()


@dataclass(slots=True)
class _Call:
    """A request as far as the script tells it."""

    method: str
    url: str
    data: Value = None
    as_form: bool = False
    headers: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class _Reader:
    """Walks over the tokens once; an XMLHttpRequest is gathered until it is sent."""

    tokens: Tokens
    base: str
    harvest: Harvest
    opened: _Call | None = None
    form: dict[str, Value] = field(default_factory=dict)
    bases: dict[str, str] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)

    def read(self) -> None:
        items = self.tokens.items
        for at, token in enumerate(items):
            if token.kind == "word":
                if self.tokens.sign(at + 1, "("):
                    self._call(token.text, at + 2)
                elif self.tokens.sign(at + 1, "="):
                    self._assignment(token.text, at + 2)
        self._send(None)
        for at, token in enumerate(items):
            if token.kind in ("string", "template") and not self.tokens.sign(at + 1, ":"):
                self._text(at)

    def _call(self, word: str, at: int) -> None:
        owner, _, verb = word.rpartition(".")
        if word in _FETCHING or verb == "ajax":
            self._fetch(at)
        elif verb == "open":
            self._open(at)
        elif verb == "setRequestHeader":
            self._header(at)
        elif verb == "send":
            self._send(self._arguments(at, 1)[0] if not self.tokens.sign(at, ")") else None)
        elif verb in ("append", "set") and owner:
            self._append(owner, at)
        elif verb == "create":
            self._instance(at)
        elif verb in _METHODS or verb in ("getJSON", "postJSON", "sendBeacon", "request", "load", "replace", "assign"):
            self._shorthand(owner, verb, at)
        elif verb == "querySelector" or verb == "getElementById":
            return

    def _arguments(self, at: int, most: int) -> list[Value]:
        found = list[Value]()
        while len(found) < most and not self.tokens.sign(at, ")"):
            value, end = self.tokens.value(at)
            found.append(value)
            at = end if self.tokens.sign(end, ",") or self.tokens.sign(end, ")") else self.tokens.past(end)
            if not self.tokens.sign(at, ","):
                break
            at += 1
        return found or [None]

    def _fetch(self, at: int) -> None:
        first, *rest = self._arguments(at, 2)
        options = first if isinstance(first, dict) else (rest[0] if rest else None)
        options = options if isinstance(options, dict) else {}
        url = self._address(options.get("url") if isinstance(first, dict) else first)
        method = options.get("method") or options.get("type")
        data = options.get("body", options.get("data"))
        if isinstance(data, Unknown) and self.form:
            data, self.form = self.form, {}
        told = method.upper() if isinstance(method, str) and method.isalpha() else ""
        call = _Call(told or ("" if isinstance(method, Unknown) else "GET"), url, data)
        call.headers = self._headers_in(options.get("headers"))
        call.as_form = ("method" not in options and "type" in options) or "processData" in options
        if isinstance(params := options.get("params"), dict):
            call.url = self._with_query(call.url, params)
        self._add(call)

    def _shorthand(self, owner: str, verb: str, at: int) -> None:
        """`axios.post(url, data, options)`, `$.get(url, data)`, `http.put(url, data)`."""
        first, *rest = self._arguments(at, 3)
        prefix = self.bases.get(owner, "")
        if isinstance(first, dict):
            first = first.get("url")
        url = self._address(first)
        if not url or not (
            prefix or _looks_like_address(url) or (owner in ("$", "jQuery", "axios") and " " not in url)
        ):
            return
        if prefix and not url.startswith(("http:", "https:")):
            url = prefix.rstrip("/") + "/" + url.lstrip("/")
        method = {"getjson": "GET", "postjson": "POST", "sendbeacon": "POST"}.get(verb.lower(), verb.upper())
        method = method if method.lower() in _METHODS else "GET"
        call = _Call(method, url, as_form=owner in ("$", "jQuery"))
        data = rest[0] if rest else None
        if method in ("GET", "HEAD", "DELETE", "OPTIONS"):
            options = data if isinstance(data, dict) else {}
            inner = options.get("params")
            query = inner if isinstance(inner, dict) else options if call.as_form else {}
            call.url = self._with_query(url, query)
            call.headers = self._headers_in(options.get("headers"))
        else:
            call.data = self.form if isinstance(data, Unknown) and self.form else data
            options = rest[1] if len(rest) > 1 and isinstance(rest[1], dict) else {}
            call.headers = self._headers_in(options.get("headers"))
        self._add(call)

    def _open(self, at: int) -> None:
        """`xhr.open(method, url)`; `window.open(url)` is a link."""
        method, *rest = self._arguments(at, 2)
        self._send(None)
        if isinstance(method, str) and method.lower() in _METHODS and rest:
            self.opened = _Call(method.upper(), self._address(rest[0]), as_form=True)
        elif isinstance(method, str):
            self._add(_Call("", method))

    def _header(self, at: int) -> None:
        name, *rest = self._arguments(at, 2)
        if isinstance(name, str):
            self.harvest.name(name)
            value = self.tokens.as_text(rest[0]) if rest else PLACEHOLDER
            if self.opened:
                self.opened.headers.append((name, value))

    def _send(self, data: Value) -> None:
        if self.opened:
            self.opened.data = self.form if isinstance(data, Unknown) and self.form else data
            self._add(self.opened)
            self.opened = None

    def _append(self, owner: str, at: int) -> None:
        """`form.append(name, value)`, `headers.set(name, value)`, `Cookies.set(name, value)`."""
        first, *rest = self._arguments(at, 2)
        if isinstance(first, str) and rest and re.fullmatch(r"[\w.\[\]-]{1,64}", first):
            if re.search(r"cookie|header", owner, re.IGNORECASE) or re.search(r"form|data|fd|param", owner, re.I):
                self.harvest.name(first)
            if re.search(r"form|data|fd|param|body", owner, re.IGNORECASE) and len(self.form) < 100:
                self.form[first] = rest[0]

    def _instance(self, at: int) -> None:
        """`const http = axios.create({baseURL: …})`."""
        (options,) = self._arguments(at, 1)
        items = self.tokens.items
        if isinstance(options, dict) and at >= 4 and self.tokens.sign(at - 3, "="):
            base = options.get("baseURL")
            self.bases[items[at - 4].text] = self.tokens.as_text(base) if base is not None else ""
            self._headers_in(options.get("headers"))

    def _assignment(self, word: str, at: int) -> None:
        verb = word.rpartition(".")[2]
        if verb == "cookie":
            value, _ = self.tokens.value(at)
            if isinstance(value, str) and (found := _COOKIE_NAME.match(value)):
                self.harvest.name(found.group(1))
        elif verb in ("location", "href", "src", "action"):
            value, _ = self.tokens.value(at)
            if isinstance(value, str):
                self._add(_Call("", value))
        elif verb == "baseURL":
            value, _ = self.tokens.value(at)
            if isinstance(value, str):
                self.bases.setdefault(word.split(".", 1)[0], value)

    def _text(self, at: int) -> None:
        """A string that looks like an address; one that is joined to others is read from its start."""
        if self.tokens.sign(at - 1, "+"):
            return
        value, _ = self.tokens.value(at)
        if isinstance(value, str) and value not in self.told and _looks_like_address(value):
            self._tell(Lead("", Source.TEXT), value)

    def _address(self, value: Value) -> str:
        if isinstance(value, Unknown):
            return self.tokens.constants.get(value.name, "")
        return value if isinstance(value, str) else ""

    def _headers_in(self, value: Value) -> list[tuple[str, str]]:
        if not isinstance(value, dict):
            return []
        found = [(name, self.tokens.as_text(each)) for name, each in value.items() if re.fullmatch(r"[\w-]+", name)]
        for name, _ in found:
            self.harvest.name(name)
        return found

    def _with_query(self, url: str, fields: dict[str, Value]) -> str:
        if not fields or not url:
            return url
        pairs = {name: self.tokens.as_text(value) for name, value in fields.items()}
        return url + ("&" if "?" in url else "?") + urlencode(pairs)

    def _add(self, call: _Call) -> None:
        if not call.url or not _plausible(call.url):
            return
        kind, body = self._body(call)
        method = call.method or ("POST" if body else "GET")
        if method in ("GET", "HEAD") and isinstance(call.data, dict):
            call.url, body, kind = self._with_query(call.url, call.data), b"", ""
        headers = [(name, value) for name, value in call.headers if name.lower() not in _FRAMING]
        if kind and not any(name.lower() == "content-type" for name, _ in headers):
            headers.insert(0, ("Content-Type", kind))
        self.told.add(call.url)
        source = Source.CALL if call.method or body or call.headers else Source.TEXT
        self._tell(Lead("", source, method=method, headers=_latin(headers), body=body), call.url)

    def _tell(self, lead: Lead, written: str) -> None:
        url = resolve(self.base, _without_holes(written), self.harvest.charset)
        if url:
            harvest = self.harvest
            harvest.add(Lead(url, lead.source, harvest.page, lead.method, lead.headers, lead.body, harvest.charset))

    def _body(self, call: _Call) -> tuple[str, bytes]:
        """The content type and the body."""
        data = call.data
        if isinstance(data, str):
            return "application/x-www-form-urlencoded", _as_form_text(data)
        if not isinstance(data, dict) or not data:
            return "", b""
        for name in data:
            self.harvest.name(name)
        told = next((value for name, value in call.headers if name.lower() == "content-type"), "")
        if "urlencoded" in told or (call.as_form and "json" not in told):
            return "application/x-www-form-urlencoded", urlencode(
                {name: self.tokens.as_text(value) for name, value in data.items()}
            ).encode()
        return "application/json", json.dumps(self._plain(data), ensure_ascii=False).encode("utf-8", "replace")

    def _plain(self, value: Value) -> object:
        if isinstance(value, dict):
            return {name: self._plain(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self._plain(each) for each in value]
        if isinstance(value, Unknown):
            return self.tokens.constants.get(value.name, PLACEHOLDER)
        return int(value) if isinstance(value, float) and value.is_integer() else value


def _looks_like_address(text: str) -> bool:
    if not 2 <= len(text) <= 1000 or _NO_ADDRESS.search(text):
        return False
    return bool(_ADDRESS.fullmatch(text) or _PAGE.fullmatch(text) or _RELATIVE.fullmatch(text))


def _plausible(url: str) -> bool:
    """Of what is certainly handed over as an address."""
    return len(url) <= 2000 and not re.search(r"[\s<>\"'`]", url.strip()) and url.strip("./") != ""


def _without_holes(url: str) -> str:
    """`/users/:id` and `/users/{id}` with something in the hole."""
    return re.sub(r"\{[\w.]{1,40}\}|(?<=/):[A-Za-z_]\w*", PLACEHOLDER, url)


def _as_form_text(text: str) -> bytes:
    return quote(text, safe='=&%+*-._~[]{}":,/ ').replace(" ", "+").encode("ascii") if len(text) < 10_000 else b""


def _latin(headers: list[tuple[str, str]]) -> Headers:
    return tuple((name, quote(value, safe=" !#$%&'()*+,/:;=?@[]^_`{|}~-.\"\\<>")) for name, value in headers)
