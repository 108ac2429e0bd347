"""A real sshd on a free loopback port, with its own keys, for the user who runs the tests (root or not)."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from secops.demo.guardian import privilege_separation_folder
from secops.model.city import Asset, AssetKind, SshAddress
from secops.model.text import Text

SSHD = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


@dataclass(frozen=True, slots=True)
class Sshd:
    """A running server and what is needed to log in to it."""

    address: str
    port: int
    user: str
    host_key: Path
    """Private host key; the public one is beside it with `.pub`."""
    client_key: Path
    """Private key that may log in."""
    known_hosts: Path
    """Pins the host key under `[address]:port`."""
    log: Path
    pid: int

    def asset(self, name: str = "host-1") -> Asset:
        """This server as a host of the inventory."""
        return Asset(
            id=name,
            kind=AssetKind.HOST,
            name=Text("测试主机", "test host"),
            centre="c1",
            address=self.address,
            ssh=SshAddress(user=self.user, port=self.port),
        )

    def connections(self) -> int:
        """How many times somebody connected so far."""
        return self.log.read_text(errors="replace").count("\nConnection from ")

    def sessions(self) -> list[int]:
        """The processes below the server: one or two per connection, and what they run."""
        return descendants(self.pid)

    def kill_sessions(self, *, commands: bool = True) -> None:
        """Cut every connection at once, and end what runs on them if wanted; the server itself goes on listening."""
        for pid in self.sessions():
            with suppress(ProcessLookupError, FileNotFoundError):
                if commands or Path(f"/proc/{pid}/comm").read_text().startswith("sshd"):
                    os.kill(pid, signal.SIGKILL)


@contextmanager
def running_sshd(
    folder: Path, *, host_key: Path | None = None, client_key: Path | None = None, options: tuple[str, ...] = ()
) -> Iterator[Sshd]:
    """Keep an sshd running in `folder`, which is made when missing.

    Keys that are not given are made in the folder; `home` in it is the HOME of what runs. `options` are lines of its
    configuration that go before ours, and win.
    """
    folder.mkdir(parents=True, exist_ok=True)
    host_key = host_key or make_key(folder / "host_key")
    client_key = client_key or make_key(folder / "client_key")
    authorized = folder / "authorized_keys"
    authorized.write_text(public(client_key))
    with privilege_separation_folder():
        (folder / "home").mkdir(exist_ok=True)
        process, port, log = _start(folder, host_key, authorized, options)
        try:
            known_hosts = folder / "known_hosts"
            known_hosts.write_text(pin("127.0.0.1", port, host_key))
            user = pwd.getpwuid(os.getuid()).pw_name
            yield Sshd("127.0.0.1", port, user, host_key, client_key, known_hosts, log, process.pid)
        finally:
            _stop(process)


def make_key(path: Path, kind: str = "ed25519") -> Path:
    """A new key pair at `path` and `path`.pub."""
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "test", "-f", str(path)], check=True)
    return path


def public(key: Path) -> str:
    """The public half as one line."""
    return key.with_name(key.name + ".pub").read_text()


def pin(address: str, port: int, host_key: Path) -> str:
    """The line of a known_hosts file."""
    return f"[{address}]:{port} {public(host_key)}"


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def descendants(pid: int) -> list[int]:
    """Every process below `pid`, parents first."""
    children: list[int] = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            children += [int(child) for child in tasks.read_text().split()]
    return children + [below for child in children for below in descendants(child)]


def _start(
    folder: Path, host_key: Path, authorized: Path, options: tuple[str, ...]
) -> tuple["subprocess.Popen[bytes]", int, Path]:
    """Start on a free port; another one is tried when somebody took it in between."""
    assert SSHD, "sshd is not installed"
    log = folder / "sshd.log"
    for _attempt in range(5):
        port = free_port()
        config = folder / "sshd_config"
        config.write_text("\n".join((*options, *_settings(port, host_key, authorized))) + "\n")
        with log.open("wb") as sink:
            sink.write(b"\n")
            sink.flush()
            process = subprocess.Popen(
                [SSHD, "-D", "-e", "-f", str(config)], stdin=subprocess.DEVNULL, stdout=sink, stderr=sink
            )
        if _listens(process, log):
            return process, port, log
        _stop(process)
    raise AssertionError(f"sshd did not start: {log.read_text(errors='replace')}")


def _settings(port: int, host_key: Path, authorized: Path) -> tuple[str, ...]:
    return (
        f"Port {port}",
        "ListenAddress 127.0.0.1",
        f"HostKey {host_key}",
        f"AuthorizedKeysFile {authorized}",
        # What the user's own shell start-up files do must not decide how long a test takes.
        f"SetEnv HOME={authorized.parent / 'home'}",
        "PidFile none",
        f"UsePAM {'yes' if _password_locked() else 'no'}",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "PermitRootLogin prohibit-password",
        "StrictModes no",
        "UseDNS no",
        "PrintMotd no",
        "PrintLastLog no",
        "MaxStartups 100",
        "LogLevel VERBOSE",
        "Subsystem sftp internal-sftp",
    )


def _password_locked() -> bool:
    """Without PAM, sshd as root turns away accounts whose password is locked with `!`."""
    try:
        lines = Path("/etc/shadow").read_text().splitlines()
    except OSError:
        return False
    return any(line.startswith(pwd.getpwuid(os.getuid()).pw_name + ":!") for line in lines)


def _listens(process: "subprocess.Popen[bytes]", log: Path) -> bool:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if b"Server listening on" in log.read_bytes():
            return True
        time.sleep(0.01)
    return False


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """End the server and everything below it, by pid: each connection has a process group of its own."""
    below = descendants(process.pid)
    process.terminate()
    for pid in below:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
