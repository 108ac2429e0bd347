"""Jobs of a scan: each template against its own target, as lines of JSON."""

from collections.abc import Sequence
from pathlib import Path

import orjson

from scanners.web.campaign.found import template_check
from scanners.web.campaign.ledger import Entry
from scanners.web.templates.coverage import reason_text
from scanners.web.templates.model import Refused
from scanners.web.templates.site import site_of
from secops.model.outcome import Outcome
from secops.model.text import Text
from secops.service.web_wish import Job
from secops.support.errors import BadInput
from secops.support.system_words import why


def read_jobs(path: Path) -> tuple[Job, ...]:
    """Jobs, one JSON object a line; paths start here, else beside the file. Raises BadInput with the line."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise BadInput(Text(f"无法读取 {path}:{why(error).zh}", f"{path} cannot be read: {why(error).en}")) from None
    return tuple(_job(path, number, line) for number, line in enumerate(lines, 1) if line.strip())


def _job(path: Path, number: int, line: bytes) -> Job:
    try:
        row = orjson.loads(line)
        template, url = row["template"], row["url"]
        if not isinstance(template, str) or not isinstance(url, str):
            raise TypeError(template)
    except (ValueError, KeyError, TypeError):
        zh, en = '应为 {"template": 路径, "url": 网址}', 'expected {"template": path, "url": address}'
        raise BadInput(Text(f"{path}:{number}:{zh}", f"{path}:{number}: {en}")) from None
    found = Path(template) if Path(template).exists() else path.parent / template
    if not found.is_file():
        raise BadInput(
            Text(f"{path}:{number}:没有模板 {template}", f"{path}:{number}: there is no template {template}")
        )
    site_of(url)
    return Job(found, url)


def refused_entry(site: str, path: Path, refused: Sequence[Refused]) -> Entry:
    """Of a job whose template cannot be run."""
    reasons = [reason_text(reason.feature) for one in refused for reason in one.reasons]
    zh = "、".join(dict.fromkeys(reason.zh for reason in reasons)) or "不是模板"
    en = "; ".join(dict.fromkeys(reason.en for reason in reasons)) or "no template"
    name = next((one.identity for one in refused if one.identity), path.name)
    return Entry(site, template_check(name), Outcome.SKIPPED, Text(f"模板不可执行:{zh}", f"it cannot be run: {en}"))
