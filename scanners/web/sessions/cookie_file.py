"""Cookies that a browser exported: Netscape's lines, or JSON as extensions and Playwright write it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from secops.model.text import Text
from secops.support.errors import BadInput

_MAX_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ImportedCookie:
    """One cookie of the file."""

    domain: str
    """Without a leading dot."""
    host_only: bool
    path: str
    name: str
    value: str

    def is_for(self, host: str) -> bool:
        """Whether a browser would send it there."""
        host = host.lower()
        return host == self.domain or (not self.host_only and host.endswith("." + self.domain))


def read_cookies(path: Path) -> tuple[ImportedCookie, ...]:
    """Every cookie of the file. Raises BadInput when there is none, or it cannot be read."""
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _bad(path, f"无法读取:{error}", f"it cannot be read: {error}") from None
    if len(content) > _MAX_BYTES:
        raise _bad(path, "文件超过 4 MiB", "it is larger than 4 MiB")
    try:
        found = tuple(_of_json(text) if text.lstrip()[:1] in ("[", "{") else _of_lines(text))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise _bad(path, "不是浏览器导出的 Cookie", "it is not what browsers export") from None
    if not found:
        raise _bad(path, "其中没有 Cookie", "there is no cookie in it")
    return found


def _of_lines(text: str) -> Iterator[ImportedCookie]:
    for line in text.splitlines():
        line = line.removeprefix("#HttpOnly_")
        if not line.strip() or line.startswith("#"):
            continue
        domain, others, path, _secure, _expires, name, value = line.split("\t")
        yield ImportedCookie(domain.lstrip(".").lower(), others.upper() != "TRUE", path or "/", name, value)


def _of_json(text: str) -> Iterator[ImportedCookie]:
    loaded: Any = json.loads(text)
    for one in loaded["cookies"] if isinstance(loaded, dict) else loaded:
        domain = str(one["domain"]).lower()
        host_only = bool(one.get("hostOnly", not domain.startswith(".")))
        name, value = str(one["name"]), str(one["value"])
        yield ImportedCookie(domain.lstrip("."), host_only, str(one.get("path") or "/"), name, value)


def _bad(path: Path, zh: str, en: str) -> BadInput:
    return BadInput(Text(f"Cookie 文件 {path}:{zh}", f"cookie file {path}: {en}"))
