"""The programs that engines call on a host: whether they are there and new enough, and how they are given a secret."""

import re

from secops.model.step import Command, Procedure, ProcedureFailed, Result, Step, require

NOT_FOUND = 127
"""How shells, `env` and runners end when the program is not there."""
_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.\d+)*")
_EXPORT_STDIN = 'export "$0=$(cat)"; exec "$@"'


def probe(host: str, *argv: str, package: str, least: tuple[int, int]) -> Procedure[str]:
    """The version that `argv` prints; fails when the program of the Debian package is missing or older than that."""
    program = argv[0]
    told = yield Step(f"look for {program}", Command(host, argv))
    refuse_missing(told, host, program, package)
    require(told, f"{host} 上的 {program} 不能运行", f"{program} does not run on {host}")
    found = _VERSION.search(told.output) or _VERSION.search(told.error_output)
    if found is None:
        raise ProcedureFailed(f"看不出 {program} 的版本", f"{program} does not tell its version")
    if (int(found[1]), int(found[2])) < least:
        wanted = ".".join(map(str, least))
        raise ProcedureFailed(
            f"{host} 上的 {program} 是 {found[0]},至少需要 {wanted}(Debian 软件包 {package})",
            f"{program} on {host} is {found[0]}, and {wanted} is needed (Debian package {package})",
        )
    return found[0]


def refuse_missing(result: Result, host: str, program: str, package: str) -> None:
    """ProcedureFailed when the program was not found."""
    if result.exit_code == NOT_FOUND:
        raise ProcedureFailed(
            f"{host} 上没有 {program}(Debian 软件包 {package})",
            f"there is no {program} on {host} (Debian package {package})",
        )


def with_secret(host: str, variable: str, secret: str, *argv: str) -> Command:
    """`argv` with the secret in that variable of its environment; without a secret just `argv`.

    The secret travels on standard input: over ssh the environment would stand in the command line of the host.
    """
    if not secret:
        return Command(host, argv)
    return Command(host, ("sh", "-c", _EXPORT_STDIN, variable, *argv), stdin=secret)
