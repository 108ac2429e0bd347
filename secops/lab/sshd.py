"""sshd of each centre: the way by which others stop a database that does not stop itself."""

from contextlib import suppress
from pathlib import Path

from secops.lab import namespaces
from secops.lab.places import CENTRES, SSH_PORT, Lab, address
from secops.lab.servers import Server, program

PRIVILEGE_SEPARATION = Path("/run/sshd")
"""sshd as root does not start without it; Debian makes it with the ssh service only."""
_CONFIG = """\
Port {port}
ListenAddress {address}
HostKey {folder}/host_key
PidFile {folder}/sshd.pid
AllowUsers root
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM yes
AuthorizedKeysFile {key}.pub
LoginGraceTime 30
MaxStartups 100
UseDNS no
Subsystem sftp internal-sftp
"""


def admin_key(lab: Lab) -> Path:
    """Private key that all centres let in."""
    return lab.folder / "admin_key"


def known_hosts(lab: Lab) -> Path:
    """Pinned host keys of all centres."""
    return lab.folder / "known_hosts"


def prepare(lab: Lab) -> None:
    """Keys of the hosts and of who logs in."""
    if not PRIVILEGE_SEPARATION.exists():
        PRIVILEGE_SEPARATION.mkdir(mode=0o755)
        (PRIVILEGE_SEPARATION / ".jindun-lab").touch()
    _make_key(admin_key(lab))
    pins = []
    for place in CENTRES:
        key = lab.at(place) / "host_key"
        _make_key(key)
        pins.append(f"[{address(place)}]:{SSH_PORT} {key.with_suffix('.pub').read_text()}")
    known_hosts(lab).write_text("".join(pins))


def let_go() -> None:
    """Remove what sshd needed here, when it was made here and no sshd of this machine lives on it."""
    mark = PRIVILEGE_SEPARATION / ".jindun-lab"
    if mark.exists() and not _sshd_lives():
        mark.unlink()
        if not any(PRIVILEGE_SEPARATION.iterdir()):
            PRIVILEGE_SEPARATION.rmdir()


def _sshd_lives() -> bool:
    for name in Path("/proc").glob("[0-9]*/comm"):
        with suppress(OSError):
            if name.read_text().startswith("sshd"):
                return True
    return False


def server(lab: Lab, place: str) -> Server:
    """The server of a centre."""
    folder = lab.at(place)
    config = folder / "sshd_config"
    config.write_text(_CONFIG.format(port=SSH_PORT, address=address(place), folder=folder, key=admin_key(lab)))
    argv = (program("sshd", "openssh-server"), "-D", "-e", "-f", str(config))
    return Server("sshd", place, argv, lambda: (folder / "sshd.pid").exists())


def _make_key(path: Path) -> None:
    namespaces.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", path.parent.name, "-f", str(path))
