"""Requests built from the texts of a block and the variables of a run."""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from scanners.web.message import Request, Target
from scanners.web.templates.expressions.compiling import Evaluate, compiled
from scanners.web.templates.expressions.scope import Scope
from scanners.web.templates.expressions.syntax import Call, SyntaxMistake, nodes_of, parse, text_node, variables_of
from scanners.web.templates.expressions.values import as_text
from scanners.web.templates.model import Block
from scanners.web.templates.raw_text import Annotations, BadRaw, RawText, read_raw, with_line_ends
from scanners.web.templates.site import Site, split_url

USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
_PORT = re.compile(r"(\{\{(?:BaseURL|RootURL)\}\}):(\d{1,5})")
_PLAIN = re.compile(r"\{\{(?P<base>BaseURL|RootURL)\}\}(?P<rest>(?:[/?][^{}§#]*)?)")
_SLASH_FOLLOWS = re.compile(r"\{\{[a-zA-Z]+\}\}/")
_UNSENDABLE = re.compile(r"[^\x21-\x7e]")
_OWN_LENGTH = ("content-length", "transfer-encoding")
_UNFILLED = re.compile(rb"(?:%7[Bb]|\{){2}([^}]+?)(?:%7[Dd]|\}){2}")
_SERVER_NAME = re.compile(r"[\w-]+(\.[\w-]+)*", re.ASCII)
_NO_NAME = re.compile(rb"[0-9+\-/\W]+")


class CannotBuild(Exception):
    """A step is not sent; the message says why."""


_NO_ANNOTATIONS = Annotations()


class EmptyPayload(CannotBuild):
    """A payload has no value here, as the domain of an address; the next one may."""


@dataclass(frozen=True, slots=True)
class Built:
    """A request, where it goes, and how."""

    target: Target
    request: Request
    annotations: Annotations
    server_name: str = ""


class StepText:
    """One `path` or `raw` entry of a block."""

    def __init__(self, block: Block, source: str, is_raw: bool) -> None:
        self._block, self.is_raw = block, is_raw
        self._port = 0
        if not is_raw and (port := _PORT.match(source.lstrip())):
            self._port, source = int(port[2]), source.replace(f":{port[2]}", "", 1)
        self.cut_slash = not is_raw and _SLASH_FOLLOWS.match(source) is not None
        self._source = source
        self._plain = (
            None if is_raw or block.headers or block.body or "{{" in block.method else _PLAIN.fullmatch(source)
        )

    @cached_property
    def once(self) -> bool:
        """Sent for the first payload only."""
        return self.is_raw and read_raw(self._source, unsafe=True).annotations.once

    @cached_property
    def _text(self) -> Evaluate:
        source = with_line_ends(self._source).decode("utf-8", "surrogateescape") if self.is_raw else self._source
        return compiled(text_node(source))

    @cached_property
    def _headers(self) -> tuple[tuple[str, Evaluate], ...]:
        return tuple((name, compiled(text_node(value))) for name, value in self._block.headers)

    @cached_property
    def _body(self) -> Evaluate:
        return compiled(text_node(with_line_ends(self._block.body).decode("utf-8", "surrogateescape")))

    @cached_property
    def _method(self) -> Evaluate:
        return compiled(text_node(self._block.method))

    def site(self, site: Site) -> Site:
        """The site, at the port that the text names."""
        return replace(site, target=replace(site.target, port=self._port)) if self._port else site

    def build(self, scope: Scope, site: Site, user_agent: str, received: Collection[bytes] = ()) -> Built:
        """The request. Raises CannotBuild, also when a placeholder has no value.

        `received` are values that came from the site: what looks like a placeholder in them is none.
        """
        if self._plain is not None:
            return self._from_plain(self._plain, site, user_agent)
        text = as_text(self._text(scope))
        if self.is_raw:
            return self._from_raw(text, scope, site, user_agent, received)
        target, rest = split_url(text.strip().decode("latin-1"))
        if target is None:
            raise CannotBuild(f"not a URL: {text[:80].decode('latin-1')}")
        headers = [("Host", target.authority), *self._rendered_headers(scope)]
        request = Request(
            as_text(self._method(scope)).decode("latin-1"),
            _request_target(rest),
            _completed(headers, user_agent, plain=True),
            as_text(self._body(scope)),
        )
        self._refuse_unfilled(f"{target}{rest}".encode("latin-1"), request, received)
        return Built(target, request, _NO_ANNOTATIONS)

    def _from_plain(self, plain: re.Match[str], site: Site, user_agent: str) -> Built:
        """Most requests: a fixed path below the scanned URL."""
        base = "" if plain["base"] == "RootURL" else site.path.removesuffix("/") if self.cut_slash else site.path
        path = (base + plain["rest"]).encode("utf-8", "surrogateescape").decode("latin-1")
        request = Request(self._block.method, _request_target(path), _plain_headers(site.target, user_agent))
        return Built(site.target, request, _NO_ANNOTATIONS)

    def _rendered_headers(self, scope: Scope) -> list[tuple[str, str]]:
        return [(name, as_text(value(scope)).decode("latin-1")) for name, value in self._headers]

    def _from_raw(self, text: bytes, scope: Scope, site: Site, user_agent: str, received: Collection[bytes]) -> Built:
        try:
            raw = read_raw(text, self._block.sending.unsafe)
        except BadRaw as error:
            raise CannotBuild(f"not a request: {error}") from None
        path = self._merged(raw, site)
        target = _annotated_target(raw.annotations, site.target)
        make = self._unsafe if self._block.sending.unsafe else self._safe
        request = make(raw, path, target, scope, user_agent)
        self._refuse_unfilled(path.encode("latin-1"), request, received)
        return Built(target, request, raw.annotations, _server_name(raw.annotations, request))

    def _safe(self, raw: RawText, path: str, target: Target, scope: Scope, user_agent: str) -> Request:
        written = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in raw.headers]
        own = dict(self._rendered_headers(scope))
        headers = [item for item in written if item[0] not in own] + list(own.items())
        if not any(name.lower() == "host" for name, _ in headers):
            headers.insert(0, ("Host", target.authority))
        body = as_text(self._body(scope)) or raw.body
        method = raw.method.decode("latin-1")
        return Request(method, _request_target(path), _completed(headers, user_agent, plain=False), body)

    def _unsafe(self, raw: RawText, path: str, target: Target, scope: Scope, user_agent: str) -> Request:
        text = raw.text.replace(raw.path, path.encode("latin-1"), 1) if raw.path else raw.text
        if b"\r\n\r\n" not in text:
            text = text.rstrip(b"\r\n") + b"\r\n\r\n"
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in raw.headers)
        return Request(raw.method.decode("latin-1"), path, headers, raw.body, text)

    def _merged(self, raw: RawText, site: Site) -> str:
        """The path of the scanned URL in front of the one that is written."""
        path = raw.path.decode("latin-1")
        if path.lower().startswith(("http://", "https://")):
            path = split_url(path)[1] or "/"
        base = site.path if self._block.sending.merge_path else ""
        if path in ("", "/"):
            return base or "/"
        if self._block.sending.unsafe and not base and not path.startswith("/"):
            return path
        if path.startswith("?"):
            return (base or "/") + path
        return base.removesuffix("/") + (path if path.startswith("/") else f"/{path}")

    def _refuse_unfilled(self, url: bytes, request: Request, received: Collection[bytes]) -> None:
        if self._block.sending.skip_variables_check:
            return
        head = " ".join(f"{name}: {value}" for name, value in request.headers).encode("latin-1", "replace")
        names = {name for text in (url, head, request.raw or b"", request.body) for name in unfilled(text)}
        missing = sorted(name for name in names if not any(name.encode("latin-1") in value for value in received))
        if missing:
            raise CannotBuild("no value for " + ", ".join(missing))


def unfilled(text: bytes) -> list[str]:
    """Placeholders that are still there and name something; `{{7*7}}` names nothing."""
    if b"{{" not in text and b"%7B%7B" not in text.upper():
        return []
    names = [found[1] for found in _UNFILLED.finditer(text)]
    return [name.decode("latin-1") for name in names if not _NO_NAME.fullmatch(name) and not _is_constant(name)]


def _is_constant(name: bytes) -> bool:
    try:
        node = parse(name.decode("utf-8", "surrogateescape"))
    except SyntaxMistake:
        return False
    return not variables_of(node) and not any(
        isinstance(below, Call) and below.function.wants_context for below in nodes_of(node)
    )


def _request_target(rest: str) -> str:
    """What follows the origin, without fragment; what cannot stand in a request line is written in percent signs."""
    path = rest.partition("#")[0]
    path = path if path.startswith("/") else f"/{path}"
    return _UNSENDABLE.sub(lambda found: f"%{ord(found[0]):02X}", path)


def _completed(headers: list[tuple[str, str]], user_agent: str, plain: bool) -> tuple[tuple[str, str], ...]:
    """With what every request carries; the length is counted anew, and connections are kept."""
    kept = [
        (name, value)
        for name, value in headers
        if name.lower() not in _OWN_LENGTH and not (name.lower() == "connection" and value.lower() == "close")
    ]
    seen = {name.lower() for name, _ in kept}
    usual = {"User-Agent": user_agent}
    if plain:
        usual |= {"Accept": "*/*", "Accept-Language": "en"}
    usual["Accept-Encoding"] = "gzip"
    return tuple(_last_host(kept) + [(name, value) for name, value in usual.items() if name.lower() not in seen])


@lru_cache(maxsize=1024)
def _plain_headers(target: Target, user_agent: str) -> tuple[tuple[str, str], ...]:
    return _completed([("Host", target.authority)], user_agent, plain=True)


def _last_host(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Of several Host headers the last one, in the place of the first."""
    hosts = [value for name, value in headers if name.lower() == "host"]
    if len(hosts) < 2:
        return headers
    first = next(index for index, (name, _) in enumerate(headers) if name.lower() == "host")
    rest = [item for item in headers if item[0].lower() != "host"]
    return [*rest[:first], ("Host", hosts[-1]), *rest[first:]]


def _server_name(annotations: Annotations, request: Request) -> str:
    """What `@tls-sni` says; another Host alone changes nothing, as elsewhere. Empty for what can be no name."""
    name = annotations.server_name.decode("latin-1")
    if name == "request.host":
        host = next((value for name, value in request.headers if name.lower() == "host"), "")
        name = re.sub(r":\d+$", "", host.strip())
    return name if _SERVER_NAME.fullmatch(name) else ""


def _annotated_target(annotations: Annotations, target: Target) -> Target:
    """Where `@Host` sends a request; port and scheme stay when it names none."""
    if not annotations.host:
        return target
    written = annotations.host.decode("latin-1")
    _, separator, rest = written.partition("://")
    named, _ = split_url(written if separator else f"{target.scheme}://{written}")
    if named is None:
        raise CannotBuild(f"not a host: {written[:80]}")
    has_port = re.search(r":\d+$", rest.split("/")[0] if separator else written.split("/")[0])
    return named if has_port else replace(named, port=target.port)
