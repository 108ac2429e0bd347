"""Directories that restores go into."""

from secops.model.step import Command, Procedure, ProcedureFailed, Step, require


def fresh_directory(host: str, into: str) -> Procedure[None]:
    """Make the directory when it is missing; one that holds something is refused."""
    held = yield Step(
        "look that the directory is empty",
        Command(host, ("find", into, "-mindepth", "1", "-print", "-quit"), good_exit_codes=(0, 1)),
    )
    require(held, f"无法查看 {into}", f"cannot look into {into}")
    if found := held.output.strip():
        raise ProcedureFailed(f"恢复目录 {into} 不为空,有 {found}", f"the directory {into} is not empty: {found}")
    made = yield Step("make the directory", Command(host, ("mkdir", "-p", "--", into)), changes=True)
    require(made, f"无法建立目录 {into}", f"cannot make the directory {into}")
