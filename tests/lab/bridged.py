"""Network namespaces on one bridge, as machines of one room."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from secops.model.step import Command, Procedure, Returned, Step, each_step


def _ip(*argv: str) -> None:
    subprocess.run(("ip", *argv), check=True, capture_output=True)


@contextmanager
def namespaces(prefix: str, places: str) -> Iterator[None]:
    """`<prefix><place>` for each letter, with a device `eth0` of 10.88.0.N on one bridge in `<prefix>hub`."""
    names = [f"{prefix}{place}" for place in places]
    hub = f"{prefix}hub"
    try:
        for name in (hub, *names):
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        _ip("-n", hub, "link", "add", "br0", "type", "bridge")
        _ip("-n", hub, "link", "set", "br0", "up")
        for number, name in enumerate(names, 1):
            _ip("-n", hub, "link", "add", f"p{number}", "type", "veth", "peer", "name", "eth0", "netns", name)
            _ip("-n", hub, "link", "set", f"p{number}", "master", "br0", "up")
            _ip("-n", name, "address", "add", f"10.88.0.{number}/24", "dev", "eth0")
            _ip("-n", name, "link", "set", "eth0", "up")
        yield
    finally:
        for name in (hub, *names):
            subprocess.run(("ip", "netns", "delete", name), capture_output=True, check=False)


def run_in(name: str, *argv: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        ("ip", "netns", "exec", name, *argv),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def first_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    return process.stdout.readline().strip()


@contextmanager
def started(name: str, *argv: str) -> Iterator["subprocess.Popen[str]"]:
    process = run_in(name, *argv)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def moved_into(name: str, procedure: Procedure[Returned]) -> Procedure[Returned]:
    """The procedure with each of its commands run in the namespace."""

    def moved(step: Step) -> Step:
        check = step.check and _inside(name, step.check)
        return replace(step, effect=_inside(name, step.effect), check=check)

    return each_step(procedure, moved)


def _inside(name: str, effect: object) -> Command:
    assert isinstance(effect, Command)
    return replace(effect, argv=("ip", "netns", "exec", name, *effect.argv))
