"""Servers that trials start over restored data: as a user without rights, from `folder`.trial, and ended by it.

They are told apart from all others by the path of their folder in their command line.
"""

import re
import shlex
from collections.abc import Sequence

from backup.programs import NOT_FOUND
from backup.trial import TrialFailed
from secops.model.step import Command, Procedure, ProcedureFailed, Step, require

_LONGEST_SOCKET_BYTES = 107
_START_SECONDS = 6 * 3600.0
_SHORT_SECONDS = 120.0
_ENDED = 4
_HERE = re.compile(r"Permission denied|No space left|Cannot allocate|Address already in use|Too many open files")
_USUAL_PATH = "PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin\n"
_RUNS = """\
pid=$(cat "$folder.trial/pid" 2>/dev/null) || pid=
runs() { [ -n "$pid" ] && tr '\\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF -- "$folder"; }
"""
_START = f"""\
set -eu
{_USUAL_PATH}folder=$1 users=$2 ready=$3
shift 3
umask 077
mkdir -p -- "$folder.trial"
{_RUNS}
if ! runs; then
    if [ "$(id -u)" = 0 ]; then
        chosen=
        for user in $users nobody; do
            id -u "$user" >/dev/null 2>&1 || continue
            as_user="setpriv --reuid=$user --regid=$(id -g "$user") --init-groups"
            if $as_user test -x "${{folder%/*}}/"; then chosen=$user && break; fi
        done
        if [ -z "$chosen" ]; then echo "Permission denied: none of $users nobody may enter ${{folder%/*}}" >&2; exit 5; fi
        chown -R -- "$chosen" "$folder" "$folder.trial"
        set -- $as_user "$@"
    fi
    cd -- "$folder.trial"
    setsid "$@" >log 2>&1 </dev/null &
    pid=$!
    echo "$pid" >pid
    # Its command line is that of the server only once all that stand before it have become it.
    for _ in 1 2 3 4 5 6 7 8 9 10; do runs && break; sleep 0.1; done
fi
cd -- "$folder.trial"
until eval "$ready" >/dev/null 2>&1; do
    runs || {{ tail -n 8 log >&2; exit {_ENDED}; }}
    sleep 0.1
done
"""
_STOP = f"""\
folder=$1
{_RUNS}
for signal in TERM KILL; do
    runs || break
    kill -s "$signal" "$pid"
    for _ in $(seq 150); do runs || break; sleep 0.1; done
done
if runs; then echo "the server $pid does not end" >&2; exit 1; fi
rm -rf --one-file-system -- "$folder.trial"
"""


def start_apart(
    host: str, folder: str, program: Sequence[str], ready: Sequence[str], user: str, package: str
) -> Procedure[float]:
    """Start the program in `folder`.trial and wait until `ready` succeeds there; the seconds it took.

    `user` is whom it runs as when commands are root's, else `nobody`. TrialFailed when it ends by itself, unless it
    complains about this host.
    """
    started = yield Step(
        "start the server",
        Command(host, ("sh", "-c", _START, "start", folder, user, shlex.join(ready), *program)),
        changes=True,
        timeout_seconds=_START_SECONDS,
    )
    said = started.error_output.strip()
    if (not started.ok and f"{program[0]}: not found" in said) or started.exit_code == NOT_FOUND:
        raise ProcedureFailed(
            f"{host} 上没有 {program[0]}(Debian 软件包 {package})",
            f"there is no {program[0]} on {host} (Debian package {package})",
        )
    if started.exit_code == _ENDED and not _HERE.search(said):
        raise TrialFailed(f"恢复出的数据不能启动:{said[-400:]}", f"the restored data do not start: {said[-400:]}")
    require(started, f"无法在 {folder} 上启动 {program[0]}", f"{program[0]} cannot be started over {folder}")
    return started.seconds


def ask_apart(host: str, folder: str, name: str, argv: Sequence[str], stdin: str = "") -> Procedure[str]:
    """What a client says that is run in `folder`.trial; TrialFailed when it fails."""
    answer = yield Step(
        name,
        Command(host, ("env", "-C", f"{folder}.trial", *argv), stdin=stdin),
        assume="-",
        timeout_seconds=_START_SECONDS,
    )
    if not answer.ok:
        detail = (answer.error_output.strip() or answer.output.strip() or answer.reason)[:300]
        raise TrialFailed(f"恢复出的数据库不能回答:{detail}", f"the restored database does not answer: {detail}")
    return answer.output


def stop_apart(host: str, folder: str) -> Procedure[None]:
    """End the server if it runs, and remove `folder`.trial."""
    stopped = yield Step(
        "stop the server",
        Command(host, ("sh", "-c", _STOP, "stop", folder)),
        changes=True,
        timeout_seconds=_SHORT_SECONDS,
    )
    require(stopped, f"无法停止 {folder} 中的服务", f"the server in {folder} cannot be stopped")


def socket_of(folder: str) -> str:
    """The path of the server's socket; ProcedureFailed when the folder's path is too long for one."""
    socket = f"{folder}.trial/socket"
    if len(socket.encode()) > _LONGEST_SOCKET_BYTES:
        raise ProcedureFailed(
            f"路径 {socket} 过长,套接字最多 {_LONGEST_SOCKET_BYTES} 字节;请换更短的恢复目录",
            f"{socket} is too long for a socket ({_LONGEST_SOCKET_BYTES} bytes); restore into a shorter directory",
        )
    return socket


def require_file(host: str, path: str) -> Procedure[None]:
    """TrialFailed when what the server starts from is not there: some would start empty."""
    there = yield Step(f"look for {path.rpartition('/')[2]}", Command(host, ("test", "-s", path)), assume="-")
    if not there.ok:
        raise TrialFailed(f"恢复出的数据中没有 {path}", f"{path} is not in what was restored")
