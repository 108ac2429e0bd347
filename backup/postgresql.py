"""What the engines and the trial of PostgreSQL share: where its programs are, how a server is asked, names of WAL."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from backup.engine import EngineOptions
from backup.programs import NOT_FOUND
from secops.model.city import Asset
from secops.model.restore_point import RestorePoint
from secops.model.step import Command, Procedure, ProcedureFailed, Step, require

PORT = 5432
_SHORT_SECONDS = 60.0
_PLACES = "/usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/local/pgsql/bin /usr/local/bin /usr/bin"
_LOOK = f'for place in "$2" {_PLACES}; do [ ! -x "$place/$1" ] || echo "$place"; done'
_MAJOR = re.compile(r"/(?:postgresql/|pgsql-)(\d+)/bin$")
_SEGMENT = re.compile(r"([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})")
MARK = "SELECT extract(epoch FROM clock_timestamp()), pg_logical_emit_message(true, 'jindun', '')"
"""A commit after the moment that is told: without one recovery would not know that the moment has come."""
_APPEND = 'cat >>"$1/postgresql.auto.conf" && : >"$1/recovery.signal"'
_START = re.compile(r"^START WAL LOCATION: \S+ \(file ([0-9A-F]{24})\)$", re.MULTILINE)


class Login(EngineOptions):
    """How a server is logged in to; the address is the asset's, and without one a socket of this host."""

    account: str = "postgres"
    password: str = ""
    """Secret reference."""
    socket: str = ""
    """Directory of the unix socket, when it is not the usual one; in place of the asset's address."""
    port: int = PORT
    database: str = "postgres"
    """Where questions are asked; copies are of the whole server."""
    tls: str = "prefer"
    """libpq's `sslmode`; `verify-full` for a server beyond this host."""
    authority: str = ""
    """Path of the certificate to trust."""
    programs: str = ""
    """Directory of PostgreSQL's programs; looked for when not given, the newest first."""

    def connection(self, source: Asset, database: str = "") -> str:
        """libpq's connection string; it holds no secret."""
        words = {
            "host": self.socket or source.address,
            "port": str(self.port),
            "user": self.account,
            "dbname": database or self.database,
            "sslmode": self.tls,
            "sslrootcert": self.authority,
            "connect_timeout": "10",
            "application_name": "jindun",
        }
        return " ".join(f"{name}='{_escaped(word)}'" for name, word in words.items() if word)

    def command(self, host: str, *argv: str) -> Command:
        """A program of PostgreSQL that logs in: it asks for the password and is answered on its standard input, so
        that neither argv nor an environment nor a file has it."""
        if not self.password:
            return Command(host, (*argv, "-w"))
        return Command(host, (*argv, "-W"), stdin=f"{self.password}\n")


def find_programs(host: str, told: str, program: str, package: str, version: str = "") -> Procedure[str]:
    """The directory of `program`: the one told, else that of the version, else the newest. Debian keeps most of them
    off PATH."""
    looked = yield Step(
        f"look for {program}", Command(host, ("sh", "-c", _LOOK, "look", program, told)), assume=told or "/usr/bin"
    )
    require(looked, f"无法在 {host} 上查找 {program}", f"cannot look for {program} on {host}")
    found = looked.output.split("\n")[:-1]
    if told:
        found = [place for place in found if place == told]
    if version and not told:
        found = [place for place in found if _major(place) in ("", version)]
    if not found:
        of_version = f" {version}" if version else ""
        raise ProcedureFailed(
            f"{host} 上没有 PostgreSQL{of_version} 的 {program}(Debian 软件包 {package})",
            f"there is no {program} of PostgreSQL{of_version} on {host} (Debian package {package})",
        )
    return max(found, key=lambda place: int(_major(place) or -1))


def _major(place: str) -> str:
    """The version that a directory is named after; empty when it is not."""
    found = _MAJOR.search(place)
    return found[1] if found else ""


def ask(
    name: str, login: Login, source: Asset, programs: str, *statements: str, assume: str = "", changes: bool = False
) -> Procedure[list[list[str]]]:
    """The rows that the statements give, each as its columns; every statement is a transaction of its own."""
    each = (word for statement in statements for word in ("-c", statement))
    argv = (f"{programs}/psql", "-X", "-q", "-A", "-t", "-F", "|", "-v", "ON_ERROR_STOP=1")
    told = yield Step(
        name,
        login.command(source.host, *argv, "-d", login.connection(source), *each),
        changes=changes,
        conclusive="authentication failed|permission denied|must be superuser|does not exist",
        assume=assume,
        timeout_seconds=_SHORT_SECONDS,
    )
    if told.exit_code == NOT_FOUND:
        raise ProcedureFailed(
            f"{source.host} 上没有 psql(Debian 软件包 postgresql-client)",
            f"there is no psql on {source.host} (Debian package postgresql-client)",
        )
    require(told, f"PostgreSQL {source.id} 没有回答", f"PostgreSQL {source.id} does not answer")
    return [line.split("|") for line in told.output.splitlines() if line]


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """One file of WAL, ordered by its place in the log whatever the timeline."""

    place: tuple[int, int]
    timeline: str = "00000001"

    @classmethod
    def of(cls, name: str) -> "Segment | None":
        """From the name of a file, whole or `.partial`; None for other files."""
        found = _SEGMENT.fullmatch(name.removesuffix(".partial"))
        return cls((int(found[2], 16), int(found[3], 16)), found[1]) if found else None

    @property
    def name(self) -> str:
        return f"{self.timeline}{self.place[0]:08X}{self.place[1]:08X}"

    def next(self, size_bytes: int) -> tuple[int, int]:
        """The place after this one, for segments of that size."""
        per_log = (1 << 32) // size_bytes
        number = self.place[0] * per_log + self.place[1] + 1
        return divmod(number, per_log)


def first_missing(start: Segment, files: Sequence[tuple[str, int]]) -> str:
    """The first segment from `start` on that is not among the files (name, size); empty when none is missing."""
    there = sorted(
        (segment, size) for name, size in files if (segment := Segment.of(name)) and segment.place >= start.place
    )
    if not there or there[0][0].place != start.place:
        return start.name
    for (segment, size), (following, _) in pairwise(there):
        if following.place not in (segment.place, wanted := segment.next(size)):
            return Segment(wanted, segment.timeline).name
    return ""


def start_of(label: str) -> Segment | None:
    """The segment that a copy begins in, as its `backup_label` says; None when it does not."""
    found = _START.search(label)
    return Segment.of(found[1]) if found else None


def restore_command(log: str) -> str:
    """What a server runs to fetch WAL from that directory, where the last segment may be partial."""
    folder = shlex.quote(log.replace("%", "%%"))
    return f'cp -- {folder}/%f "%p" 2>/dev/null || cp -- {folder}/%f.partial "%p" 2>/dev/null'


def setting(name: str, value: str) -> str:
    """One line of a configuration file."""
    return f"{name} = '{_doubled(value)}'\n"


def refuse_earlier(point: RestorePoint, until: datetime | None) -> None:
    """Raises ProcedureFailed for a moment before the copy: recovery only goes on from it."""
    if until is not None and until < point.taken:
        raise ProcedureFailed(
            f"副本取于 {point.taken:%F %T}Z,不能恢复到更早的 {until:%F %T}Z",
            f"the copy was taken at {point.taken:%F %T}Z and cannot be brought to {until:%F %T}Z before that",
        )


def tell_recovery(host: str, into: str, until: datetime) -> Procedure[None]:
    """Have the server that is started from `into` take WAL from `into`.log, end at that moment and open itself."""
    told = {
        "restore_command": restore_command(f"{into}.log"),
        "recovery_target_time": f"{until.astimezone(UTC):%F %T.%f}+00",
        "recovery_target_action": "promote",
    }
    settings = "".join(setting(name, value) for name, value in told.items())
    made = yield Step(
        "tell recovery where to end",
        Command(host, ("sh", "-c", _APPEND, "append", into), stdin=settings),
        changes=True,
        check=Command(host, ("test", "-e", f"{into}/recovery.signal")),
    )
    require(made, f"{into} 无法就绪", f"{into} cannot be made ready")


def make_empty(host: str, into: str) -> Procedure[None]:
    """Make the directory, for its owner alone; refuses one that holds something."""
    held = yield Step(
        "look that the directory is empty",
        Command(host, ("find", into, "-mindepth", "1", "-print", "-quit"), good_exit_codes=(0, 1)),
    )
    require(held, f"无法查看 {into}", f"cannot look into {into}")
    if found := held.output.strip():
        raise ProcedureFailed(f"恢复目录 {into} 不为空,有 {found}", f"the directory {into} is not empty: {found}")
    made = yield Step("make the directory", Command(host, ("mkdir", "-p", "-m", "0700", "--", into)), changes=True)
    require(made, f"无法建立目录 {into}", f"cannot make the directory {into}")


def _doubled(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "''")


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace("'", "\\'")
