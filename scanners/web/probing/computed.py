"""Does something compute what it is given? Told by a product that stands nowhere in the request."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from scanners.web.points import Point
from scanners.web.probing.page import Page
from scanners.web.probing.trial import Ask, Hits, Listen, Purpose, Trial
from secops.model.text import Text


@dataclass(frozen=True, slots=True)
class Computed:
    """What was sent, and what came of it, twice."""

    payload: str
    product: str
    excerpt: str

    @property
    def because(self) -> Text:
        """The sentence for a verdict."""
        return Text(
            f"载荷 {self.payload!r} 被执行:应答中出现请求里没有的乘积 {self.product},换用另一组数字结果一致",
            f"the payload {self.payload!r} was run: the answer holds the product {self.product}, which the request "
            "does not, and so it did with other numbers",
        )


def computes(trial: Trial, point: Point, forms: Sequence[str]) -> Generator[Ask | Listen, Page | Hits, Computed | None]:
    """The first form that is computed, twice with different numbers.

    `{m}` in a form is a mark, `{a}` and `{b}` are numbers; the mark is wanted, followed by their product.
    """
    for form in forms:
        computed = yield from _once(trial, point, form, Purpose.ATTACK)
        if computed and (yield from _once(trial, point, form, Purpose.AGAIN)):
            return computed
    return None


def _once(
    trial: Trial, point: Point, form: str, purpose: Purpose
) -> Generator[Ask | Listen, Page | Hits, Computed | None]:
    mark, first, second = trial.mark(6), trial.number(), trial.number()
    payload = form.replace("{m}", mark).replace("{a}", str(first)).replace("{b}", str(second))
    page = yield from trial.ask(point.inject(payload), purpose)
    wanted = f"{mark}{first * second}"
    if wanted not in page.plain.lower():
        return None
    return Computed(payload, str(first * second), page.around(wanted))
