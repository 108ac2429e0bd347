"""HAProxy before three listeners on loopback."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from secops.model.cluster import ClusterEntry, Member
from tests.contracts.entry_rigs import Rig, Standing
from tests.contracts.entry_rigs.listening import cluster_of, heard, say, session
from tests.lab.haproxy import HAPROXY, running_haproxy


@contextmanager
def _stand(folder: Path) -> Iterator[Standing]:
    with ExitStack() as stack:
        lines = {}
        for name in "abc":
            listener = stack.enter_context(say(name, "127.0.0.1"))
            lines[name] = f"127.0.0.1:{listener.getsockname()[1]} disabled"
        running = stack.enter_context(running_haproxy(folder / "haproxy", lines, mode="tcp"))
        port = urlsplit(running.url).port or 0
        entry = ClusterEntry("c-a", "127.0.0.1", port, socket=running.socket, backend="web")
        members = tuple(Member(name, f"c-{name}", "local", "127.0.0.1") for name in "abc")
        yield Standing(cluster_of(members, entry), lambda: heard("127.0.0.1", port), lambda: session("127.0.0.1", port))


rig = Rig("haproxy", _stand, lambda: "" if HAPROXY else "haproxy is not installed")
