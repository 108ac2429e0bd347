"""BIND with a zone that takes signed updates, and a client that resolves at each attempt."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dns.message
import dns.query

from secops.model.cluster import ClusterEntry, EntryDriver, Member
from tests.contracts.entry_rigs import Rig, Standing
from tests.contracts.entry_rigs.listening import cluster_of, heard, say, session
from tests.lab.sshd import free_port

NAMED = shutil.which("named", path="/usr/sbin:/usr/local/sbin:/usr/bin")
SECRET = "c2VjcmV0IG9mIHRoZSB0ZXN0IHRoYXQgaXMgbG9uZw=="
NAME, ZONE = "orders.city.test", "city.test"
_CONFIG = """
options {{ directory "{folder}"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no;
  pid-file "{folder}/pid"; session-keyfile "{folder}/session"; managed-keys-directory "{folder}"; }};
controls {{ }};
key "jindun" {{ algorithm hmac-sha256; secret "{secret}"; }};
zone "{zone}" {{ type primary; file "{folder}/zone"; update-policy {{ grant jindun name {name}. A AAAA; }}; }};
"""
_ZONE = "$TTL 60\n@ IN SOA ns.city.test. admin.city.test. 1 60 60 60 1\n@ IN NS ns.city.test.\nns IN A 127.0.0.1\n"


@contextmanager
def running_named(folder: Path) -> Iterator[int]:
    """A name server of the zone; gives its port."""
    folder.mkdir()
    port = free_port()
    (folder / "zone").write_text(_ZONE)
    config = folder / "named.conf"
    config.write_text(_CONFIG.format(folder=folder, port=port, secret=SECRET, zone=ZONE, name=NAME))
    assert NAMED
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([NAMED, "-g", "-n", "1", "-c", str(config)], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while b"running" not in (folder / "log").read_bytes() and process.poll() is None:
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.02)
        assert process.poll() is None, (folder / "log").read_text()
        yield port
    finally:
        process.terminate()
        process.wait(30)


def _resolve(port: int) -> str:
    answer = dns.query.udp(dns.message.make_query(f"{NAME}.", "A"), "127.0.0.1", 10, port)
    return answer.answer[0][0].address if answer.answer else ""


@contextmanager
def _stand(folder: Path) -> Iterator[Standing]:
    with ExitStack() as stack:
        addresses = {name: f"127.0.1.{place}" for place, name in enumerate("abc", 1)}
        first = stack.enter_context(say("a", addresses["a"]))
        port: int = first.getsockname()[1]
        for name in "bc":
            stack.enter_context(say(name, addresses[name], port))
        named = stack.enter_context(running_named(folder / "named"))
        secret = folder / "key"
        secret.write_text(SECRET + "\n")
        secret.chmod(0o600)
        entry = ClusterEntry(
            "c-a", NAME, port, EntryDriver.DNS, zone=ZONE, nameserver="127.0.0.1", nameserver_port=named,
            key="jindun", key_file=str(secret),
        )  # fmt: skip
        members = tuple(Member(name, f"c-{name}", "local", addresses[name], port) for name in "abc")

        def ask() -> str:
            address = _resolve(named)
            return heard(address, port) if address else ""

        yield Standing(cluster_of(members, entry), ask, lambda: session(_resolve(named), port))


rig = Rig("dns", _stand, lambda: "" if NAMED else "bind9 (named) is not installed")
