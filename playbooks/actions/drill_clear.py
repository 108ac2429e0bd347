"""Clear away what a drill made, and prove that nothing of it is left."""

from collections.abc import Mapping
from typing import Any

from playbooks.action import Action, Context, Milestone, Options, Touches
from playbooks.isolation import close_namespace
from secops.model.city import Place
from secops.model.step import Command, Procedure, ProcedureFailed, Step, require
from secops.model.text import Text

_REMOVAL_SECONDS = 3600.0


class DrillClearOptions(Options):
    """Options of `drill.clear`."""

    place: str
    """The isolated place."""


class DrillClear(Action[DrillClearOptions]):
    """See `describes`."""

    name = "drill.clear"
    title = Text("演练:清理并检查残留", "Drill: clear up and look for leaks")
    describes = Text(
        "移除本次演练在隔离区留下的一切,再检查没有残留的文件、进程、挂载与网络命名空间;有残留即失败。",
        "Removes everything that this drill left in the isolated place, then looks for files, processes, mounts and "
        "network namespaces of it; anything that is left fails the step.",
    )
    touches = Touches.ADDS
    options = DrillClearOptions
    gives = frozenset({"looked_for"})
    milestone = Milestone.T6

    def plan(self, options: DrillClearOptions, context: Context) -> Procedure[Mapping[str, Any]]:
        """Remove, then look."""
        place = context.inventory.place(options.place)
        mine = f"{place.path.rstrip('/')}/{context.run}-"
        if place.namespace:
            yield from close_namespace(place.host, f"jindun-{context.run}")
        yield from _remove(place, context.run)
        for what, probe in _probes(place, mine).items():
            seen = yield Step(f"look for {what} that are left", probe)
            require(seen, f"无法检查残留({what})", f"it cannot be told whether {what} are left")
            if left := seen.output.split():
                raise ProcedureFailed(
                    f"演练之后仍有残留({what}):{' '.join(left[:5])}",
                    f"{what} are left by the drill: {' '.join(left[:5])}",
                )
        return {"looked_for": list(_probes(place, mine))}


def _remove(place: Place, run: str) -> Procedure[None]:
    found = ("find", place.path, "-mindepth", "1", "-maxdepth", "1", "-name", f"{run}-*")
    # A restored folder may forbid its own owner to look into it or to empty it.
    opened = Command(place.host, (*found, "-exec", "chmod", "-R", "u+rwX", "{}", "+"), good_exit_codes=(0, 1))
    yield Step("open what was restored for removal", opened, changes=True, timeout_seconds=_REMOVAL_SECONDS)
    cleared = Command(place.host, (*found, "-exec", "rm", "-rf", "--one-file-system", "--", "{}", "+"))
    removed = yield Step("remove what was restored", cleared, changes=True, timeout_seconds=_REMOVAL_SECONDS)
    require(removed, "未能清除演练恢复出的内容", "what the drill restored could not be removed")


def _probes(place: Place, mine: str) -> Mapping[str, Command]:
    """Each prints what is left, and ends well when it could look; by what it looks for."""
    folder, name = mine.rsplit("/", 1)
    run = name.removesuffix("-")
    links = ("(", "-name", "cwd", "-o", "-name", "exe", "-o", "-name", "root", ")")
    return {
        "files": Command(place.host, ("find", folder, "-maxdepth", "1", "-name", f"{name}*")),
        # Processes of others may end or be closed to us while `find` walks: it then ends with 1.
        "processes": Command(
            place.host,
            ("find", "/proc", "-mindepth", "2", "-maxdepth", "2", *links, "-lname", f"{mine}*", "-print"),
            good_exit_codes=(0, 1),
        ),
        "mounts": Command(place.host, ("grep", "-F", mine, "/proc/self/mounts"), good_exit_codes=(0, 1)),
        "namespaces": Command(
            place.host,
            ("find", "/run/netns", "-maxdepth", "1", "-name", f"jindun-{run}*"),
            good_exit_codes=(0, 1),
        ),
    }


action = DrillClear()
