"""Templates of a public corpus against local nginx sites: wall time, CPU, memory, requests, matches.

    make bench-templates CORPUS=path     or the variable JINDUN_CORPUS, or the first argument
    a second argument: how many sites, otherwise one and then twenty; a third, `listen`: with an out-of-band listener

The peer's numbers were measured once on two idle cores of a machine like this one: nuclei 3.10, same exclusions. It ran
without a listener, so that it sent nothing that only a call could prove; neither do we unless told to.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.template_requests import sorted_requests
from scanners.web.templates.library import load
from scanners.web.templates.selection import USUALLY_EXCLUDED
from tests.lab.nginx import NGINX, Nginx, running_nginx

PEER: dict[int, dict[str, float]] = {
    1: {"wall": 34.0, "cpu": 12.0, "mb": 526, "requests": 9_003},
    20: {"wall": 82.0, "cpu": 132.0, "mb": 811, "requests": 180_042},
}
TARGET = {1: {"wall": 8.5, "cpu": 5.0}, 20: {"wall": 41.0, "cpu": 66.0}}
MOST_MB = 220
MOST_LOAD_SECONDS = 1.0
MOST_OF_ITS_REQUESTS = 0.8
PAGE = (
    "<!DOCTYPE html><html><head><title>Welcome to nginx!</title></head><body><h1>Welcome to nginx!</h1></body></html>"
)
HEADERS = (
    "strict-transport-security", "content-security-policy", "permissions-policy", "x-frame-options",
    "x-content-type-options", "x-permitted-cross-domain-policies", "referrer-policy", "clear-site-data",
    "cross-origin-embedder-policy", "cross-origin-opener-policy", "cross-origin-resource-policy",
)  # fmt: skip
TRUE = {
    "default-nginx-page", "nginx-version", "tech-detect:nginx", "waf-detect:nginxgeneric",
    *(f"http-missing-security-headers:{name}" for name in HEADERS),
}  # fmt: skip
"""What is true of such a site by the text of each template: see the decision on matches."""


def main() -> int:
    """The exit code: 1 when a target is missed."""
    corpus = Path(
        sys.argv[1] if len(sys.argv) > 1 else os.environ.get("JINDUN_CORPUS") or os.environ.get("CORPUS") or ""
    )
    if not corpus.name or not corpus.exists():
        print("skipped: no corpus of templates; name it with JINDUN_CORPUS=path")
        return 0
    counts = [int(sys.argv[2])] if len(sys.argv) > 2 else [1, 20]
    return max([_bench(corpus.resolve(), sites, listens="listen" in sys.argv[3:]) for sites in counts])


def _bench(corpus: Path, sites: int, listens: bool) -> int:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, ExitStack() as stack:
        servers = [stack.enter_context(_site(Path(folder) / f"site-{number}")) for number in range(sites)]
        _scan(Path(folder), corpus, servers[:1], listens)  # reads the templates for the first time
        for server in servers:
            server.log.write_text("")
        measured = _scan(Path(folder), corpus, servers, listens)
        measured["load"] = _warm_load(corpus, Path(folder))
        if sites == 1 and not listens:
            _tell_kinds(corpus, Path(folder), f"http://127.0.0.1:{servers[0].port}/")
    return _told(sites, measured)


def _tell_kinds(corpus: Path, folder: Path, url: str) -> None:
    """What is sent with gating off, and what the target would leave out: see the decision on templates."""
    library = load([corpus], folder / "cache" / "jindun" / "templates")
    chosen = [one for one in library.templates if not set(USUALLY_EXCLUDED) & set(one.info.tags)]
    counts = sorted_requests(chosen, url, PAGE)
    print("what the requests to one site are, worked out from the templates:")
    for kind, count in counts.most_common():
        print(f"  {count:6}  {kind}")
    without = counts.total() - counts["later step"]
    most = MOST_OF_ITS_REQUESTS * PEER[1]["requests"]
    print(f"  {counts.total():6}  together; {without} if no later step at all were sent, and the target is {most:.0f}")


def _told(sites: int, measured: dict[str, Any]) -> int:
    peer, target = PEER.get(sites), TARGET.get(sites)
    print(f"{sites} site(s), load of the machine {', '.join(f'{one:.1f}' for one in os.getloadavg())}")
    print(f"{'':10} {'wall s':>8} {'CPU s':>8} {'MB each':>8} {'requests':>9} {'matches':>8} {'load s':>7}")
    line = "{:10} {wall:8.1f} {cpu:8.1f} {mb:8.0f} {requests:9} {matches:8} {load:7.2f}"
    print(line.format("ours", **measured))
    if peer:
        print("{:10} {wall:8.1f} {cpu:8.1f} {mb:8} {requests:9}".format("nuclei", **peer))
    for name, rules in (("missing", TRUE - measured["rules"]), ("more than is true", measured["rules"] - TRUE)):
        if rules:
            print(f"{name}: {', '.join(sorted(rules))}")
    missed = [] if target is None or peer is None else _missed(measured, peer, target)
    missed += ["matches"] * (measured["rules"] != TRUE or measured["matches"] != sites * len(TRUE))
    print(f"missed: {', '.join(missed)}" if missed else "every target is met")
    measured["rules"] = sorted(measured["rules"])
    ratio = round(float(measured["cpu"]) / peer["cpu"], 2) if peer else None
    row = {"name": f"templates-{sites}", "ours": measured, "peer": peer, "ratio": ratio, "target": target}
    print(json.dumps({**row, "missed": missed, "ok": not missed}))
    return bool(missed)


def _missed(measured: dict[str, Any], peer: dict[str, float], target: dict[str, float]) -> list[str]:
    most = {**target, "mb": MOST_MB, "requests": MOST_OF_ITS_REQUESTS * peer["requests"], "load": MOST_LOAD_SECONDS}
    return [f"{name} {measured[name]:.4g} > {limit:.4g}" for name, limit in most.items() if measured[name] > limit]


@contextmanager
def _site(folder: Path) -> Iterator[Nginx]:
    folder.mkdir()
    with running_nginx(folder) as server:
        (server.root / "index.html").write_text(PAGE)
        yield server


def _scan(folder: Path, corpus: Path, servers: list[Nginx], listens: bool) -> dict[str, Any]:
    """Scan all sites in one call, and measure what it took with all its processes."""
    began = time.monotonic()
    process = _start(folder, corpus, servers, listens)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode in (0, 1), f"the scan ended with {process.returncode}"
    lines = [json.loads(line) for line in (folder / "found").read_text().splitlines()]
    first = f"http://127.0.0.1:{servers[0].port}/"
    return {
        "wall": round(wall, 2),
        "cpu": round(used.ru_utime + used.ru_stime, 2),
        "mb": round(used.ru_maxrss / 1024),
        "requests": sum(len(server.asked()) for server in servers),
        "matches": len(lines),
        "rules": {f"{one['rule']}:{one['matcher']}".rstrip(":") for one in lines if one["url"].startswith(first)},
    }


def _start(folder: Path, corpus: Path, servers: list[Nginx], listens: bool) -> "subprocess.Popen[bytes]":
    (folder / "targets").write_text("\n".join(f"http://127.0.0.1:{server.port}/" for server in servers))
    command = [
        sys.executable, "-m", "secops", "scan", "web", "--targets", folder / "targets", "--templates", corpus,
        "--no-shipped", "--no-checks", "--no-gating", "--profile", "normal", "--rate", "1000000", "--connections", "16",
        "--output", folder / "found", "--scope", "127.0.0.0/8", "--approved-by", "benchmark",
        *([] if listens else ["--listen-at", ""]),
    ]  # fmt: skip
    environment = {
        **os.environ,
        "XDG_CACHE_HOME": str(folder / "cache"),
        "PYTHONPATH": str(Path(__file__).parent.parent),
    }
    environment.pop("JINDUN_HOME", None)
    return subprocess.Popen([str(word) for word in command], cwd=folder, env=environment, stderr=subprocess.DEVNULL)


def _warm_load(corpus: Path, folder: Path) -> float:
    """Seconds to load the templates when they were read before."""
    began = time.monotonic()
    load([corpus], folder / "cache" / "jindun" / "templates")
    return round(time.monotonic() - began, 2)


if __name__ == "__main__":
    if not NGINX:
        print("skipped: nginx is not installed")
        sys.exit(0)
    sys.exit(main())
