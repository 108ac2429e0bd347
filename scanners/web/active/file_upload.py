"""Uploaded files that the server runs."""

import re
from collections.abc import Generator, Iterator
from dataclasses import replace
from urllib.parse import urljoin, urlsplit

from scanners.web.message import Request
from scanners.web.points import Part, Point, boundary_of, with_length
from scanners.web.probing.check import PointCheck
from scanners.web.probing.page import Page
from scanners.web.probing.trial import Ask, Effect, Hits, Listen, Probing, Purpose, Trial
from scanners.web.probing.weakness import Verdict, WebClass
from secops.model.finding import Severity
from secops.model.text import Text

_FOLDERS = ("/uploads/", "/upload/", "/files/", "/images/", "/static/uploads/")
_FILE_PART = re.compile(
    rb"(content-disposition:[^\r\n]*filename=\")([^\"]*)(\"[^\r\n]*)((?:\r?\n[^\r\n]+)*)(\r?\n\r?\n)", re.IGNORECASE
)
_KINDS = (
    ("php", "application/octet-stream", "<?php echo '{m}'.({a}*{b});"),
    ("php", "image/png", "GIF89a<?php echo '{m}'.({a}*{b});"),
    ("phtml", "image/png", "GIF89a<?php echo '{m}'.({a}*{b});"),
    ("jsp", "image/png", 'GIF89a<%= "{m}"+({a}L*{b}L) %>'),
    ("aspx", "image/png", 'GIF89a<%@ Page Language="C#" %><%= "{m}"+({a}L*{b}L) %>'),
)


class FileUpload(PointCheck):
    """Uploads a file that prints a product, and asks for it. Intrusive: the file stays there."""

    name = "file-upload"
    title = Text("可上传并执行脚本文件", "uploaded files are run")
    weakness = WebClass.UPLOAD
    severity = Severity.CRITICAL
    cwe = 434
    clauses = ("8.1.4.4 d", "8.1.4.5 a")
    mend = Text(
        "按内容与后缀白名单校验,改用随机文件名存放在不可执行的目录;请删除本次测试上传的文件。",
        "Admit listed kinds by content and suffix, store under random names where nothing is run; delete the file that "
        "this test left.",
    )

    def fits(self, point: Point) -> bool:
        """Names of files in forms."""
        return point.part is Part.FILE_NAME and _FILE_PART.search(point.request.body) is not None

    def probe(self, point: Point, page: Page, trial: Trial) -> Probing:
        """One upload for each kind."""
        for suffix, kind, code in _KINDS:
            uploaded = yield from _upload(point.request, trial, suffix, kind, code)
            if uploaded and (yield from _upload(point.request, trial, suffix, kind, code)):
                name, where = uploaded
                because = Text(
                    f"上传的 {name} 在 {where} 被服务器执行(输出了计算结果),重复上传结果一致",
                    f"the uploaded {name} was run at {where}: it printed what it computed, and so did a second one",
                )
                return Verdict(because, {"file": name, "where": where, "type": kind})
        return None


def _upload(
    request: Request, trial: Trial, suffix: str, kind: str, code: str
) -> Generator[Ask | Listen, Page | Hits, tuple[str, str] | None]:
    """The name of the file and where it was run."""
    mark, first, second = trial.mark(6), trial.number(), trial.number()
    name = f"{trial.mark()}.{suffix}"
    content = code.replace("{m}", mark).replace("{a}", str(first)).replace("{b}", str(second))
    answer = yield from trial.ask(_with_file(request, name, kind, content), Purpose.ATTACK, Effect.WRITE)
    if answer.answer.failure or answer.status >= 400:
        return None
    for where in dict.fromkeys(_places(answer, name)):
        seen = yield from trial.ask(Request("GET", where), Purpose.AGAIN)
        if f"{mark}{first * second}" in seen.text:
            return name, where
    return None


def _with_file(request: Request, name: str, kind: str, content: str) -> Request:
    """The request with another file in the place of its first one."""
    body = request.body
    found = _FILE_PART.search(body)
    assert found
    end = body.find(b"\r\n--" + boundary_of(request.headers), found.end())
    head = found[1] + name.encode() + found[3] + b"\r\nContent-Type: " + kind.encode() + b"\r\n\r\n"
    return with_length(replace(request, body=body[: found.start()] + head + content.encode() + body[end:]))


def _places(answer: Page, name: str) -> Iterator[str]:
    """Where the answer says it is, then where such files usually are."""
    links = re.findall(rf"[\w./:%-]*{re.escape(name)}", answer.text) + answer.headers("location")
    for link in links[:5]:
        parts = urlsplit(urljoin(f"http://h{answer.request.target}", link))
        yield parts.path
    folder = urlsplit(answer.request.target).path.rpartition("/")[0]
    for usual in _FOLDERS:
        yield usual + name
    yield f"{folder}/uploads/{name}"


FILE_UPLOAD = FileUpload()
