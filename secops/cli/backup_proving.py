"""`secops backup rescore` and `schedule`: old points in the light of what was learned, and what is proven next."""

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from backup.rescoring import Indicator, Rescored
from secops.cli.options import AsJson
from secops.cli.tables import console, fill, plain, print_json, table
from secops.model.text import Text
from secops.service.home import open_home
from secops.service.proving import proof_schedule, rescore_points
from secops.support.errors import BadInput
from secops.support.language import say, tell

RESCORE_HELP = say(
    zh="按入侵指标重新评定旧恢复点:用留存的清单比对哈希和路径,不必恢复;指出最早的感染点和最近的干净点。退出码 1:有感染点。",
    en="Hold an indicator of an intrusion against old restore points, by the hashes and paths of their manifests and "
    "without a restore; names the first infected and the last clean one. Exit code 1: one is infected.",
)
SCHEDULE_HELP = say(
    zh="在给定读取量内,接下来验证哪些恢复点、验证到第几级。",
    en="Which copies are proven next, and up to which rung, when only so much may be read.",
)
_GIGABYTE = 1_000_000_000

AssetId = Annotated[str, typer.Argument(metavar="ASSET", help=say(zh="资产 id。", en="Id of the asset."))]
Name = Annotated[str, typer.Option("--name", help=say(zh="指标的名称,写入结论。", en="Its name, for the verdicts."))]
Hashes = Annotated[
    list[str] | None,
    typer.Option("--hash", help=say(zh="文件的 SHA-256,可重复。", en="SHA-256 of a file; repeatable.")),
]
Paths = Annotated[
    list[str] | None,
    typer.Option(
        "--path", help=say(zh="路径或文件名模式,可重复。", en="Pattern of a path or name, like *.php; repeatable.")
    ),
]
Since = Annotated[
    str,
    typer.Option(
        "--since",
        help=say(
            zh="首见时间(ISO 8601),此后的恢复点须重新扫描。",
            en="When it was first seen (ISO 8601): later points are suspect.",
        ),
    ),
]
Gigabytes = Annotated[
    float, typer.Option("--gigabytes", min=0, help=say(zh="可读取多少 GB。", en="How many GB may be read."))
]


def rescore(
    asset: AssetId, name: Name, hashes: Hashes = None, paths: Paths = None, since: Since = "", as_json: AsJson = False
) -> None:
    """New verdicts are added, none is overwritten."""
    indicator = Indicator(
        name, frozenset(one.lower() for one in hashes or ()), tuple(paths or ()), moment_in(since) if since else None
    )
    with open_home() as home:
        outcome = rescore_points(home, asset, indicator)
    if as_json:
        print_json(_facts(outcome))
    else:
        console().print(plain(tell(outcome.because)))
        for point, verdict in outcome.verdicts.items():
            console().print(plain(f"  {point}: {tell(verdict.because)}"))
        if outcome.unsure:
            listed = ", ".join(outcome.unsure)
            unsure = say(zh=f"备份时有文件在变,不能排除:{listed}", en=f"files were changing, not excluded: {listed}")
            console().print(plain(unsure, "yellow"))
    sys.exit(1 if outcome.first_infected else 0)


def schedule(gigabytes: Gigabytes = 100.0, as_json: AsJson = False) -> None:
    """The most urgent first."""
    with open_home() as home:
        planned = proof_schedule(home, round(gigabytes * _GIGABYTE))
    if as_json:
        jobs = [
            {"point": job.point.id, "upto": int(job.upto), "read_bytes": job.read_bytes, "because": job.because}
            for job in planned.jobs
        ]
        print_json(
            {
                "jobs": jobs,
                "read_bytes": planned.read_bytes,
                "waiting": planned.waiting,
                "waiting_bytes": planned.waiting_bytes,
            }
        )
        return
    made = table(
        "", say(zh="恢复点", en="restore point"), say(zh="验证到", en="up to"), "GB", say(zh="理由", en="because")
    )
    rows = ((j.point.id, f"L{j.upto:d}", f"{j.read_bytes / _GIGABYTE:.3f}", tell(j.because)) for j in planned.jobs)
    console().print(fill(made, rows))
    left = f"{planned.waiting_bytes / _GIGABYTE:.3f} GB"
    console().print(
        plain(say(zh=f"其余 {planned.waiting} 个等待,共 {left}", en=f"{planned.waiting} wait, {left}"), "dim")
    )


def moment_in(written: str) -> datetime:
    """The moment that a person wrote, local time without a zone. Raises BadInput."""
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        raise BadInput(
            Text(
                f"“{written}”不是时间,如 2026-11-03T14:10+08:00",
                f"“{written}” is not a moment like 2026-11-03T14:10+08:00",
            )
        ) from None
    return (moment if moment.tzinfo else moment.astimezone()).astimezone(UTC)


def _facts(outcome: Rescored) -> dict[str, object]:
    return {
        "because": outcome.because,
        "first_infected": outcome.first_infected.id if outcome.first_infected else None,
        "last_clean": outcome.last_clean.id if outcome.last_clean else None,
        "verdicts": outcome.verdicts,
        "unsure": outcome.unsure,
    }
