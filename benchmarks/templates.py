"""Templates of a public corpus against local nginx sites: wall time, CPU, memory, requests, matches.

    make bench-templates CORPUS=path     or the variable JINDUN_CORPUS, or the first argument; a second: number of sites

The peer's numbers were measured once on two idle cores of a machine like this one: nuclei 3.10, same exclusions.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.lab.nginx import NGINX, Nginx, running_nginx

PEER: dict[int, dict[str, float]] = {
    1: {"wall": 34.0, "cpu": 12.0, "mb": 526, "requests": 9_003},
    20: {"wall": 82.0, "cpu": 132.0, "mb": 811, "requests": 180_042},
}
TARGET = {1: {"wall": 8.5, "cpu": 5.0}, 20: {"wall": 41.0, "cpu": 66.0}}
MOST_MB = 220
PAGE = (
    "<!DOCTYPE html><html><head><title>Welcome to nginx!</title></head><body><h1>Welcome to nginx!</h1></body></html>"
)


def main() -> int:
    """The exit code: 1 when a target is missed."""
    corpus = Path(
        sys.argv[1] if len(sys.argv) > 1 else os.environ.get("JINDUN_CORPUS") or os.environ.get("CORPUS") or ""
    )
    if not corpus.name or not corpus.exists():
        print("skipped: no corpus of templates; name it with JINDUN_CORPUS=path")
        return 0
    sites = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, ExitStack() as stack:
        servers = [stack.enter_context(_site(Path(folder) / f"site-{number}")) for number in range(sites)]
        _scan(Path(folder), corpus, servers[:1])  # reads the templates for the first time
        for server in servers:
            server.log.write_text("")
        measured = _scan(Path(folder), corpus, servers)
    peer, target = PEER.get(sites), TARGET.get(sites)
    print(f"{'':10} {'wall s':>8} {'CPU s':>8} {'MB':>6} {'requests':>9} {'matches':>8}")
    print("{:10} {wall:8.1f} {cpu:8.1f} {mb:6.0f} {requests:9} {matches:8}".format("ours", **measured))
    if peer:
        print("{:10} {wall:8.1f} {cpu:8.1f} {mb:6} {requests:9}".format("nuclei", **peer))
    print("matches of the first site: " + ", ".join(measured["rules"]))
    ok = target is None or (
        measured["wall"] <= target["wall"] and measured["cpu"] <= target["cpu"] and measured["mb"] <= MOST_MB
        and peer is not None and measured["requests"] <= 0.8 * peer["requests"]
    )  # fmt: skip
    ratio = round(float(measured["cpu"]) / peer["cpu"], 2) if peer else None
    row = {"name": f"templates-{sites}", "ours": measured, "peer": peer, "ratio": ratio, "target": target, "ok": ok}
    print(json.dumps(row))
    return 0 if ok else 1


@contextmanager
def _site(folder: Path) -> Iterator[Nginx]:
    folder.mkdir()
    with running_nginx(folder) as server:
        (server.root / "index.html").write_text(PAGE)
        yield server


def _scan(folder: Path, corpus: Path, servers: list[Nginx]) -> dict[str, Any]:
    """Scan all sites, in as many processes as there are cores, and measure what they took."""
    processes = min(os.cpu_count() or 1, len(servers))
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    running = [_start(folder, corpus, servers[part::processes], part) for part in range(processes)]
    largest = max(_waited(process) for process in running)
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    lines = [json.loads(line) for part in range(processes) for line in (folder / f"o{part}").read_text().splitlines()]
    first = f"http://127.0.0.1:{servers[0].port}/"
    return {
        "wall": round(wall, 2),
        "cpu": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 2),
        "mb": largest / 1024,
        "requests": sum(len(server.asked()) for server in servers),
        "matches": len(lines),
        "rules": [f"{one['rule']}:{one['matcher']}".rstrip(":") for one in lines if one["url"].startswith(first)],
    }


def _start(folder: Path, corpus: Path, servers: list[Nginx], part: int) -> "subprocess.Popen[bytes]":
    (folder / f"targets{part}").write_text("\n".join(f"http://127.0.0.1:{server.port}/" for server in servers))
    command = [
        sys.executable, "-m", "secops", "scan", "web", "--targets", folder / f"targets{part}", "--templates", corpus,
        "--no-shipped", "--no-checks", "--no-gating", "--profile", "normal", "--rate", "1000000", "--connections", "16",
        "--output", folder / f"o{part}", "--scope", "127.0.0.0/8", "--approved-by", "benchmark",
    ]  # fmt: skip
    environment = {
        **os.environ,
        "XDG_CACHE_HOME": str(folder / "cache"),
        "PYTHONPATH": str(Path(__file__).parent.parent),
    }
    environment.pop("JINDUN_HOME", None)
    return subprocess.Popen([str(word) for word in command], cwd=folder, env=environment, stderr=subprocess.DEVNULL)


def _waited(process: "subprocess.Popen[bytes]") -> int:
    """Its largest memory in KiB."""
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode in (0, 1), f"the scan ended with {process.returncode}"
    return used.ru_maxrss


if __name__ == "__main__":
    if not NGINX:
        print("skipped: nginx is not installed")
        sys.exit(0)
    sys.exit(main())
