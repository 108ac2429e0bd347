"""A copy of a copy: one vault's host fetches another's encrypted repository, and nobody needs a key to it.

The repository is held still for the moment that it takes to make links to its files; what is fetched is that state. It
lands beside the present copy, is compared by hashes, and takes its place in one rename: a half copy is never seen. A
cut line leaves what has arrived, and the next run goes on from there.

    VAULT/.outgoing/ASSET        links to the files of the state that is being fetched, on the host that is fetched from
    VAULT/.incoming/ASSET        what has arrived, on the host that fetches
    VAULT/.states/ASSET/STAMP    whole states; the newest few stay
    VAULT/ASSET                  a link to the newest whole state
"""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from backup.engine import Engine, Keys
from backup.ssh import ssh_argv
from backup.vaults import bytes_of
from secops.model.city import Asset, Vault
from secops.model.step import Command, Procedure, ProcedureFailed, Result, Step, require

STATES_KEPT = 2
_SAFE_PATH = re.compile(r"[A-Za-z0-9._/-]+")
_SENT = re.compile(r"^Total transferred file size: ([\d,]+) bytes$", re.M)
_SIZE = re.compile(r"^Total file size: ([\d,]+) bytes$", re.M)
_SAMPLE_FETCH = "Total file size: 0 bytes\nTotal transferred file size: 0 bytes\n"
_NOTHING = "\n"
_SILENCE_SECONDS = "60"
_SHORT_SECONDS = 600.0
_LONG_SECONDS = 7 * 24 * 3600.0
_LIMIT_STEP_BYTES = 1024
_FILES_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Fetched:
    """One state that has arrived whole."""

    state: str
    size_bytes: int
    fetched_bytes: int
    """What was new of it."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Hop:
    """From where to where. Of the keys, those for ssh alone are used, on the host that fetches."""

    engine: Engine
    asset: Asset
    origin: Vault
    target: Vault
    keys: Keys

    @property
    def outgoing(self) -> str:
        """Absolute, on the host that is fetched from."""
        return f"{self.origin.directory}/.outgoing/{self.asset.id}"

    @property
    def incoming(self) -> str:
        """Absolute, on the host that fetches; so are the others."""
        return f"{self.target.directory}/.incoming/{self.asset.id}"

    @property
    def states(self) -> str:
        return f"{self.target.directory}/.states/{self.asset.id}"

    @property
    def repository(self) -> str:
        return f"{self.target.directory}/{self.asset.id}"


def relay(hop: Hop, moment: datetime) -> Procedure[Fetched]:
    """Bring the target's copy of the asset up to the state that the origin has now.

    What a repository is given after its copies were listed may come along; what was listed is in it. Running it again
    goes on where it was cut off.
    """
    _refuse_odd_names(hop)
    yield from _hold_still(hop)
    fetched = yield from _fetch(hop)
    yield from _compare(hop)
    state = f"{hop.states}/{moment.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}"
    yield from _switch(hop, state)
    yield from _tidy(hop)
    total, new = (_bytes_told(pattern, fetched.output) for pattern in (_SIZE, _SENT))
    return Fetched(state, total, new, fetched.seconds)


def _bytes_told(pattern: re.Pattern[str], output: str) -> int:
    found = pattern.search(output)
    return int(found[1].replace(",", "")) if found else 0


def _refuse_odd_names(hop: Hop) -> None:
    for name in (hop.outgoing, hop.repository):
        if not _SAFE_PATH.fullmatch(name):
            raise ProcedureFailed(
                f"路径 {name!r} 含特殊字符,不能中继", f"{name!r} is not a plain path; it is not fetched"
            )


def _hold_still(hop: Hop) -> Procedure[None]:
    """Link the repository's files into a folder of their own while nobody may change it."""
    repository = f"{hop.origin.directory}/{hop.asset.id}"
    link = ("rsync", "-a", "--delete", "--exclude=lock.*", f"--link-dest={repository}", f"{repository}/")
    made = yield Step(
        "make the folder for what goes out",
        Command(hop.origin.host, ("mkdir", "-p", "-m", "0700", "--", hop.outgoing)),
        changes=True,
    )
    require(made, f"无法建立 {hop.outgoing}", f"cannot make {hop.outgoing}")
    held = yield Step(
        "hold the repository still and link its files",
        Command(hop.origin.host, (*hop.engine.at_rest(repository), *link, hop.outgoing)),
        changes=True,
        timeout_seconds=_SHORT_SECONDS,
    )
    require(held, f"无法读取备份库 {hop.origin.id}", f"vault {hop.origin.id} cannot be read")


def _fetch(hop: Hop) -> Procedure[Result]:
    made = yield Step(
        "make the folders for what comes in",
        Command(hop.target.host, ("mkdir", "-p", "-m", "0700", "--", hop.incoming, hop.states)),
        changes=True,
    )
    require(made, f"无法建立 {hop.incoming}", f"cannot make {hop.incoming}")
    fetched = yield Step(
        "fetch",
        Command(hop.target.host, (*_rsync(hop), _address(hop), f"{hop.incoming}/")),
        changes=True,
        assume=_SAMPLE_FETCH,
        timeout_seconds=_LONG_SECONDS,
    )
    return require(
        fetched,
        f"从 {hop.origin.id} 拉取 {hop.asset.id} 未完成,已到达的部分保留,下次接着传",
        f"fetching {hop.asset.id} from {hop.origin.id} did not end; what has arrived stays for the next run",
    )


def _rsync(hop: Hop) -> tuple[str, ...]:
    """Links what the present copy has, to the nanosecond; keeps what has arrived of a file; gives up on silence."""
    limit = bytes_of(hop.target.line.limit)
    slow = (f"--bwlimit={max(1, limit // _LIMIT_STEP_BYTES)}",) if limit else ()
    kept = ("--partial", "--delete", "--stats", f"--timeout={_SILENCE_SECONDS}", f"--link-dest={hop.repository}/")
    compared = ("--modify-window=-1",)
    return ("env", "LC_ALL=C", "rsync", "-a", *kept, *compared, *slow, *_over_ssh(hop))


def _over_ssh(hop: Hop) -> tuple[str, ...]:
    where = urlsplit(hop.origin.location)
    if where.scheme != "ssh":
        return ()
    port = ("-p", str(where.port)) if where.port else ()
    return ("-e", shlex.join((*ssh_argv(hop.keys), *port)))


def _address(hop: Hop) -> str:
    """What goes out, as the fetching host names it. Raises ProcedureFailed when it has no way there."""
    where = urlsplit(hop.origin.location)
    if where.scheme == "ssh" and not hop.keys.ssh_known_hosts:
        raise ProcedureFailed(
            f"从 {hop.origin.id} 拉取需要固定的主机密钥", f"no host keys are pinned for fetching from {hop.origin.id}"
        )
    if where.scheme == "ssh":
        user = f"{where.username}@" if where.username else ""
        return f"{user}{where.hostname}:{hop.outgoing}/"
    if hop.origin.host != hop.target.host:
        raise ProcedureFailed(
            f"{hop.target.host} 无法访问备份库 {hop.origin.id};请给出 ssh:// 位置",
            f"{hop.target.host} cannot reach vault {hop.origin.id}; give it an ssh:// location",
        )
    return f"{hop.outgoing}/"


def _compare(hop: Hop) -> Procedure[None]:
    """Compare every file that is new by its hash; what is linked to the present copy was compared when it came."""
    listed = yield Step(
        "list what is new",
        Command(hop.target.host, ("env", "-C", hop.incoming, "find", ".", "-type", "f", "-links", "1", "-print")),
        assume=_NOTHING,
        timeout_seconds=_SHORT_SECONDS,
    )
    require(listed, f"无法查看 {hop.incoming}", f"cannot look into {hop.incoming}")
    names = tuple(line for line in listed.output.splitlines() if line)
    if odd := [name for name in names if not _SAFE_PATH.fullmatch(name)]:
        raise ProcedureFailed(f"收到的文件名异常:{odd[0]!a}", f"a file with an odd name has arrived: {odd[0]!a}")
    for start in range(0, len(names), _FILES_AT_ONCE):
        part = names[start : start + _FILES_AT_ONCE]
        there = yield from _hashes(hop.origin.host, hop.outgoing, part, f"hash what went out, from {start + 1}")
        here = yield from _hashes(hop.target.host, hop.incoming, part, f"hash what came in, from {start + 1}")
        if differing := [name for name in part if there.get(name) != here.get(name)]:
            # By size and time it looks like the source's, so that the next run would leave it as it is.
            removed = yield Step(
                "remove what has arrived broken",
                Command(hop.target.host, ("env", "-C", hop.incoming, "rm", "-f", "--", *differing)),
                changes=True,
                timeout_seconds=_SHORT_SECONDS,
            )
            require(removed, f"无法清理 {hop.incoming}", f"cannot clear {hop.incoming}")
            raise ProcedureFailed(
                f"{differing[0]} 到达后与源不符,未采用", f"{differing[0]} is not what was sent; it is not taken over"
            )


def _hashes(host: str, folder: str, names: Sequence[str], name: str) -> Procedure[dict[str, str]]:
    """SHA-256 by name."""
    hashed = yield Step(
        name,
        Command(host, ("env", "-C", folder, "sha256sum", "--", *names)),
        assume=_NOTHING,
        timeout_seconds=_LONG_SECONDS,
    )
    require(hashed, f"无法在 {host} 计算哈希", f"cannot hash the files on {host}")
    return {line[66:]: line[:64] for line in hashed.output.splitlines()}


def _switch(hop: Hop, state: str) -> Procedure[None]:
    """Make the state that has arrived the vault's copy, in one rename."""
    target = hop.target.host
    arrived = yield Step(
        "set the whole state aside",
        Command(target, ("mv", "-T", "--", hop.incoming, state)),
        changes=True,
        check=Command(target, ("test", "-d", state)),
    )
    require(arrived, f"无法移动 {hop.incoming}", f"cannot move {hop.incoming}")
    below = state.removeprefix(f"{hop.target.directory}/")
    linked = yield Step(
        "make the link to it",
        Command(target, ("ln", "-sfnT", "--", below, f"{hop.incoming}.link")),
        changes=True,
        check=Command(target, ("test", hop.repository, "-ef", state)),
    )
    require(linked, "无法建立链接", "cannot make the link")
    switched = yield Step(
        "switch to it",
        Command(target, ("mv", "-T", "--", f"{hop.incoming}.link", hop.repository)),
        changes=True,
        check=Command(target, ("test", hop.repository, "-ef", state)),
    )
    require(switched, f"无法切换 {hop.repository}", f"cannot switch {hop.repository}")


def _tidy(hop: Hop) -> Procedure[None]:
    """Remove the states that are older than the newest few; what they share with those stays."""
    listed = yield Step(
        "list the states",
        Command(hop.target.host, ("find", hop.states, "-mindepth", "1", "-maxdepth", "1", "-print")),
        assume=_NOTHING,
    )
    require(listed, f"无法查看 {hop.states}", f"cannot look into {hop.states}")
    old = sorted(line for line in listed.output.splitlines() if line)[:-STATES_KEPT]
    if old:
        removed = yield Step(
            "remove older states",
            Command(hop.target.host, ("rm", "-rf", "--one-file-system", "--", *old)),
            changes=True,
            timeout_seconds=_SHORT_SECONDS,
        )
        require(removed, f"无法清理 {hop.states}", f"cannot clear {hop.states}")
