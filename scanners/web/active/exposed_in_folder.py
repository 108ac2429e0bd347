"""Files in the folders of a site that should not be handed out."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from scanners.web.exposed_files import EXPOSURES, Exposure
from scanners.web.message import Request
from scanners.web.probing.check import PageCheck
from scanners.web.probing.page import Page
from scanners.web.probing.trial import Probing, Purpose, Trial
from scanners.web.probing.weakness import Verdict, WebClass
from secops.model.finding import Severity
from secops.model.text import Text

_START_BYTES = 4096
_LISTED = "directory-listing"
"""Told by a passive check."""
_MOST_FOR_EACH = 4


class ExposedInFolder(PageCheck):
    """Asks for the usual ones below a folder; an answer that a random name gets as well is none."""

    name = "exposed-in-folder"
    title = Text("目录中存在不应公开的文件", "files in a folder that should not be handed out")
    weakness = WebClass.EXPOSURE
    severity = Severity.HIGH
    cwe = 538
    clauses = ("8.1.4.2 f", "8.1.4.8 b")
    mend = Text(
        "从网站目录删除这些文件并在服务器上禁止访问;泄露的口令和密钥立即更换。",
        "Delete them from the web root and deny them in the server; change every password and key they hold.",
    )

    def fits(self, request: Request, page: Page) -> bool:
        """Folders."""
        return request.method == "GET" and urlsplit(request.target).path.endswith("/")

    def probe(self, page: Page, trial: Trial) -> Probing:
        """The worst that is there."""
        folder = urlsplit(page.request.target).path
        for path, exposure in _wanted(trial):
            seen = yield from trial.ask(Request("GET", folder + path, page.request.headers))
            if not _shows(seen, exposure):
                continue
            control = yield from trial.ask(
                Request("GET", folder + _other(path, trial), page.request.headers), Purpose.CONTROL
            )
            again = yield from trial.ask(Request("GET", folder + path, page.request.headers), Purpose.AGAIN)
            if _shows(again, exposure) and not _shows(control, exposure):
                because = Text(f"{folder}{path}:{exposure.title.zh}", f"{folder}{path}: {exposure.title.en}")
                shown = "" if exposure.secret else _start(again)[:120]
                return Verdict(
                    because, {"path": folder + path, "response": shown}, exposure.rule, exposure.severity, folder + path
                )
        return None


def _wanted(trial: Trial) -> Iterator[tuple[str, Exposure]]:
    host = trial.target.host
    for exposure in EXPOSURES:
        if exposure.rule == _LISTED:
            continue
        for path in exposure.paths[:_MOST_FOR_EACH]:
            yield path.lstrip("/").replace("{host}", host).replace("{site}", host.partition(".")[0]), exposure


def _other(path: str, trial: Trial) -> str:
    """A name that is not there, with the same beginning and end."""
    stem, dot, suffix = path.rpartition(".")
    return f"{stem}{trial.mark()}{dot}{suffix}" if stem else f".{trial.mark()}{suffix}"


def _shows(page: Page, exposure: Exposure) -> bool:
    return page.status == 200 and bool(exposure.content.search(_start(page)))


def _start(page: Page) -> str:
    return page.response.body[:_START_BYTES].decode("latin-1") if page.response else ""


EXPOSED_IN_FOLDER = ExposedInFolder()
