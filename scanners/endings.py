"""The ways in which a check ends without a judgement. Each carries the sentence that becomes the outcome's reason."""

from secops.model.text import Text


class NotTested(Exception):
    """Base of the endings below; nothing is known of the asset."""

    def __init__(self, reason: Text) -> None:
        super().__init__(reason.en)
        self.reason = reason


class Blocked(NotTested):
    """Something in between answered in the asset's place: a firewall page, a login, a rate limit."""


class Unreachable(NotTested):
    """The target did not answer, or not in a way that can be judged."""


class OutOfScope(NotTested):
    """The scope guard refused to open a socket; nothing was sent."""


class NotApplicable(NotTested):
    """The asset lacks what the check looks at."""


class Stopped(NotTested):
    """The kill switch is on; nothing more is sent."""


class Unjudged(NotTested):
    """What was seen cannot be judged now: what it is compared with cannot be read."""
