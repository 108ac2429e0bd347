"""Three centres on loopback and one entry: real nginx, sshd and vaults, and HAProxy before them."""

import errno
import secrets
import socket
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom
from types import TracebackType

from backup.vaults import append_only_line
from secops.demo import haproxy, nginx, site, sshd
from secops.demo.centre import LiveCentre, Ports
from secops.demo.credentials import Authority, SshKey, make_ssh_key
from secops.demo.processes import PortTaken, Processes, new_folder, program, usable
from secops.model.city import CentreRole
from secops.model.text import Text
from secops.support.errors import Incomplete

_ATTEMPTS = 4
_PORTS = range(20_000, 32_000)
"""Below the range that outgoing connections take their ports from."""
_COMMON_PORTS = (8080, 8888, 8000, 9090)
_ENTRY_HOST = 10
_CERTIFICATE_DAYS = 90
_SHORT_CERTIFICATE_DAYS = 5


@dataclass(frozen=True, slots=True)
class Centres:
    """What stands; a context manager that ends it. All addresses lie in `network`, which no other demo uses."""

    folder: Path
    network: str
    """CIDR block of loopback addresses."""
    production: LiveCentre
    local_dr: LiveCentre
    remote_dr: LiveCentre
    entry_url: str
    """What clients connect to."""
    entry_socket: Path
    """HAProxy's runtime socket, admin level."""
    admin_key: Path
    """Private key of the service, let in by all three hosts."""
    known_hosts: Path
    """Pinned host keys of all three."""
    authority: Path
    """Certificate of the authority that signed the centres' TLS certificates."""
    pids: dict[str, int]
    """By server: `nginx production`, `sshd local_dr`, `haproxy` …"""
    processes: Processes

    @property
    def all(self) -> tuple[LiveCentre, LiveCentre, LiveCentre]:
        """Production, local DR, remote DR."""
        return (self.production, self.local_dr, self.remote_dr)

    def keep(self) -> int:
        """Leave everything standing; the pid whose SIGTERM ends and removes it."""
        return self.processes.keep()

    def close(self) -> None:
        """End all servers and remove the folder. May be called twice."""
        self.processes.close()

    def __enter__(self) -> "Centres":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def start(folder: Path | None = None) -> Centres:
    """Start everything; returns when every server answers and a login over ssh works.

    `folder` must not exist; by default a new one in the temporary directory. Raises BadInput, and Incomplete when a
    program is missing, the user cannot log in over ssh or a server does not come up.
    """
    user = sshd.login_name()
    program("borg", "borgbackup")
    for _ in range(_ATTEMPTS):
        try:
            return _start_once(usable(folder or new_folder()), user)
        except PortTaken as taken:
            reason = str(taken)
    raise Incomplete(Text(f"端口一再被占用:{reason}", f"ports were taken again and again: {reason}"))


def _start_once(folder: Path, user: str) -> Centres:
    with ExitStack() as undo:
        processes = undo.enter_context(Processes(folder))
        network = f"127.{secrets.randbelow(250) + 2}.{secrets.randbelow(250) + 2}"
        production, local_dr, remote_dr = every = tuple(_site_of(role, folder, network, user) for role in CentreRole)
        known_hosts = folder / "known_hosts"
        admin = _provide(folder, every, known_hosts)
        entry_address = f"{network}.{_ENTRY_HOST}"
        entry_port = _free_ports(entry_address, 1)[0]
        pids = processes.start(
            *(server for centre in every for server in (nginx.server(centre), sshd.server(centre))),
            haproxy.server(folder, entry_address, entry_port, every),
        )
        _prove_login(production, admin, known_hosts)
        undo.pop_all()
    return Centres(
        folder=folder,
        network=f"{network}.0/24",
        production=production,
        local_dr=local_dr,
        remote_dr=remote_dr,
        entry_url=f"http://{entry_address}:{entry_port}/",
        entry_socket=folder / "entry.sock",
        admin_key=admin.path,
        known_hosts=known_hosts,
        authority=folder / "ca.pem",
        pids=pids,
        processes=processes,
    )


def _site_of(role: CentreRole, folder: Path, network: str, user: str) -> LiveCentre:
    """A centre with an address and ports that are free now."""
    address = f"{network}.{list(CentreRole).index(role) + 1}"
    forgotten = _first_free(address, _COMMON_PORTS) if role is CentreRole.PRODUCTION else 0
    site_port, tls, isolated, ssh = _free_ports(address, 4)
    return LiveCentre(role, folder / role, address, user, Ports(site_port, tls, isolated, ssh, forgotten))


def _provide(folder: Path, every: tuple[LiveCentre, ...], known_hosts: Path) -> SshKey:
    """Folders, content, keys and certificates of all centres; the service's own key."""
    for centre in every:
        for path in (centre.folder, centre.vault, centre.isolated, centre.logs, centre.home):
            path.mkdir(mode=0o700)
        site.write(centre)
    admin = make_ssh_key(folder / "admin_key")
    authority = Authority(folder)
    host_keys = [(centre, make_ssh_key(centre.folder / "host_key").public) for centre in every]
    vault_keys = {centre.role: make_ssh_key(centre.vault_key) for centre in every}
    known_hosts.write_text(sshd.pins(host_keys))
    for centre in every:
        authority.issue(
            centre.folder, centre.address, _SHORT_CERTIFICATE_DAYS if centre.production else _CERTIFICATE_DAYS
        )
        centre.known_hosts.write_text(known_hosts.read_text())
        guests = [
            append_only_line(key.public, str(centre.vault)) for role, key in vault_keys.items() if role != centre.role
        ]
        (centre.folder / "authorized_keys").write_text("\n".join([admin.public, *guests]) + "\n")
    return admin


def _prove_login(centre: LiveCentre, admin: SshKey, known_hosts: Path) -> None:
    """One login, so that whatever this machine has against it is said now and not in the middle of the story."""
    options = [f"UserKnownHostsFile={known_hosts}", "StrictHostKeyChecking=yes", "BatchMode=yes", "IdentitiesOnly=yes"]
    argv = [program("ssh", "openssh-client"), "-F", "none", "-i", str(admin.path), "-p", str(centre.ports.ssh)]
    argv += [word for option in options for word in ("-o", option)] + [f"{centre.user}@{centre.address}", "true"]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=15)
    if done.returncode:
        said = done.stderr.strip() + "\n" + (centre.logs / "sshd.log").read_text(errors="replace")[-600:].strip()
        raise Incomplete(
            Text(f"用户 {centre.user} 无法通过 ssh 登录:{said}", f"user {centre.user} cannot log in over ssh: {said}")
        )


def _free_ports(address: str, count: int) -> tuple[int, ...]:
    """Different ports on which nobody listens now."""
    found: list[int] = []
    for port in SystemRandom().sample(_PORTS, 500):
        if _first_free(address, (port,)):
            found.append(port)
        if len(found) == count:
            return tuple(found)
    raise Incomplete(Text(f"{address} 上没有足够的空闲端口", f"too few free ports on {address}"))


def _first_free(address: str, ports: tuple[int, ...]) -> int:
    """The first port that can be listened on, 0 when none can. Raises Incomplete without such an address."""
    for port in ports:
        with socket.socket() as listener:
            try:
                listener.bind((address, port))
            except PermissionError:
                continue
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    continue
                raise Incomplete(
                    Text(f"无法使用回环地址 {address}:{error}", f"cannot use the loopback address {address}: {error}")
                ) from None
            return port
    return 0
