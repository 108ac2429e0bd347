"""sshd of one centre: one user, by key only, with a host key and a home of its own below the demo's folder."""

import os
import pwd
from collections.abc import Iterable
from pathlib import Path

from secops.demo.centre import LiveCentre
from secops.demo.processes import Server, pid_written, program
from secops.model.text import Text
from secops.support.errors import Incomplete

_CONFIG = """\
Port {port}
ListenAddress {address}
HostKey {folder}/host_key
PidFile {folder}/sshd.pid
AllowUsers {user}
PermitRootLogin {root}
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM {pam}
# Read by a command: a key file below the temporary directory would be refused by StrictModes, which stays on.
AuthorizedKeysFile none
AuthorizedKeysCommand {cat} {folder}/authorized_keys
AuthorizedKeysCommandUser {user}
SetEnv HOME={folder}/home
MaxAuthTries {tries}
MACs {macs}
X11Forwarding {forwarding}
AllowTcpForwarding {forwarding}
AllowAgentForwarding {forwarding}
PermitTunnel no
PermitUserEnvironment no
LoginGraceTime 30
ClientAliveInterval 60
ClientAliveCountMax 2
MaxStartups 100
UseDNS no
PrintMotd no
LogLevel VERBOSE
Subsystem sftp internal-sftp
"""


def server(centre: LiveCentre) -> Server:
    """Write the configuration; the server to start. The keys are there already."""
    centre.sshd_config.write_text(_config(centre))
    argv = (program("sshd", "openssh-server"), "-D", "-e", "-f", str(centre.sshd_config))
    pid_file = centre.folder / "sshd.pid"  # written when the port is bound
    return Server(f"sshd {centre.role}", argv, centre.logs / "sshd.log", lambda pid: pid_written(pid_file, pid))


def pins(keys: Iterable[tuple[LiveCentre, str]]) -> str:
    """known_hosts of the centres and the public halves of their host keys."""
    return "".join(f"[{centre.address}]:{centre.ports.ssh} {public}\n" for centre, public in keys)


def login_name() -> str:
    """Who runs this, if sshd can let him in. Raises Incomplete."""
    try:
        account = pwd.getpwuid(os.getuid())
    except KeyError:
        number = os.getuid()
        raise Incomplete(
            Text(
                f"用户号 {number} 没有账户,sshd 无法让其登录;请换一个用户运行演示",
                f"user id {number} has no account, so sshd cannot let it in; run the demo as another user",
            )
        ) from None
    if Path(account.pw_shell).name in ("nologin", "false"):
        raise Incomplete(
            Text(
                f"用户 {account.pw_name} 的登录外壳是 {account.pw_shell},sshd 无法替其执行命令;请换一个用户运行演示",
                f"user {account.pw_name} has the login shell {account.pw_shell}, so sshd cannot run commands for it; "
                "run the demo as another user",
            )
        )
    return account.pw_name


def _config(centre: LiveCentre) -> str:
    """Production carries real weaknesses for the check to find; the other centres are in order."""
    return _CONFIG.format(
        port=centre.ports.ssh,
        address=centre.address,
        folder=centre.folder,
        user=centre.user,
        root="prohibit-password" if os.geteuid() == 0 else "no",
        pam="yes" if _password_locked(centre.user) else "no",
        cat=os.path.realpath(program("cat", "coreutils")),
        macs="+hmac-sha1" if centre.production else "hmac-sha2-512-etm@openssh.com,hmac-sha2-256-etm@openssh.com",
        tries=10 if centre.production else 4,
        forwarding="yes" if centre.production else "no",
    )


def _password_locked(user: str) -> bool:
    """Without PAM, sshd as root turns away an account whose password is locked with `!`, keys or not."""
    try:
        lines = Path("/etc/shadow").read_text().splitlines()
    except OSError:
        return False
    return any(line.startswith(f"{user}:!") for line in lines)
