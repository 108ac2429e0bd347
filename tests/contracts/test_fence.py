"""What every hard fence must do. A new one is one file in `backup/failover/fences/`; this suite finds it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from backup.failover.fence import Fence, all_fences, confirm, lift_all
from secops.model.cluster import Cluster, FenceKind, Member, MemberFence
from secops.model.step import ProcedureFailed
from tests.backup.performing import Performing
from tests.contracts.entry_rigs.listening import SAY, cluster_of
from tests.lab.bridged import first_line, moved_into, namespaces, started

pytestmark = pytest.mark.slow

_PORT = 7001
_TALK = """
import socket
def heard():
    try: return socket.create_connection(('10.88.0.1', 7001), timeout=5).recv(9).decode()
    except OSError as error: return type(error).__name__
held = socket.create_connection(('10.88.0.1', 7001), timeout=5)
held.recv(9)
print(heard(), flush=True)
while input():
    print(heard(), flush=True)
    held.settimeout(20)
    try: print('ended' if held.recv(9) == b'' else 'open', flush=True)
    except TimeoutError: print('open', flush=True)
    except OSError: print('ended', flush=True)
"""


@dataclass
class Scene:
    """A member in a namespace of its own, with a client connected to it."""

    fence: Fence
    cluster: Cluster
    member: Member
    namespace: str
    performing: Performing
    client: "subprocess.Popen[str]"

    def seen_by_client(self) -> tuple[str, str]:
        """What a new connection hears, and what became of the session in flight."""
        assert self.client.stdin
        self.client.stdin.write("go\n")
        self.client.stdin.flush()
        return first_line(self.client), first_line(self.client)

    @property
    def told(self) -> MemberFence:
        return self.member.fences[0]

    def run(self, procedure: object) -> object:
        return self.performing.run(moved_into(self.namespace, procedure))  # type: ignore[arg-type]


@pytest.fixture(params=sorted(all_fences()))
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    if missing := [program for program in ("ip", "ss", "nft") if not shutil.which(program)]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    prefix = f"jf{os.getpid()}"
    with ExitStack() as stack:
        stack.enter_context(namespaces(prefix, "ax"))
        serving = stack.enter_context(started(f"{prefix}a", sys.executable, "-c", SAY, "0.0.0.0", str(_PORT), "old"))
        assert first_line(serving) == "up"
        client = stack.enter_context(started(f"{prefix}x", sys.executable, "-c", _TALK))
        assert first_line(client) == "old"
        power = ("kill", "-KILL", str(serving.pid))
        gone = ("sh", "-c", f"! grep -q '^State:.[RSD]' /proc/{serving.pid}/status")
        fence = MemberFence(request.param, power, gone, timeout_seconds=30)
        member = Member("old", "c-a", "local", "10.88.0.1", _PORT, fences=(fence,))
        performing = stack.enter_context(Performing(tmp_path))
        yield Scene(all_fences()[request.param], cluster_of((member,)), member, f"{prefix}a", performing, client)


def test_it_holds_ends_what_is_in_flight_and_can_be_lifted(scene: Scene) -> None:
    stands = lambda: scene.run(scene.fence.stands(scene.cluster, scene.member, scene.told))  # noqa: E731
    assert stands() is False
    (done,) = scene.run(confirm(scene.cluster, scene.member))  # type: ignore[misc]
    assert (done.kind, done.confirmed) == (scene.fence.kind, True), done.because.en
    assert stands() is True
    heard, session = scene.seen_by_client()
    assert heard in ("ConnectionRefusedError", "ConnectionResetError")
    assert session == "ended"
    scene.run(confirm(scene.cluster, scene.member))
    assert stands() is True
    scene.run(lift_all(scene.cluster, scene.member))
    scene.run(lift_all(scene.cluster, scene.member))
    if scene.fence.kind is FenceKind.NFTABLES:
        assert stands() is False
        assert scene.seen_by_client()[0] == "old"


def test_what_cannot_be_confirmed_is_said(tmp_path: Path) -> None:
    unproven = MemberFence(FenceKind.POWER, ("true",))
    failing = replace(unproven, command=("false",))
    slow = replace(unproven, command=("sleep", "30"), timeout_seconds=0.2)
    proven = replace(unproven, confirm=("true",))
    member = Member("old", "c-a", "local", "127.0.0.1", fences=(unproven, failing, slow))
    cluster = cluster_of((member,))
    with Performing(tmp_path) as performing:
        with pytest.raises(ProcedureFailed, match=r"not seen to hold.*cannot be taken.*cannot be taken"):
            performing.run(confirm(cluster, member))
        mixed = replace(member, fences=(failing, proven))
        told = performing.run(confirm(cluster, mixed))
        assert [one.confirmed for one in told] == [False, True]
        assert performing.run(confirm(cluster, replace(member, fences=()))) == ()
