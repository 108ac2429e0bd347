"""Scans that find other things each time: some new, some again, some no more, some worse."""

from secops.model.finding import Severity
from secops.model.outcome import Evaluation
from tests.contracts.evaluations import evaluation, weakness


def scan(number: int, places: int = 8) -> list[Evaluation]:
    """One scan of that many places."""
    return [
        evaluation(
            *(
                weakness(f"/{path}", Severity.HIGH if (path + number) % 5 == 0 else Severity.LOW, f"看 {number}")
                for path in range(12)
                if (path * 7 + place + number) % 3
            ),
            minutes=number,
            asset=f"a{place}",
            observation=f"{place} {number % 3}".encode(),
        )
        for place in range(places)
    ]
