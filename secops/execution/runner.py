"""What the executor asks of a runner, and the one that routes each effect to the runner of its kind."""

from dataclasses import dataclass
from typing import Protocol, TypeVar

from secops.model.step import LOCAL, Command, Consult, Dialogue, Effect, Enter, Fetch, Rescan, Result, Sql, Trouble
from secops.support.language import say

Performed = TypeVar("Performed", contravariant=True)


class Performs(Protocol[Performed]):
    """Performs one kind of effect. Safe to call from several threads."""

    def perform(self, effect: Performed, timeout_seconds: float) -> Result:
        """What came of it, within about `timeout_seconds`.

        Never raises for what the world does: that is a result with a trouble and a sentence in `reason`. Performs the
        effect at most once; whoever calls decides on retries.
        """
        ...


class Runner(Performs[Effect], Protocol):
    """Performs every kind of effect."""


@dataclass(frozen=True, slots=True)
class Runners:
    """One runner per kind of effect; commands go to `local` or, for every other host, to `ssh`."""

    local: Performs[Command]
    ssh: Performs[Command]
    dialogue: Performs[Dialogue]
    fetch: Performs[Fetch]
    rescan: Performs[Rescan] | None = None
    ledgers: Performs[Consult | Enter] | None = None
    sql: Performs[Sql] | None = None

    def perform(self, effect: Effect, timeout_seconds: float) -> Result:
        """As `Performs.perform`; what a runner raises nevertheless is our bug, and a result too."""
        try:
            return self._route(effect, timeout_seconds)
        except Exception as error:
            return failure(
                Trouble.INTERNAL,
                zh=f"执行器内部错误,请报告:{type(error).__name__}: {error}",
                en=f"internal error of the runner, please report it: {type(error).__name__}: {error}",
            )

    def _route(self, effect: Effect, timeout_seconds: float) -> Result:
        match effect:
            case Command(host=host):
                return (self.local if host == LOCAL else self.ssh).perform(effect, timeout_seconds)
            case Dialogue():
                return self.dialogue.perform(effect, timeout_seconds)
            case Fetch():
                return self.fetch.perform(effect, timeout_seconds)
            case Sql():
                if self.sql is None:
                    return failure(Trouble.REFUSED, zh="此处不能执行 SQL", en="no SQL is spoken here")
                return self.sql.perform(effect, timeout_seconds)
            case Rescan():
                if self.rescan is None:
                    return failure(
                        Trouble.REFUSED, zh="此处没有扫描器,不能重新扫描", en="there is no scanner here to rescan with"
                    )
                return self.rescan.perform(effect, timeout_seconds)
            case Consult() | Enter():
                if self.ledgers is None:
                    return failure(Trouble.REFUSED, zh="此处没有台账", en="there are no ledgers here")
                return self.ledgers.perform(effect, timeout_seconds)


def failure(
    trouble: Trouble,
    *,
    zh: str,
    en: str,
    seconds: float = 0.0,
    output: str = "",
    error_output: str = "",
    exit_code: int = 0,
) -> Result:
    """A result that is not ok, explained in the reader's language."""
    return Result(
        ok=False,
        output=output,
        error_output=error_output,
        exit_code=exit_code,
        trouble=trouble,
        reason=say(zh=zh, en=en),
        seconds=seconds,
    )
