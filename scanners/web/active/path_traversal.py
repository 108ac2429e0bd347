"""Files of the server that are read, included or told apart because their path stands in the request."""

import base64
import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from scanners.web.message import Request
from scanners.web.points import Point, Where
from scanners.web.probing.check import PointCheck
from scanners.web.probing.difference import depends
from scanners.web.probing.page import Page
from scanners.web.probing.trial import Effect, Probing, Purpose, Trial
from scanners.web.probing.weakness import Verdict, WebClass
from secops.model.finding import Severity
from secops.model.text import Text

Inject = Callable[[str], Request]
_UP = "../" * 16
_PASSWD = re.compile(r"root:[^:\n]{0,120}:0:0:[^\n]{0,200}")
_WIN_INI = re.compile(r"\[(?:fonts|extensions|mci extensions)\]", re.IGNORECASE)
_WEB_XML = re.compile(r"<web-app[\s>]")
_STAND_IN = "jindunstandin"
_BASE64 = re.compile(r"[A-Za-z0-9+/]{24,}={0,2}")
_SUFFIX = re.compile(r"\.\w{1,5}$")
_EXISTING = (
    ("etc/passwd", "etc/psswad"),
    ("etc/group", "etc/gruop"),
    ("bin/sh", "bin/hs"),
    ("usr/bin/env", "usr/bin/nev"),
)
"""Files that every Linux has, and names of the same letters that none has."""


class PathTraversal(PointCheck):
    """Content that only a system file has, the source of a page, or whether files exist at all."""

    name = "path-traversal"
    title = Text("路径遍历与文件包含", "path traversal and file inclusion")
    weakness = WebClass.PATHTRAVER
    severity = Severity.HIGH
    cwe = 22
    clauses = ("8.1.4.4 d", "8.1.4.2 f")
    mend = Text(
        "文件用编号或白名单选择;解析真实路径后确认仍在允许的目录内;关闭远程包含。",
        "Choose files by number or from an allow-list; resolve the real path and make sure that it stays inside the "
        "folder; turn remote inclusion off.",
    )

    def fits_unknown(self, point: Point) -> bool:
        """Files that are not there are said to be missing, and others are served all the same."""
        return point.where is Where.PATH

    def probe(self, point: Point, page: Page, trial: Trial) -> Probing:
        """One request for each way around a filter."""
        for inject, payload, pattern in _ways(point):
            seen = yield from trial.ask(inject(payload))
            found = pattern.search(seen.plain)
            if not found or pattern.search(page.plain):
                continue
            control = yield from trial.ask(inject(_missing(payload, trial)), Purpose.CONTROL)
            again = yield from trial.ask(inject(payload), Purpose.AGAIN)
            if pattern.search(again.plain) and not pattern.search(control.plain):
                return _read(payload, found[0])
        source = yield from self._source(point, page, trial)
        if source:
            return source
        existence = yield from self._existence(point, trial)
        return existence or (yield from self._writing(point, trial))

    def _source(self, point: Point, page: Page, trial: Trial) -> Probing:
        """PHP reads the file behind a page as base64, whatever is put behind the name."""
        payload = f"php://filter/convert.base64-encode/resource={point.value}"
        seen = yield from trial.ask(point.inject(payload))
        source = _decoded(seen.text)
        if not source or _decoded(page.text):
            return None
        again = yield from trial.ask(point.inject(payload), Purpose.AGAIN)
        if _decoded(again.text) != source:
            return None
        because = Text(
            "php://filter 使应答返回被包含文件的 base64 编码", "php://filter made the answer hold the file in base64"
        )
        return Verdict(because, {"payload": payload, "response": source[:120]}, rule="inclusion")

    def _existence(self, point: Point, trial: Trial) -> Probing:
        pairs = [(_UP + true, _UP + false) for true, false in _EXISTING]
        told = yield from depends(trial, point.inject, pairs)
        if not told:
            return None
        because = Text(
            f"{len(pairs)} 组路径(存在与不存在,字母相同)应答稳定不同,例如“{told[0]}”",
            f"{len(pairs)} pairs of paths, one of each existing, of the same letters, always differ, e.g. in “{told[0]}”",
        )
        return Verdict(because, {"exists": pairs[0][0], "missing": pairs[0][1]}, rule="existence")

    def _writing(self, point: Point, trial: Trial) -> Probing:
        """Whether a file is written where the path leads: a folder that exists, and one of the same letters."""
        if point.request.method in ("GET", "HEAD") or not _SUFFIX.search(point.value):
            return None
        names = [f"{trial.mark()}.txt" for _ in range(3)]
        folders = (("tmp", "ptm"), ("var/tmp", "vra/tmp"), ("tmp", "mtp"))
        pairs = [(f"{_UP}{a}/{name}", f"{_UP}{b}/{name}") for (a, b), name in zip(folders, names, strict=True)]
        told = yield from depends(trial, point.inject, pairs, Effect.WRITE)
        if not told:
            return None
        because = Text(
            f"文件被写到请求指定的目录:{len(pairs)} 组目录(存在与不存在,字母相同)应答稳定不同,例如“{told[0]}”",
            f"a file is written where the request says: {len(pairs)} pairs of folders, one of each existing, of the same "
            f"letters, always differ, e.g. in “{told[0]}”",
        )
        return Verdict(because, {"exists": pairs[0][0], "missing": pairs[0][1]}, rule="writing")


def _ways(point: Point) -> Iterator[tuple[Inject, str, re.Pattern[str]]]:
    for payload, pattern in _payloads(point):
        yield point.inject, payload, pattern
    if point.where is Where.PATH:
        # Servers that resolve the path themselves never decode the slashes of a segment.
        yield _unescaped(point), f"{_UP}etc/passwd", _PASSWD
        yield _unescaped(point), f"{_UP}etc/passwd".replace(".", "%2e"), _PASSWD


def _unescaped(point: Point) -> Inject:
    def inject(payload: str) -> Request:
        request = point.inject(_STAND_IN)
        return replace(request, target=request.target.replace(_STAND_IN, payload))

    return inject


def _payloads(point: Point) -> Iterator[tuple[str, re.Pattern[str]]]:
    suffix = _SUFFIX.search(point.value)
    folder = point.value.rpartition("/")[0]
    yield f"{_UP}etc/passwd", _PASSWD
    yield "/etc/passwd", _PASSWD
    yield "....//" * 16 + "etc/passwd", _PASSWD
    yield f"{_UP}etc/passwd".replace(".", "%2e").replace("/", "%2f"), _PASSWD
    if suffix:
        yield f"{_UP}etc/passwd\0{suffix[0]}", _PASSWD
    if folder:
        yield f"{folder}/{_UP}etc/passwd", _PASSWD
    yield "file:///etc/passwd", _PASSWD
    yield "..\\" * 8 + "windows\\win.ini", _WIN_INI
    yield "c:/windows/win.ini", _WIN_INI
    yield "../../WEB-INF/web.xml", _WEB_XML


def _missing(payload: str, trial: Trial) -> str:
    """The same way, to a file that is not there."""
    name = trial.mark(6)
    return payload.replace("passwd", name).replace("win.ini", f"{name}.ini").replace("web.xml", f"{name}.xml")


def _decoded(text: str) -> str:
    """The first base64 in a page that is readable text of markup or code; empty when there is none."""
    for found in _BASE64.finditer(text):
        try:
            decoded = base64.b64decode(found[0] + "=" * (-len(found[0]) % 4)).decode()
        except ValueError:
            continue
        if re.match(r"\s*(<\?|<[a-z!]|#|//|/\*)", decoded, re.IGNORECASE):
            return decoded
    return ""


def _read(payload: str, line: str) -> Verdict:
    because = Text(
        f"载荷 {payload!r} 读出了系统文件内容,换成不存在的文件名则没有",
        f"{payload!r} read a file of the system; a name that does not exist did not",
    )
    return Verdict(because, {"payload": payload, "response": line[:120]})


PATH_TRAVERSAL = PathTraversal()
