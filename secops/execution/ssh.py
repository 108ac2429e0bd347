"""Runs commands on the hosts of the inventory over SSH; the only module that knows fabric.

A connection to a host is opened once and kept warm: a cold one costs more than a failover may take.
"""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from fabric import Config, Connection
from paramiko import (
    AuthenticationException,
    BadHostKeyException,
    Channel,
    ChannelException,
    MissingHostKeyPolicy,
    PKey,
    SSHClient,
    SSHException,
    Transport,
)

from secops.execution.dial import dial, left
from secops.execution.output import NOT_FOUND, Output, Poured, ended, not_installed, timed_out
from secops.execution.remote_program import Ending, RemoteProgram, command_line
from secops.execution.runner import failure
from secops.execution.secrets import SecretRefused, Secrets, Unlocked
from secops.model.city import Asset
from secops.model.step import Command, Result, Trouble
from secops.model.text import Text
from secops.support.system_words import why

_AT_ONCE_PER_HOST = 8
"""Commands at a time on one connection: sshd admits 10 by default (MaxSessions)."""
_ANSWER_SECONDS = 5.0
"""A warm connection that does not answer a request for a channel within this time, or half of what is left, is dead."""
_KEEPALIVE_SECONDS = 15
_SILENCE_MILLISECONDS = 20_000
"""The kernel breaks a connection whose data nobody acknowledged for this long."""
_REFUSED_AGAIN_SECONDS = 0.05
_TIMED_OUT = 124
"""The exit code by which the host's `timeout` says that it ended the program."""

# Paramiko logs what it also raises; without a handler that would land in the middle of the user's terminal.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


class _NoChannel(Exception):
    """No command was sent."""

    def __init__(self, trouble: Trouble, text: Text) -> None:
        super().__init__(text.en)
        self.trouble = trouble
        self.text = text


class _Dead(Exception):
    """The warm connection broke or went silent before a command was sent."""


class SshRunner:
    """Performs commands for hosts other than `LOCAL`, and is the `Shell` of scanners.

    Only the host keys in `known_hosts` are believed, and only `identity` is offered. The file is read for every new
    connection. A command that may have started is never sent again.
    """

    def __init__(self, hosts: Mapping[str, Asset], identity: Path, known_hosts: Path, secrets: Secrets) -> None:
        self._hosts = hosts
        self._trust = _Trust(identity, known_hosts)
        self._secrets = secrets
        self._lines: dict[tuple[str, int, str], _Line] = {}
        self._lock = threading.Lock()

    def perform(self, effect: Command, timeout_seconds: float) -> Result:
        """As `Performs.perform`."""
        asset = self._hosts.get(effect.host)
        if asset is None:
            return _unknown(effect.host)
        try:
            unlocked = self._secrets.unlock(effect)
            _require_no_secret_in_env(unlocked)
        except SecretRefused as refusal:
            return failure(Trouble.REFUSED, zh=refusal.text.zh, en=refusal.text.en)
        return unlocked.redact(self._run(asset, effect, unlocked.stdin, timeout_seconds))

    def run(self, host: Asset, argv: tuple[str, ...], timeout_seconds: float) -> Result:
        """The result of a command on a host asset."""
        return self._run(host, Command(host=host.id, argv=argv), "", timeout_seconds)

    def pour(self, effect: Command, timeout_seconds: float, into: Callable[[bytes], None]) -> Result:
        """As `perform`, but standard output goes into `into` as it comes, of any length; what that raises ends it."""
        asset = self._hosts.get(effect.host)
        if asset is None:
            return _unknown(effect.host)
        return self._run(asset, effect, "", timeout_seconds, Poured(into))

    def open(self, hosts: Iterable[str], timeout_seconds: float = 10.0) -> dict[str, Result]:
        """Connect now, so that the first command finds a warm connection; the result of `true` on each."""
        names = list(hosts)
        with ThreadPoolExecutor(max_workers=4) as pool:
            results = pool.map(lambda name: self.perform(Command(host=name, argv=("true",)), timeout_seconds), names)
            return dict(zip(names, results, strict=True))

    def close(self) -> None:
        """Close every connection; commands that still run on them are lost."""
        with self._lock:
            lines, self._lines = self._lines, {}
        for line in lines.values():
            line.close()

    def _run(
        self, asset: Asset, command: Command, stdin: str, timeout_seconds: float, output: Output | None = None
    ) -> Result:
        started = time.monotonic()
        deadline = started + timeout_seconds
        try:
            with self._line(asset).channel(deadline) as (transport, channel):
                line = command_line(command.argv, command.env, deadline - time.monotonic())
                program = RemoteProgram(transport, channel, line, stdin, output)
                ending = program.run(deadline)
        except _NoChannel as problem:
            seconds = time.monotonic() - started
            return failure(problem.trouble, zh=problem.text.zh, en=problem.text.en, seconds=seconds)
        seconds = time.monotonic() - started
        if ending is Ending.EXITED and program.exit_code == _TIMED_OUT and seconds >= timeout_seconds:
            ending = Ending.OUT_OF_TIME
        return _result(asset, command, program, ending, timeout_seconds, seconds)

    def _line(self, asset: Asset) -> "_Line":
        if asset.ssh is None:
            raise _NoChannel(
                Trouble.REFUSED,
                Text(
                    f"主机 {asset.id} 未登记 ssh 地址,不得执行命令",
                    f"host {asset.id} has no ssh address in the inventory, so no command may be run on it",
                ),
            )
        key = (asset.address, asset.ssh.port, asset.ssh.user)
        with self._lock:
            return self._lines.setdefault(key, _Line(asset.id, *key, self._trust))


def _unknown(host: str) -> Result:
    return failure(Trouble.REFUSED, zh=f"清单中没有主机 {host}", en=f"no host {host} in the inventory")


def _require_no_secret_in_env(unlocked: Unlocked) -> None:
    if unlocked.secret_names:
        names = ", ".join(unlocked.secret_names)
        raise SecretRefused(
            Text(
                f"环境变量 {names} 含密钥,不得经 ssh 传递:远端命令行人人可见;请改用 stdin",
                f"{names} holds a secret and cannot go over ssh as a variable: everybody on the host could see it in "
                "the command line; use stdin",
            )
        )


def _result(
    asset: Asset, command: Command, program: RemoteProgram, ending: Ending, timeout_seconds: float, seconds: float
) -> Result:
    output, errors = program.output, program.errors
    match ending:
        case Ending.EXITED | Ending.SIGNALLED:
            if program.exit_code == NOT_FOUND and (missing := _missing(command, errors.text())):
                return not_installed(missing, seconds)
            return ended(command, program.exit_code, output, errors, seconds)
        case Ending.OUT_OF_TIME:
            return timed_out(command, timeout_seconds, output, errors, seconds)
        case Ending.NOT_STARTED:
            trouble, text = (
                Trouble.FAILED,
                Text(f"主机 {asset.id} 拒绝执行命令", f"host {asset.id} refuses to run commands"),
            )
        case Ending.LOST:
            trouble, text = Trouble.UNREACHABLE, _lost(asset, command)
    return failure(trouble, zh=text.zh, en=text.en, seconds=seconds, output=output.text(), error_output=errors.text())


def _missing(command: Command, error_text: str) -> str:
    """The program that the host lacks, when it is the host who says so and not the program itself."""
    said_by = error_text.split(":", 1)[0]
    if said_by in ("timeout", "env"):
        return command.argv[0]
    return "timeout" if "timeout: " in error_text else ""


def _lost(asset: Asset, command: Command) -> Text:
    program = command.argv[0]
    return Text(
        f"执行 {program} 时与主机 {asset.id} 的连接中断;它可能已执行,未重试",
        f"the connection to {asset.id} was lost while {program} ran; it may have done its work, and was not repeated",
    )


@dataclass(frozen=True, slots=True)
class _Trust:
    identity: Path
    known_hosts: Path


@dataclass(slots=True)
class _Warm:
    """An open connection and how many commands use it."""

    connection: Connection
    users: int = 0
    retired: bool = False

    @property
    def transport(self) -> Transport:
        transport: Transport = self.connection.transport
        return transport


@dataclass(slots=True)
class _Line:
    """The way to one host: at most one connection in use, replaced when it proves dead."""

    host: str
    address: str
    port: int
    user: str
    trust: _Trust
    _slots: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(_AT_ONCE_PER_HOST))
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _warm: _Warm | None = None

    @contextmanager
    def channel(self, deadline: float) -> Iterator[tuple[Transport, Channel]]:
        """A channel, and its connection, for one command. Raises _NoChannel; then nothing was sent."""
        if not self._slots.acquire(timeout=max(deadline - time.monotonic(), 0)):
            raise self._busy()
        try:
            warm, channel = self._open_channel(deadline)
            try:
                yield warm.transport, channel
            finally:
                self._release(warm)
        finally:
            self._slots.release()

    def close(self) -> None:
        """Close whatever is open."""
        with self._lock:
            warm, self._warm = self._warm, None
        if warm:
            warm.connection.close()

    def _open_channel(self, deadline: float) -> tuple[_Warm, Channel]:
        """On the warm connection, or once more on a new one when the warm one proves dead."""
        warm, fresh = self._acquire(deadline)
        try:
            return warm, self._request_channel(warm, deadline if fresh else _patience(deadline), deadline)
        except _Dead:
            self._retire(warm)
        except BaseException:
            self._release(warm)
            raise
        if fresh:
            raise self._unreachable("the connection broke at once")
        warm, _fresh = self._acquire(deadline)
        try:
            return warm, self._request_channel(warm, deadline, deadline)
        except _Dead:
            self._retire(warm)
            raise self._unreachable("the connection broke at once") from None
        except BaseException:
            self._release(warm)
            raise

    def _request_channel(self, warm: _Warm, patience: float, deadline: float) -> Channel:
        """A server that has too many sessions open is asked again until the deadline."""
        while True:
            asked = time.monotonic()
            try:
                return warm.transport.open_session(timeout=max(patience - asked, 0.01))
            except (SSHException, EOFError, OSError) as error:
                # Threads of one connection share its last error, so that a refusal may come in other words too.
                refused = isinstance(error, ChannelException) or time.monotonic() < patience
                if not refused or not warm.transport.is_active():
                    raise _Dead from None
            if time.monotonic() + _REFUSED_AGAIN_SECONDS >= deadline:
                raise self._busy()
            time.sleep(_REFUSED_AGAIN_SECONDS)
            patience = _patience(deadline)

    def _acquire(self, deadline: float) -> tuple[_Warm, bool]:
        """The connection, and whether it was opened just now. Only one thread connects, the others wait for it."""
        if not self._lock.acquire(timeout=max(deadline - time.monotonic(), 0)):
            raise self._unreachable("timed out")
        try:
            fresh = self._warm is None or not self._warm.transport.is_active()
            if self._warm is None or fresh:
                self._warm = _Warm(self._connect(deadline))
            self._warm.users += 1
            return self._warm, fresh
        finally:
            self._lock.release()

    def _retire(self, warm: _Warm) -> None:
        """New commands take another connection; those that still run on this one may finish."""
        with self._lock:
            if self._warm is warm:
                self._warm = None
            warm.retired = True
        self._release(warm)

    def _release(self, warm: _Warm) -> None:
        with self._lock:
            warm.users -= 1
            unused = warm.retired and warm.users == 0
        if unused:
            warm.connection.close()

    def _connect(self, deadline: float) -> Connection:
        try:
            return _connect(self, deadline)
        except BadHostKeyException as error:
            raise self._key_changed(error.key, error.expected_key) from None
        except AuthenticationException as error:
            raise self._not_admitted(error) from None
        except (SSHException, EOFError, OSError) as error:
            raise self._unreachable(str(error) or type(error).__name__) from None

    def _unreachable(self, why: str) -> _NoChannel:
        at = f"{self.address}:{self.port}"
        return _NoChannel(
            Trouble.UNREACHABLE,
            Text(f"无法连接主机 {self.host}({at}):{why}", f"cannot connect to host {self.host} ({at}): {why}"),
        )

    def _busy(self) -> _NoChannel:
        return _NoChannel(
            Trouble.TIMEOUT,
            Text(
                f"主机 {self.host} 上同时执行的命令过多,未在限时内轮到",
                f"too many commands run on host {self.host} at once; this one's turn did not come in time",
            ),
        )

    def _not_admitted(self, error: AuthenticationException) -> _NoChannel:
        return _NoChannel(
            Trouble.UNREACHABLE,
            Text(
                f"主机 {self.host} 不接受我们以 {self.user} 登录的密钥:{error}",
                f"host {self.host} does not admit our key for user {self.user}: {error}",
            ),
        )

    def _key_changed(self, shown: PKey, pinned: PKey) -> _NoChannel:
        return _NoChannel(
            Trouble.REFUSED,
            Text(
                f"主机 {self.host} 的密钥已改变:登记的是 {pinned.fingerprint},对方出示 {shown.fingerprint};已拒绝连接",
                f"the key of host {self.host} changed: {pinned.fingerprint} is pinned, {shown.fingerprint} was shown; "
                "refused to connect",
            ),
        )


def _patience(deadline: float) -> float:
    """Until when to wait for a warm connection, so that there is time for a new one."""
    now = time.monotonic()
    return now + min(_ANSWER_SECONDS, (deadline - now) / 2)


def _connect(line: _Line, deadline: float) -> Connection:
    """Raises what fabric, paramiko and sockets raise, and _NoChannel."""
    _require_readable(line.trust.identity, Text("ssh 私钥", "ssh identity"))
    _require_readable(line.trust.known_hosts, Text("主机密钥登记文件", "file of pinned host keys"))
    plain = dial(line.address, line.port, deadline)
    try:
        _keep_alive(plain)
        return _opened(_connection(line, plain, deadline), plain, deadline)
    except BaseException:
        plain.close()
        raise


def _opened(connection: Connection, plain: socket.socket, deadline: float) -> Connection:
    try:
        with _cut_off(plain, deadline):
            connection.open()
    except BaseException:
        # Fabric's own `close` does nothing for a connection that failed, and paramiko's thread would stay.
        connection.client.close()
        raise
    connection.transport.set_keepalive(_KEEPALIVE_SECONDS)
    return connection


def _connection(line: _Line, plain: socket.socket, deadline: float) -> Connection:
    """Not yet open. No configuration file, agent, password or key but ours has a say."""
    seconds = left(deadline)
    connection = Connection(
        line.address,
        user=line.user,
        port=line.port,
        config=Config(lazy=True),
        connect_kwargs={
            "sock": plain,
            "key_filename": str(line.trust.identity),
            "allow_agent": False,
            "look_for_keys": False,
            "timeout": seconds,
            "banner_timeout": seconds,
            "auth_timeout": seconds,
        },
    )
    connection.client.load_host_keys(str(line.trust.known_hosts))
    connection.client.set_missing_host_key_policy(_OnlyPinned(line.host))
    return connection


class _OnlyPinned(MissingHostKeyPolicy):
    """Fabric would believe any host that it does not know."""

    def __init__(self, host: str) -> None:
        self._host = host

    def missing_host_key(self, _client: SSHClient, hostname: str, key: PKey) -> None:
        raise _NoChannel(
            Trouble.REFUSED,
            Text(
                f"主机 {self._host}({hostname})未登记密钥,对方出示 {key.fingerprint};核实后登记方可连接",
                f"no key is pinned for host {self._host} ({hostname}), which shows {key.fingerprint}; "
                "verify it and pin it to connect",
            ),
        )


def _require_readable(path: Path, what: Text) -> None:
    try:
        with path.open("rb"):
            return
    except OSError as error:
        said = why(error)
        raise _NoChannel(
            Trouble.REFUSED,
            Text(f"{what.zh} {path} 无法读取:{said.zh}", f"the {what.en} {path} cannot be read: {said.en}"),
        ) from None


def _keep_alive(plain: socket.socket) -> None:
    """Let the kernel notice a peer that is gone."""
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEPALIVE_SECONDS)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENCE_MILLISECONDS)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


@contextmanager
def _cut_off(plain: socket.socket, deadline: float) -> Iterator[None]:
    """Break the socket at the deadline: paramiko gives each phase of the handshake its own time, not one for all."""

    def cut() -> None:
        with suppress(OSError):
            plain.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(left(deadline), cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
