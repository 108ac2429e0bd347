"""The journal of a crawl: what was read, in order, so that a killed crawl goes on where it was.

One line a reading. A crawl is replayed from its readings without sending anything; the line that a kill tore is dropped.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from scanners.web.crawl.clusters import key_of
from scanners.web.crawl.lead import Lead, Reading, Source
from scanners.web.crawl.plan import CrawlPlan
from secops.model.text import Text
from secops.support.errors import BadInput

_VERSION = 1
_PACING = ("concurrency", "max_seconds", "max_pages")
"""What may differ from run to run."""


class CrawlJournal:
    """An append-only file. Raises BadInput when it belongs to another crawl."""

    def __init__(self, path: Path, plan: CrawlPlan) -> None:
        self._path = path
        self._told = {key: value for key, value in asdict(plan).items() if key not in _PACING}
        self._identity = hashlib.blake2b(orjson.dumps(self._told), digest_size=16).hexdigest()
        self._lines = self._whole_lines()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        if not self._lines:
            self._write({"crawl": _VERSION, "identity": self._identity})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def replay(self) -> Iterator[tuple[str, Reading]]:
        """The key of each lead that was answered, and its reading, in order."""
        for line in self._lines[1:]:
            written = orjson.loads(line)
            yield written["key"], _reading_of(written["reading"])

    def append(self, lead: Lead, reading: Reading) -> None:
        """Write down what was read. It survives the death of this process."""
        self._write({"key": key_of(lead), "reading": _plain(reading)})

    def unfit(self) -> BadInput:
        """The error that says that this file tells of another crawl."""
        return BadInput(
            Text(
                f"{self._path} 不是本次爬取的日志(起点或设置不同);请换一个文件",
                f"{self._path} is not the journal of this crawl (other start or settings); name another file",
            )
        )

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(orjson.dumps(line) + b"\n")

    def _whole_lines(self) -> list[bytes]:
        if not self._path.exists():
            return []
        content = self._path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        lines = whole.splitlines()
        try:
            told = orjson.loads(lines[0]) if lines else {"crawl": _VERSION, "identity": self._identity}
            ours = told["crawl"] == _VERSION and told["identity"] == self._identity
        except (orjson.JSONDecodeError, KeyError, TypeError):
            ours = False
        if not ours or (content and not lines):
            raise self.unfit()
        if len(whole) < len(content):
            with self._path.open("r+b") as file:
                file.truncate(len(whole))
        return lines


def _plain(reading: Reading) -> dict[str, Any]:
    """Only what is not as usual, to keep lines short."""
    leads = [_without_defaults(lead, ("url", "source")) for lead in reading.leads]
    return {**_without_defaults(reading, ("status",)), "leads": leads}


def _without_defaults(noun: Lead | Reading, always: tuple[str, ...]) -> dict[str, Any]:
    found = {field.name: getattr(noun, field.name) for field in fields(noun) if field.name != "leads"}
    usual = {field.name: field.default for field in fields(noun)}
    plain = {key: value for key, value in found.items() if key in always or value != usual[key]}
    if "body" in plain:
        plain["body"] = plain["body"].decode("latin-1")
    return plain


def _reading_of(written: dict[str, Any]) -> Reading:
    leads = tuple(_lead_of(lead) for lead in written["leads"])
    return Reading(**{**written, "leads": leads, "names": tuple(written.get("names", ()))})


def _lead_of(written: dict[str, Any]) -> Lead:
    return Lead(
        **{
            **written,
            "source": Source(written["source"]),
            "headers": tuple((name, value) for name, value in written.get("headers", ())),
            "body": written.get("body", "").encode("latin-1"),
            "names": tuple(written.get("names", ())),
        }
    )
