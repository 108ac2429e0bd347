"""A server of the lab as data, and how one is started so that it outlives the command that started it."""

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from secops.lab import namespaces
from secops.lab.places import Lab
from secops.model.text import Text
from secops.support.errors import Incomplete

START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Server:
    """A program that serves in the foreground in one place."""

    name: str
    place: str
    argv: tuple[str, ...]
    ready: Callable[[], bool]
    """Whether it serves by now."""
    user: str = "root"


def start(lab: Lab, server: Server) -> None:
    """Set it going in its namespace, in a session of its own; `wait` tells when it serves."""
    drop = () if server.user == "root" else as_user(server.user)
    detach = ("setsid", "--fork", *drop, *server.argv)
    argv = ("nsenter", f"--net={namespaces.handle(lab.namespace(server.place))}", "--", *detach)
    with lab.log(server.place, server.name).open("ab") as log:
        # Nothing of the terminal stays with it.
        subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", check=True)


def wait(lab: Lab, *servers: Server) -> None:
    """Until each serves. Raises Incomplete with the end of a log."""
    deadline = time.monotonic() + START_SECONDS
    waiting = list(servers)
    while waiting := [server for server in waiting if not server.ready()]:
        if time.monotonic() > deadline:
            server = waiting[0]
            said = lab.log(server.place, server.name).read_text(errors="replace").strip()[-600:]
            raise Incomplete(
                Text(
                    f"{server.place} 的 {server.name} 未能启动:{said}",
                    f"{server.name} of {server.place} did not start: {said}",
                )
            )
        time.sleep(0.01)


def as_user(user: str) -> tuple[str, ...]:
    """The words before a command that make it another user's."""
    account = pwd.getpwnam(user)
    return ("setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups", "--")


def servers_user() -> str:
    """Who databases run as: they refuse root."""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise Incomplete(Text("没有用户 postgres 或 nobody", "there is no user postgres nor nobody"))


def give(path: Path, user: str) -> None:
    """Make the folder the user's."""
    account = pwd.getpwnam(user)
    os.chown(path, account.pw_uid, account.pw_gid)


def program(name: str, package: str, *, folder: str = "") -> str:
    """Full path of a program. Raises Incomplete with the Debian package that brings it."""
    found = shutil.which(name, path=f"{folder}:{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin")
    if not found:
        raise Incomplete(
            Text(
                f"缺少程序 {name};请安装:apt-get install {package}",
                f"the program {name} is missing; install it: apt-get install {package}",
            )
        )
    return found
