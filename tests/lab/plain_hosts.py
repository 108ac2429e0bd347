"""Three hosts that nobody but this test made: namespaces of network, processes and mounts on one machine, with a bridge.

Each has an /etc, /var/lib, /run and /opt of its own, so that the commands of a page work on it as they stand. What a real
host would have and these have not is a systemd: a small `systemctl` starts what units say.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_NEEDED = ("etcd", "etcdctl", "haproxy", "pg_createcluster", "nsenter", "unshare", "ip", "runuser")
_INIT = """
import os, time
while True:
    try:
        os.wait()
    except ChildProcessError:
        time.sleep(0.05)
"""
_FURNISH = """\
set -eu
mkdir -p {own}/etc {own}/lib {own}/run {own}/opt {own}/log {own}/local
cp -a /etc/. {own}/etc/
rm -rf {own}/etc/postgresql/* {own}/etc/default/etcd {own}/etc/jindun
mount --bind {own}/etc /etc
for each in lib run opt log local; do mount -t tmpfs -o mode=0755 jindun-test {own}/$each; done
mkdir -p {own}/lib/postgresql {own}/lib/etcd {own}/lib/haproxy {own}/run/haproxy {own}/run/postgresql {own}/run/lock {own}/log/postgresql
mkdir -p {own}/local/bin
cp {systemctl} {own}/local/bin/systemctl
chown -R postgres:postgres {own}/lib/postgresql {own}/run/postgresql {own}/log/postgresql
chown etcd:etcd {own}/lib/etcd
ln -s {root} {own}/opt/jindun
mount --bind {own}/lib /var/lib
mount --bind {own}/opt /opt
mount --bind {own}/log /var/log
mount --bind {own}/local /usr/local
mount --bind {own}/run /run
pg_createcluster 15 main >/dev/null
mkdir -p /etc/systemd/system
"""
_SYSTEMCTL = '''\
#!{python}
"""Starts and ends what units say, as far as the pages need it."""
import os, re, shlex, signal, subprocess, sys, time
from pathlib import Path

PIDS = Path("/run/units")

def unit_of(name):
    plain = name.removesuffix(".service")
    template = re.sub("@.*", "@", plain)
    for folder in ("/etc/systemd/system", "/lib/systemd/system"):
        for one in (plain, template):
            if (path := Path(folder, one + ".service")).exists():
                return path.read_text()
    sys.exit(f"no unit {{name}}")

def start(name):
    text, instance = unit_of(name), name.partition("@")[2].removesuffix(".service")
    environment = {{"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", "")}}
    for line in re.findall("^Environment=(.*)$", text, re.M):
        environment.update(word.partition("=")[::2] for word in shlex.split(line))
    for file in re.findall("^EnvironmentFile=-?(.*)$", text, re.M):
        if (path := Path(file.replace("%p", name))).exists():
            environment.update(line.partition("=")[::2] for line in path.read_text().splitlines() if "=" in line and line[0] != "#")
    if made := re.search("^StateDirectory=(.*)$", text, re.M):
        Path("/var/lib", made[1]).mkdir(exist_ok=True)
    command = re.search("^ExecStart=(.*)$", text, re.M)[1].replace("%i", instance)
    argv = [word for part in shlex.split(command) for word in expand(part, environment)]
    if user := re.search("^User=(.*)$", text, re.M):
        argv = ["setpriv", f"--reuid={{user[1]}}", f"--regid={{user[1]}}", "--init-groups", "--", *argv]
    environment.pop("DAEMON_ARGS", None)
    PIDS.mkdir(exist_ok=True)
    with open(f"/var/log/{{name}}.log", "ab") as log:
        made = subprocess.Popen(argv, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/")
    (PIDS / name).write_text(str(made.pid))

def expand(part, environment):
    if part.startswith("$"):
        return environment.get(part[1:], "").split()
    return [part]

def stop(name):
    try:
        pid = int((PIDS / name).read_text())
        os.kill(pid, signal.SIGTERM)
    except (OSError, ValueError):
        return
    for _ in range(200):
        if not Path(f"/proc/{{pid}}").exists():
            return
        time.sleep(0.05)
    os.killpg(pid, signal.SIGKILL)

verb, *rest = sys.argv[1:]
units = [word for word in rest if not word.startswith("-")]
if verb in ("restart", "stop"):
    [stop(unit) for unit in units]
if verb in ("restart", "start") or (verb == "enable" and "--now" in rest):
    [start(unit) for unit in units]
'''


@dataclass(frozen=True, slots=True)
class Host:
    """One of them; its processes end with the first."""

    name: str
    pid: int
    """Of its first process."""
    folder: Path

    def run(self, script: str, seconds: float = 240) -> "subprocess.CompletedProcess[str]":
        """As root, in a shell that stops at the first mistake."""
        environment = {
            "PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "PYTHONPATH": str(ROOT),
            "JINDUN_LANG": "en",
            "HOME": "/root",
        }
        return subprocess.run(
            [*self.inside, "sh", "-euc", script], capture_output=True, text=True, timeout=seconds, env=environment
        )

    def end(self) -> None:
        """As if its power were cut."""
        os.kill(self.pid, signal.SIGKILL)

    @property
    def inside(self) -> tuple[str, ...]:
        return ("nsenter", "-t", str(self.pid), "-m", "-n", "-p", "-u", "--")


def skip_where_no_host_can_stand() -> None:
    """Skips, with the reason."""
    if os.geteuid():
        pytest.skip("namespaces need root")
    missing = [name for name in _NEEDED if not shutil.which(name)]
    if missing or not Path("/usr/lib/postgresql/15").exists():
        pytest.skip(f"not installed: {', '.join(missing) or 'postgresql-15'}")


@contextmanager
def plain_hosts(addresses: Mapping[str, str]) -> Iterator[Mapping[str, Host]]:
    """A host for each address of one /24, all on one bridge; gone afterwards with all that runs on them."""
    skip_where_no_host_can_stand()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hosts-", dir=_place())))
        folder.chmod(0o755)
        switch = stack.enter_context(_first_process("switch", folder))
        _run("nsenter", "-t", str(switch), "-n", "ip", "link", "add", "lan", "type", "bridge")
        _run("nsenter", "-t", str(switch), "-n", "ip", "link", "set", "lan", "up")
        hosts = {}
        for name, address in addresses.items():
            pid = stack.enter_context(_first_process(name, folder))
            hosts[name] = Host(name, pid, folder / name)
            _plug_in(pid, switch, name, address)
            script = _FURNISH.format(own=folder / name, root=ROOT, systemctl=_systemctl(folder))
            done = hosts[name].run(script)
            assert done.returncode == 0, done.stderr
        yield hosts


def _place() -> str:
    return "/dev/shm" if Path("/dev/shm").exists() else "/tmp"


def _systemctl(folder: Path) -> Path:
    path = folder / "systemctl"
    path.write_text(_SYSTEMCTL.format(python=sys.executable))
    path.chmod(0o755)
    return path


@contextmanager
def _first_process(name: str, folder: Path) -> Iterator[int]:
    """Of a new network, mounts and processes. When it ends, the kernel ends everything in there and drops the mounts."""
    (folder / name).mkdir()
    spread = (
        "--net",
        "--mount",
        "--pid",
        "--uts",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "--propagation",
        "private",
    )
    outer = subprocess.Popen(["unshare", *spread, sys.executable, "-c", _INIT], stdin=subprocess.DEVNULL)
    try:
        pid = _child_of(outer.pid)
        _run("nsenter", "-t", str(pid), "-n", "ip", "link", "set", "lo", "up")
        _run("nsenter", "-t", str(pid), "-u", "hostname", name)
        yield pid
    finally:
        outer.kill()
        outer.wait()


def _child_of(pid: int) -> int:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        # Until it has become ours, it may still be in the old namespaces.
        if children and "import os" in Path(f"/proc/{children[0]}/cmdline").read_text():
            return int(children[0])
        time.sleep(0.02)
    raise AssertionError("no process in the new namespaces")


def _plug_in(pid: int, switch: int, name: str, address: str) -> None:
    into = ("nsenter", "-t", str(switch), "-n", "ip")
    _run(*into, "link", "add", f"to-{name}", "type", "veth", "peer", "name", "lan0", "netns", str(pid))
    _run(*into, "link", "set", f"to-{name}", "master", "lan", "up")
    own = ("nsenter", "-t", str(pid), "-n", "ip")
    _run(*own, "addr", "add", f"{address}/24", "dev", "lan0")
    _run(*own, "link", "set", "lan0", "up")


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True, timeout=30)
