"""Performs what a check yields, and knows nothing of what it is for."""

from dataclasses import dataclass, field
from typing import Protocol

from scanners.safety import Safety
from scanners.web.message import Answer, Failure, Reason
from scanners.web.probing.page import Page
from scanners.web.probing.trial import Ask, Hits, Listen, Probing
from scanners.web.probing.weakness import Verdict
from secops.model.text import Text

MOST_REQUESTS = 80
"""Of one check at one place. Where answers are steady, half of them are enough."""
_LEVELS = tuple(Safety)


class Sender(Protocol):
    """Sends a request, as the person that it names."""

    async def __call__(self, ask: Ask) -> Answer:
        """What came back; a failure is an answer too."""
        ...


class Listener(Protocol):
    """Hears the hits: `scanners.web.out_of_band`."""

    async def hits(self, token: str, seconds: float) -> Hits:
        """The hits of a bait, as soon as there are any, at the latest after `seconds`."""
        ...


@dataclass(slots=True)
class Performed:
    """What came of one check at one place."""

    verdict: Verdict | None = None
    sent: int = 0
    refused: Safety | None = None
    """The level that the profile of the scan does not allow, of what was therefore not sent."""
    failures: list[Failure] = field(default_factory=list)
    """Of requests that got no whole answer."""
    exhausted: bool = False
    """It would have needed more requests than a check may send: nothing was decided."""


async def perform(
    probing: Probing, send: Sender, *, allowed: Safety = Safety.NORMAL, listener: Listener | None = None
) -> Performed:
    """Run a check to its end, or to that of its budget. What the profile does not allow is answered by a failure, and
    not sent."""
    done = Performed()
    got: Page | Hits | None = None
    try:
        while True:
            wanted = probing.send(got) if got is not None else next(probing)
            if isinstance(wanted, Listen):
                got = await listener.hits(wanted.token, wanted.seconds) if listener else ()
            elif done.sent >= MOST_REQUESTS:
                done.exhausted = True
                return done
            else:
                got = await _asked(wanted, send, allowed, done)
    except StopIteration as end:
        done.verdict = end.value
        return done
    finally:
        probing.close()


async def _asked(ask: Ask, send: Sender, allowed: Safety, done: Performed) -> Page:
    if _LEVELS.index(ask.safety) > _LEVELS.index(allowed):
        done.refused = ask.safety
        why = Text(f"扫描档位不允许({ask.safety})", f"the profile of the scan does not allow it ({ask.safety})")
        return Page(ask.request, Answer((), Failure(Reason.TOO_INTRUSIVE, why)))
    answer = await send(ask)
    done.sent += 1
    if answer.failure is not None:
        done.failures.append(answer.failure)
    return Page(ask.request, answer)
