"""Runs a program in another process on a file that cannot grow for long, or not at all."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parents[2]
_ENVIRONMENT = os.environ | {"PYTHONPATH": str(HERE)}


def on_full_disk(program: str, folder: Path) -> tuple[Path, str]:
    """On a file system of 2 MB of its own, in namespaces of its own; its file is copied out before it goes.

    The file as it is then, and what the program said. Skips the test where none can be mounted.
    """
    disk, kept = folder / "disk", folder / "kept"
    disk.mkdir()
    script = 'mount -t tmpfs -o size=2m tmpfs "$1" || exit 99; "$3" -c "$4" "$1/file" || exit 1; cp -a "$1" "$2"'
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", script, "sh", disk, kept, sys.executable, program],
        cwd=HERE,
        env=_ENVIRONMENT,
        capture_output=True,
        text=True,
    )
    if done.returncode == 99 or "unshare" in done.stderr:
        pytest.skip(f"no file system of our own can be mounted here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return kept / "file", done.stdout


def on_file_of_a_megabyte(program: str, path: Path) -> str:
    """On a file that the system lets grow no further; what it said."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        cwd=HERE,
        env=_ENVIRONMENT,
        capture_output=True,
        text=True,
        preexec_fn=limit,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def in_read_only_folder(program: str, path: Path) -> str:
    """Where a file system lets nothing be written; what it complained of. Skips the test where none can be mounted."""
    script = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" || exit 99; "$2" -c "$3" "$4"'
    arguments = ["sh", str(path.parent), sys.executable, program, str(path)]
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", script, *arguments],
        cwd=HERE,
        env=_ENVIRONMENT,
        capture_output=True,
        text=True,
    )
    if done.returncode == 99 or "unshare" in done.stderr:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    return done.stderr
