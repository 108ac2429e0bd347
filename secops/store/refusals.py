"""Why a store refuses what is asked of it."""

from collections.abc import Sequence

from secops.model.text import Text
from secops.support.errors import BadInput


class Conflict(BadInput):
    """Somebody else changed it since it was read; read it again."""


class ForbiddenTransition(BadInput):
    """The life cycle does not lead from the present state to the wanted one."""


class NotFound(BadInput):
    """Nothing has that id, or several ids begin with it."""


def no_such_finding(id: str) -> NotFound:
    """The refusal of an id that no finding has, or begins with."""
    return NotFound(Text(f"没有编号为 {id!r} 的发现", f"no finding has the id {id!r}"))


def the_one(beginning: str, ids: Sequence[str]) -> str:
    """The id that is meant, of the first two, in their order, that begin so. Raises NotFound."""
    if not ids:
        raise no_such_finding(beginning)
    if len(ids) > 1 and ids[0] != beginning:
        raise NotFound(
            Text(
                f"有多个发现的编号以 {beginning!r} 开头,例如 {ids[0]} 和 {ids[1]};请多写几位",
                f"several findings begin with {beginning!r}, like {ids[0]} and {ids[1]}; write more of the id",
            )
        )
    return ids[0]
