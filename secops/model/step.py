"""Plan apart from act: effects are data, steps say what may be done with them, procedures yield steps.

A procedure is a generator of `Step`; the executor performs each and sends its `Result` back. Procedures are
deterministic: time, randomness and the city arrive as arguments, so that a run can be replayed from its journal.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import ClassVar, TypeAlias, TypeVar

LOCAL = "local"
"""The host name of the machine that the service itself runs on."""


@dataclass(frozen=True, slots=True)
class Command:
    """Run a program with an argument list, never a shell string. Succeeds with exit code 0.

    `stdin` and the values of `env` may hold secret references (`${env:X}`, `${file:x}`), resolved by the runner at the
    last moment; `argv` may not, since every process of a host can read it.
    """

    kind: ClassVar[str] = "command"
    host: str
    """`LOCAL`, or the id of a host asset with an ssh address."""
    argv: tuple[str, ...]
    stdin: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    good_exit_codes: tuple[int, ...] = (0,)


@dataclass(frozen=True, slots=True)
class Dialogue:
    """Send one line to a unix socket of this machine and read the answer. Succeeds when `expect` is found in it."""

    kind: ClassVar[str] = "dialogue"
    socket: str
    line: str
    expect: str = ""
    """A regular expression searched in the answer; empty matches any answer."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """GET a URL, at most 8 MiB of it, no redirects followed. Succeeds on status 200 with `contains` in the body."""

    kind: ClassVar[str] = "fetch"
    url: str
    contains: str = ""


@dataclass(frozen=True, slots=True)
class Sql:
    """Have PostgreSQL carry out one statement, a transaction of its own. Succeeds when `expect` is found in the rows.

    `server` is libpq's connection string for one host, without a secret (it may name a `passfile`). Rows become lines,
    columns are divided by `|`. `error_output` of a failure is what PostgreSQL said.
    """

    kind: ClassVar[str] = "sql"
    server: str
    statement: str
    expect: str = ""
    """A regular expression searched in the rows; empty matches any answer."""


@dataclass(frozen=True, slots=True)
class Rescan:
    """Evaluate checks on an asset again. Succeeds when every outcome is tested-clean.

    With `at`, the asset is looked at in an isolated place under that URL; findings are then a verdict on the copy and
    are not recorded as findings of the asset. With `tree`, the checks of trees read a directory: `checks` are then
    names of theirs, none for all that the service is set up for, and no outcome at all when it is set up for none.
    """

    kind: ClassVar[str] = "rescan"
    asset: str
    checks: tuple[str, ...]
    at: str = ""
    tree: str = ""
    """Absolute path of a restored directory on `host`."""
    host: str = LOCAL


@dataclass(frozen=True, slots=True)
class Consult:
    """Read one document, as JSON, from a ledger of the service: its restore points, findings, policies.

    Procedures read nothing behind the executor's back, so that a replay sees what the first run saw.
    """

    kind: ClassVar[str] = "consult"
    ledger: str
    key: str


@dataclass(frozen=True, slots=True)
class Enter:
    """Write one JSON document into a ledger of the service under a key; writing it again changes nothing."""

    kind: ClassVar[str] = "enter"
    ledger: str
    key: str
    document: str


Effect: TypeAlias = Command | Dialogue | Fetch | Sql | Rescan | Consult | Enter


class Trouble(StrEnum):
    """Why an effect did not succeed; closed, and one of them is our bug."""

    NONE = "none"
    FAILED = "failed"
    """It ran and said no: exit code, unexpected answer."""
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    """Our own guard said no: outside the scope, host key changed, unknown host."""
    INTERNAL = "internal"
    """Our bug."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one effect gave. `reason` explains anything but success."""

    ok: bool
    output: str = ""
    """Standard output, answer or body, as text; at most 4 MiB, secrets replaced by ***."""
    error_output: str = ""
    exit_code: int = 0
    trouble: Trouble = Trouble.NONE
    reason: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Moved:
    """How far a program says that it is."""

    done_bytes: int = 0
    total_bytes: int = 0
    """0: it does not know."""
    percent: float | None = None
    """Of what it is at, for programs that tell no bytes."""


@dataclass(frozen=True, slots=True)
class Step:
    """One effect and what the executor must know to perform, rehearse and resume it."""

    name: str
    """A verb phrase, unique within its procedure: the step's stable id."""
    effect: Effect
    changes: bool = False
    """False: a probe, performed in a rehearsal too."""
    check: Effect | None = None
    """A probe that succeeds when the effect is already done: then it is not performed, and the probe's output stands
    for the effect's."""
    untouched: Effect | None = None
    """A probe that succeeds when the effect has not begun: lets a resume repeat an irreversible step safely."""
    irreversible: bool = False
    conclusive: str = ""
    """A regular expression searched in the error output: a failure that trying again would not change."""
    assume: str = ""
    """The output that a rehearsal goes on with in place of performing a changing effect."""
    timeout_seconds: float = 30.0
    measure: Callable[[str], Moved | None] | None = None
    """What a line of the running program, with its end, says of its progress, None for other lines. Lines of progress
    are neither in the result nor in the journal."""


Returned = TypeVar("Returned", covariant=True)
Procedure: TypeAlias = Generator[Step, Result, Returned]


def under(prefix: str, procedure: Procedure[Returned]) -> Procedure[Returned]:
    """The procedure with `prefix: ` before its step names, so that one procedure can hold it several times."""
    return each_step(procedure, lambda step: replace(step, name=f"{prefix}: {step.name}"))


def each_step(procedure: Procedure[Returned], change: Callable[[Step], Step]) -> Procedure[Returned]:
    """The procedure with every step changed before it is performed."""
    try:
        step = next(procedure)
        while True:
            step = procedure.send((yield change(step)))
    except StopIteration as stop:
        returned: Returned = stop.value
        return returned
    finally:
        procedure.close()


class ProcedureFailed(Exception):
    """A procedure cannot reach its aim; the sentence says why and goes to the journal and the user."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh = zh
        self.en = en


def require(result: Result, zh: str, en: str) -> Result:
    """The result, if it succeeded; else `ProcedureFailed` with the sentence and the reason of the result."""
    if result.ok:
        return result
    detail = (result.reason or result.error_output or result.output).strip()[-600:]
    raise ProcedureFailed(f"{zh}:{detail}", f"{en}: {detail}")
