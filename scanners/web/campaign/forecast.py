"""What a scan would send, told without sending anything."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from scanners.web.campaign.gating import Products
from scanners.web.campaign.repertoire import NOT_SHARED, Repertoire, Shared
from scanners.web.templates.model import Attack, Block


@dataclass(frozen=True, slots=True)
class Forecast:
    """For one site."""

    templates: int
    asked: int
    """Requests that the templates ask for, at most: later steps and other payloads are often not needed."""
    sent: int
    """Of these, those that differ."""
    gated: dict[str, int]
    """Products that something on the site must name first, and their templates."""
    shared: tuple[Shared, ...]
    """Requests that are the same in several templates, the most asked first."""

    @property
    def saved(self) -> int:
        """Requests that go once instead of many times."""
        return self.asked - self.sent


def forecast(repertoire: Repertoire, indices: Iterable[int], products: Products | None) -> Forecast:
    """What these templates would send to a site; nothing is known of the site."""
    chosen = tuple(indices)
    waiting = repertoire.waiting(chosen)
    asked = own = 0
    for index in chosen:
        for block, steps in zip(repertoire.templates[index].blocks, repertoire.asks[index], strict=True):
            times = payload_count(block)
            asked += len(steps) * times
            own += sum(times for number in steps if number == NOT_SHARED)
    gated = Counter(one.name for index in chosen if products is not None and (one := products.of[index]) is not None)
    shared = [Shared(repertoire.requests[number].shown, count) for number, count in waiting.items() if count > 1]
    shared.sort(key=lambda one: (-one.templates, one.shown))
    return Forecast(len(chosen), asked, len(waiting) + own, dict(gated.most_common()), tuple(shared))


def payload_count(block: Block) -> int:
    """How often the steps of a block are sent."""
    sizes = [len(payload.values) for payload in block.payloads]
    if not sizes:
        return 1
    if block.attack is Attack.CLUSTERBOMB:
        return prod(sizes)
    return min(sizes) if block.attack is Attack.PITCHFORK else sum(sizes)
