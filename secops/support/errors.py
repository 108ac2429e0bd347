"""Errors that a user can mend, and the exit code that each family ends with.

0 fine, 1 something found or a drill failed, 2 bad input, 3 incomplete or unreachable, 4 our bug.
"""

from secops.model.text import Text
from secops.support.language import tell


class JindunError(Exception):
    """Base of the errors shown to a user as one sentence; `exit_code` is what the CLI ends with."""

    exit_code = 4

    def __init__(self, text: Text) -> None:
        super().__init__(text.en)
        self.text = text

    def __str__(self) -> str:
        return tell(self.text)


class BadInput(JindunError):
    """What the user wrote cannot be used; nothing was changed."""

    exit_code = 2


class Incomplete(JindunError):
    """Something could not be reached or finished; what was done is recorded."""

    exit_code = 3
