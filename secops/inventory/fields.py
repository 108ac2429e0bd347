"""What many nouns of an inventory hold: references to others, ports, paths, URLs and addresses; each mistake with its place."""

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import TypeAlias
from urllib.parse import urlsplit

from secops.model.text import Text
from secops.support.suggestions import did_you_mean

KeyPath: TypeAlias = tuple[str | int, ...]
Mistake: TypeAlias = tuple[KeyPath, Text]

_HOST_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*", re.I)


def refer(path: KeyPath, id: str, known: Mapping[str, object], called: Text) -> Iterator[Mistake]:
    if id not in known:
        hint = did_you_mean(id, known)
        yield path, Text(f'没有{called.zh} "{id}"{hint.zh}', f'there is no {called.en} "{id}"{hint.en}')


def check_port(path: KeyPath, port: int) -> Iterator[Mistake]:
    if not 1 <= port <= 65535:
        yield path, Text(f"端口应在 1 到 65535 之间,实为 {port}", f"a port is 1 to 65535, found {port}")


def check_absolute(path: KeyPath, directory: str) -> Iterator[Mistake]:
    if not directory.startswith("/"):
        yield path, Text("应为绝对路径", "expected an absolute path")


def check_url(path: KeyPath, url: str) -> Iterator[Mistake]:
    if not _is_url(url):
        sentence = Text("应为 http(s)://主机[:端口]/…", "expected http(s)://host[:port]/…")
        yield path, sentence


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    plain = url.isascii() and not any(character.isspace() for character in url) and not parts.username
    return (
        parts.scheme in ("http", "https") and plain and (port is None or port > 0) and is_address(parts.hostname or "")
    )


def is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        numeric = text.replace(".", "").isdigit()
        return bool(_HOST_NAME.fullmatch(text)) and not numeric
    return True
