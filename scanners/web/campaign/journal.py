"""The journal of a web scan: one JSON line for everything that ended, in order, so that a killed scan goes on.

The first line says what scan it is; the line that a kill tore is dropped. What was under way is done again.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from scanners.web.campaign.ledger import Entry, entry_of
from secops.model.text import Text
from secops.support.errors import BadInput

_VERSION = 1
_FLUSH_LINES = 64


def identity_of(parts: dict[str, Any]) -> str:
    """Two scans with one identity would do the same."""
    return hashlib.blake2b(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a journal tells."""

    scan: str
    identity: str
    seed: str
    entries: tuple[Entry, ...]
    fingerprints: dict[str, str]
    """By target."""
    places: dict[tuple[str, str], dict[str, Any]]
    """By target and place: what its examination gave, see `examination`."""
    ended: bool
    manner: str = ""
    """Scans of one manner see the same of a site that is the same."""
    checks: Mapping[str, str] = field(default_factory=dict)
    """Digests of the code of our checks."""


class ScanJournal:
    """Appends to a file."""

    def __init__(
        self,
        path: Path,
        scan: str,
        identity: str,
        seed: str,
        resumed: bool,
        manner: str = "",
        checks: Mapping[str, str] | None = None,
    ) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        if resumed:
            _drop_torn_line(path)
        self._file = path.open("ab" if resumed else "wb", buffering=0)
        self._waiting: list[bytes] = []
        if not resumed:
            head = {"scan": scan, "version": _VERSION, "identity": identity, "seed": seed}
            self._add({**head, "manner": manner, "checks": dict(checks or {})})
            self.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.flush()
        self._file.close()

    def append(self, entry: Entry) -> None:
        """Take one more; it is on the disk after a few more, or at the next flush."""
        self._add(entry.row())
        if len(self._waiting) >= _FLUSH_LINES or entry.found:
            self.flush()

    def amend(self, entry: Entry) -> None:
        """One that was appended ended otherwise; who reads takes what came last."""
        self.append(entry)

    def fingerprint(self, site: str, mark: str) -> None:
        """What the target looked like."""
        self._add({"fingerprint": mark, "of": site})

    def place(self, site: str, place: str, examined: dict[str, Any]) -> None:
        """What came of all checks at one place of a target."""
        self._add({"of": site, "place": place, "examined": examined})
        self.flush()

    def end(self) -> None:
        """Everything has ended."""
        self._add({"ended": True})
        self.flush()

    def flush(self) -> None:
        """Write what waits. It survives the death of this process."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._file.write(b"".join(waiting))

    def _add(self, row: dict[str, Any]) -> None:
        self._waiting.append(orjson.dumps(row) + b"\n")


def read_journal(path: Path) -> Recorded:
    """What a journal tells, without the line that a kill tore. Raises BadInput."""
    try:
        head, *rows = _rows(path)
        if head["version"] != _VERSION:
            raise KeyError("version")
        # What was learned late comes behind what it amends.
        entries = tuple({(row["site"], row["check"]): entry_of(row) for row in rows if "check" in row}.values())
        fingerprints = {row["of"]: row["fingerprint"] for row in rows if "fingerprint" in row}
        places = {(row["of"], row["place"]): row["examined"] for row in rows if "place" in row}
        ended = any("ended" in row for row in rows)
        manner, checks = head.get("manner", ""), head.get("checks", {})
        return Recorded(
            head["scan"], head["identity"], head["seed"], entries, fingerprints, places, ended, manner, checks
        )
    except OSError as error:
        raise BadInput(Text(f"无法读取 {path}:{error.strerror}", f"{path} cannot be read: {error.strerror}")) from None
    except (ValueError, KeyError, TypeError):
        raise BadInput(Text(f"{path} 不是网站扫描的日志", f"{path} is no journal of a web scan")) from None


def head_of(path: Path) -> dict[str, Any]:
    """The first line alone; empty when it is none of ours."""
    try:
        with path.open("rb") as file:
            found = orjson.loads(file.readline())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and "identity" in found else {}


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    return iter([orjson.loads(line) for line in whole.splitlines()])


def _drop_torn_line(path: Path) -> None:
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with path.open("r+b") as file:
            file.truncate(whole)
