"""Starts the vulnerable applications on free loopback ports, without privileges, and stops them by their process."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import yaml

from tests.lab.sshd import free_port

HERE = Path(__file__).parent
_NOBODY = 65534
_UNTIL_WE_ARE_GONE = '"$@" </dev/null & read -r _; kill -9 0'
"""Should these tests be killed, the pipe closes, and nothing vulnerable goes on listening."""
_TLS = "tls"


@dataclass(frozen=True, slots=True)
class Flaw:
    """One line of the manifest."""

    app: str
    path: str
    weakness: str
    """Its class."""
    where: str = ""
    at: str = ""
    part: str = "value"
    value: str = ""
    method: str = "GET"
    fields: dict[str, str] = field(default_factory=dict)
    body: str = ""
    content_type: str = ""
    file: str = ""
    seen_at: str = ""
    form_at: str = ""
    sessions: bool = False
    also: tuple[str, ...] = ()

    @property
    def crawlable(self) -> bool:
        """Whether links and forms lead there; headers, cookies, JSON and XML have to be known."""
        return self.where in ("", "query", "raw_query", "form", "path") and not self.body

    @property
    def name(self) -> str:
        """To tell it in reports."""
        return f"{self.app}{self.path}"


def manifest() -> list[Flaw]:
    """Every flaw, in the order of the file."""
    return [_flaw(line) for line in yaml.safe_load((HERE / "manifest.yaml").read_text(encoding="utf-8"))]


def _flaw(line: dict[str, Any]) -> Flaw:
    method = "POST" if line.get("in") in ("form", "json") else "GET"
    renamed = {"class": "weakness", "in": "where", "type": "content_type"}
    return Flaw(**{"method": method, **{renamed.get(key, key): value for key, value in line.items()}})


@dataclass(frozen=True, slots=True)
class Lab:
    """The running applications."""

    ports: dict[str, int]

    def url(self, app: str, path: str = "") -> str:
        """An address in one of them."""
        return f"{'https' if app == _TLS else 'http'}://127.0.0.1:{self.ports[app]}{path}"


@contextmanager
def running_lab(certificate: tuple[Path, Path] | None = None) -> Iterator[Lab]:
    """All applications that can run here: PHP and Node may be missing. TLS needs a certificate and its key."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lab-")))
        folder.chmod(0o755)
        ports = {"flask": stack.enter_context(_flask(folder, "--index", str(_written_index(folder, "flask"))))}
        if certificate:
            ports[_TLS] = stack.enter_context(
                _flask(folder, "--certificate", str(certificate[0]), "--key", str(certificate[1]))
            )
        if shutil.which("php"):
            ports["php"] = stack.enter_context(_php(folder))
        if shutil.which("node"):
            ports["node"] = stack.enter_context(_node(folder))
        yield Lab(ports)


@contextmanager
def _flask(folder: Path, *options: str) -> Iterator[int]:
    # It gives its privileges up itself, once it has loaded what only root may be able to read.
    command = [sys.executable, "-m", "tests.lab.vulnerable.flask_app", *options]
    notes = folder / "notes"
    notes.mkdir(exist_ok=True)
    notes.chmod(0o777)
    environment = {**os.environ, "LAB_NOTES": str(notes)}
    with _process(command, cwd=HERE.parent.parent.parent, env=environment, privileged=True) as process:
        yield _told_port(process)


@contextmanager
def _php(folder: Path) -> Iterator[int]:
    code, uploads, port = folder / "php", folder / "uploads", free_port()
    shutil.copytree(HERE / "php_app", code)
    uploads.mkdir()
    _open(code)
    uploads.chmod(0o777)
    settings = ["-d", "expose_php=0", "-d", "display_errors=0", "-d", f"upload_tmp_dir={uploads}"]
    command = ["php", *settings, "-S", f"127.0.0.1:{port}", str(code / "index.php")]
    index = str(_written_index(folder, "php"))
    environment = {**os.environ, "PHP_CLI_SERVER_WORKERS": "4", "LAB_UPLOADS": str(uploads), "LAB_INDEX": index}
    with _process(command, cwd=code, env=environment):
        _wait_for(f"http://127.0.0.1:{port}/")
        yield port


@contextmanager
def _node(folder: Path) -> Iterator[int]:
    code = folder / "node"
    shutil.copytree(HERE / "node_app", code)
    _open(code)
    environment = {**os.environ, "LAB_INDEX": str(_written_index(folder, "node"))}
    with _process(["node", str(code / "app.js")], cwd=code, env=environment) as process:
        yield _told_port(process)


@contextmanager
def _process(command: list[str], privileged: bool = False, **options: Any) -> Iterator["subprocess.Popen[str]"]:
    """In a session of its own, so that what it started ends with it."""
    if os.getuid() == 0 and not privileged:
        options |= {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}
    process = subprocess.Popen(
        ["sh", "-c", _UNTIL_WE_ARE_GONE, "sh", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        **options,
    )
    try:
        yield process
    finally:
        os.killpg(process.pid, 9)
        process.wait(10)
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()


def _written_index(folder: Path, app: str) -> Path:
    """A first page from which a crawler finds what can be found by crawling."""
    entries = [
        _entry(flaw, word) for flaw in manifest() if flaw.app == app for word in ("flawed", "fixed") if flaw.crawlable
    ]
    shown = {f"/{word}{flaw.seen_at}" for flaw in manifest() if flaw.app == app for word in ("flawed", "fixed")}
    entries += [f'<a href="{path}">shown</a>' for path in sorted(shown) if path.count("/") > 1]
    page = folder / f"{app}.html"
    page.write_text("<!doctype html><html><body>" + "\n".join(entries) + "</body></html>", encoding="utf-8")
    page.chmod(0o644)
    return page


def _entry(flaw: Flaw, word: str) -> str:
    address = f"/{word}{flaw.path}"
    if flaw.file:
        field = f'<input type="file" name="{flaw.file}"><input type="submit">'
        return f'<form method="post" enctype="multipart/form-data" action="{address}">{field}</form>'
    if flaw.method == "POST":
        values = {flaw.at: flaw.value, **flaw.fields} if flaw.where else flaw.fields
        fields = "".join(f'<input name="{escape(name)}" value="{escape(value)}">' for name, value in values.items())
        return f'<form method="post" action="{address}">{fields}<input type="submit"></form>'
    if flaw.where == "query":
        return f'<a href="{address}?{escape(urlencode({flaw.at: flaw.value, **flaw.fields}))}">{flaw.name}</a>'
    return f'<a href="{address}{"?" + flaw.value if flaw.where == "raw_query" else ""}">{flaw.name}</a>'


def _told_port(process: "subprocess.Popen[str]") -> int:
    assert process.stdout
    line = process.stdout.readline()
    assert line.strip().isdecimal(), f"the application did not start: {line!r}"
    return int(line)


def _wait_for(url: str, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            urlopen(url, timeout=1).close()
        except URLError as error:
            if hasattr(error, "code"):
                return
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"nothing listens at {url}")


def _open(folder: Path) -> None:
    """Readable for everybody, whatever the checkout is."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
