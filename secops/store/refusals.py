"""Why a store refuses what is asked of it."""

from secops.support.errors import BadInput


class Conflict(BadInput):
    """Somebody else changed it since it was read; read it again."""


class ForbiddenTransition(BadInput):
    """The life cycle does not lead from the present state to the wanted one."""


class NotFound(BadInput):
    """Nothing has that id, or several ids begin with it."""
