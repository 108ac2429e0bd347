"""Which copies of one asset in one vault may go. Pure: by time alone, by the clock of whoever decides.

A copy that is dated in the future takes nobody's place and stays to be looked at; one that is not proven takes no
proven one's place; the newest copy that is proven clean stays whatever the rules say.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from backup.policies import Keep
from secops.model.decision import Decision
from secops.model.text import Text

_Slot = tuple[int, ...]
_SLOTS: tuple[tuple[str, Callable[[datetime], _Slot]], ...] = (
    ("hourly", lambda moment: (moment.year, moment.month, moment.day, moment.hour)),
    ("daily", lambda moment: (moment.year, moment.month, moment.day)),
    ("weekly", lambda moment: moment.isocalendar()[:2]),
    ("monthly", lambda moment: (moment.year, moment.month)),
    ("yearly", lambda moment: (moment.year,)),
)


@dataclass(frozen=True, slots=True)
class Dated:
    """What retention looks at of a restore point."""

    id: str
    taken: datetime
    proven_clean: bool


@dataclass(frozen=True, slots=True)
class Retention:
    """What stays, with the rule that wants it, and what may go; newest first."""

    kept: tuple[tuple[Dated, str], ...]
    """The rules are `all`, `hourly` … as in the policy, `newest`, `clean` and `future`."""
    dropped: tuple[Dated, ...]


def decide_retention(points: Iterable[Dated], keep: Keep, moment: datetime) -> Decision[Retention]:
    """What may be taken out of one vault of the copies of one asset, at that moment."""
    ordered = sorted(points, key=lambda point: (point.taken, point.id), reverse=True)
    future = [point for point in ordered if point.taken > moment]
    past = ordered[len(future) :]
    wanted: dict[str, str] = {point.id: "future" for point in future}
    for point, rule in _always(past):
        wanted.setdefault(point.id, rule)
    youngest_kept = moment - timedelta(seconds=keep.all)
    for point in past:
        if point.taken < youngest_kept:
            break
        wanted.setdefault(point.id, "all")
    for rule, slot in _SLOTS:
        _mark(past, moment - timedelta(seconds=getattr(keep, rule)), rule, slot, wanted)
    kept = tuple((point, wanted[point.id]) for point in ordered if point.id in wanted)
    dropped = tuple(point for point in ordered if point.id not in wanted)
    return Decision(Retention(kept, dropped), _because(kept, dropped, len(future)))


def _always(past: Sequence[Dated]) -> Iterable[tuple[Dated, str]]:
    """The newest, and the newest that is proven clean."""
    clean = next((point for point in past if point.proven_clean), None)
    return [(point, rule) for point, rule in ((clean, "clean"), (past[0] if past else None, "newest")) if point]


def _mark(
    past: Sequence[Dated], since: datetime, rule: str, slot: Callable[[datetime], _Slot], wanted: dict[str, str]
) -> None:
    """The last copy of each slot, and the last that is proven clean, where that is another one."""
    seen: set[_Slot] = set()
    seen_clean: set[_Slot] = set()
    for point in past:
        if point.taken < since:
            return
        place = slot(point.taken)
        if place not in seen or (point.proven_clean and place not in seen_clean):
            wanted.setdefault(point.id, rule)
        seen.add(place)
        if point.proven_clean:
            seen_clean.add(place)


def _because(kept: Sequence[object], dropped: Sequence[object], future: int) -> Text:
    zh = f"保留 {len(kept)} 份,可清理 {len(dropped)} 份"
    en = f"{len(kept)} copies stay and {len(dropped)} may go"
    if not future:
        return Text(f"{zh}。", f"{en}.")
    return Text(
        f"{zh};其中 {future} 份的时间在将来,不占任何名额,留待核查。",
        f"{en}; {future} of them are dated in the future, take nobody's place, and stay to be looked at.",
    )
