"""Does somebody take the bait? For effects that no answer shows."""

from collections.abc import Callable, Generator
from dataclasses import dataclass

from scanners.web.message import Request
from scanners.web.points import Point
from scanners.web.probing.page import Page
from scanners.web.probing.trial import Ask, Bait, Effect, Hit, Hits, Listen, Purpose, Trial
from scanners.web.probing.weakness import Verdict
from secops.model.text import Text

BAIT = "{bait}"
FIRST_SECONDS = 1.2
_SECOND_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class Taken:
    """Two baits were taken, each known to the tested site alone."""

    first: Hit
    second: Hit

    @property
    def because(self) -> Text:
        """The sentence for a verdict."""
        return Text(
            f"两个只告诉过该站点的随机地址先后被 {self.second.peer} 访问({self.second.protocol})",
            f"two random addresses that only this site was told of were asked for by {self.second.peer} "
            f"({self.second.protocol})",
        )

    @property
    def shown(self) -> str:
        """What was asked, for the evidence."""
        return self.second.request.partition("\r\n")[0][:200]


def taken_late(hit: Hit) -> Verdict:
    """The verdict for a hit that came when its check was over: nobody else can know the address."""
    because = Text(
        f"只告诉过该站点的随机地址事后被 {hit.peer} 访问({hit.protocol})",
        f"a random address that only this site was told of was asked for later by {hit.peer} ({hit.protocol})",
    )
    return Verdict(because, {"hit": hit.request.partition("\r\n")[0][:200]}, rule="out-of-band")


def baited(point: Point, form: str, write: Callable[[Bait], str]) -> Callable[[Bait], Request]:
    """Injects a form whose BAIT stands for what `write` makes of one."""

    def inject(bait: Bait) -> Request:
        return point.inject(form.replace(BAIT, write(bait)))

    return inject


def takes(
    trial: Trial, inject: Callable[[Bait], Request], effect: Effect = Effect.NONE
) -> Generator[Ask | Listen, Page | Hits, Taken | None]:
    """Lay a bait, and another one when it was taken. A hit that comes too late is told by the listener."""
    if trial.baits is None:
        return None
    bait = trial.baits.bait(trial.check, trial.place)
    yield from trial.ask(inject(bait), Purpose.ATTACK, effect)
    first = yield from trial.hits(bait, FIRST_SECONDS)
    if not first:
        return None
    bait = trial.baits.bait(trial.check, trial.place)
    yield from trial.ask(inject(bait), Purpose.AGAIN, effect)
    second = yield from trial.hits(bait, _SECOND_SECONDS)
    return Taken(first[0], second[0]) if second else None
