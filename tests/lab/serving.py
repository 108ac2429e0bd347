"""Servers that refuse root, or should not have it: started as nobody when the tests run as root, ended with them."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_NOBODY = 65534
_PATIENCE_SECONDS = 30.0


@contextmanager
def folder_for_server(name: str) -> Iterator[Path]:
    """A folder that the server's user owns; not below pytest's, which only its owner may enter."""
    folder = Path(tempfile.mkdtemp(prefix=f"jindun-{name}-"))
    try:
        if os.getuid() == 0:
            os.chown(folder, _NOBODY, _NOBODY)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def give_to_server(tree: Path) -> None:
    """Make the server's user the owner of all of it."""
    if os.getuid() == 0:
        for path in (tree, *tree.rglob("*")):
            os.chown(path, _NOBODY, _NOBODY, follow_symlinks=False)


def run_as_server(*argv: str) -> None:
    """Run a program to its end, as the server's user."""
    subprocess.run(argv, check=True, capture_output=True, timeout=120, cwd="/", **server_identity())


@contextmanager
def serving(argv: Sequence[str], folder: Path, ready: Callable[[], bool]) -> Iterator["subprocess.Popen[bytes]"]:
    """Keep a server running once it is `ready`; what it prints goes to `folder`/output."""
    output = folder / "output"
    with output.open("wb") as file:
        process = subprocess.Popen(
            # Ends with us also when we are killed.
            ["setpriv", "--pdeathsig", "KILL", *argv],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            **server_identity(),
        )
    try:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not ready():
            assert process.poll() is None and time.monotonic() < deadline, output.read_text(errors="replace")[-4000:]
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()


def server_identity() -> dict[str, Any]:
    """The user and group of servers, as `subprocess` takes them; nothing unless we are root."""
    return {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
