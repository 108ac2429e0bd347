"""`secops findings review`: what time and policy do to findings."""

from typing import Annotated

import typer

from secops.cli.options import AsJson
from secops.cli.progress import counting
from secops.cli.tables import console, plain, print_json
from secops.service.home import open_home
from secops.service.reviewing import Reviewed
from secops.support.language import say

Anew = Annotated[
    bool,
    typer.Option(
        "--anew",
        help=say(
            zh="重算全部期限,用于政策、节假日或清单改动之后。",
            en="Work out every deadline again, after the policy, the holidays or the inventory changed.",
        ),
    ),
]


def review_findings(anew: Anew = False, as_json: AsJson = False) -> None:
    with open_home() as home, counting(say(zh="复核", en="reviewing"), quiet=as_json) as advance:
        reviewed = home.review(anew=anew, on_looked=advance)
    if as_json:
        print_json(told_to_machines(reviewed))
    else:
        _print(reviewed)


def told_to_machines(reviewed: Reviewed) -> dict[str, object]:
    """What a review changed, as JSON."""
    told = {str(mark): number for mark, number in sorted(reviewed.told.items())}
    return {
        "accepted": reviewed.accepted,
        "reopened": reviewed.reopened,
        "deadlines": reviewed.deadlines,
        "told": told,
    }


def _print(reviewed: Reviewed) -> None:
    marks = ", ".join(f"{mark} %: {number}" for mark, number in sorted(reviewed.told.items())) or "-"
    said = say(
        zh=f"接受 {len(reviewed.accepted)} · 重新打开 {len(reviewed.reopened)} · 定下期限 {reviewed.deadlines} · 时间已过 {marks}",
        en=f"accepted {len(reviewed.accepted)} · open again {len(reviewed.reopened)} · deadlines set {reviewed.deadlines} "
        f"· time passed {marks}",
    )
    console().print(plain(said), soft_wrap=True)
