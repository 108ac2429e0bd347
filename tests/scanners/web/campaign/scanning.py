"""Templates in a folder, scanned against a real site with the service's own scan."""

from pathlib import Path
from typing import Any

from scanners.scope import scope_of
from secops.service.web_scanning import scan_web
from secops.service.web_wish import Watch, WebScanned, WebWish, unwatched
from secops.support.clock import from_text

SCOPE = scope_of(("127.0.0.0/8",), "tester", from_text("2999-01-01T00:00:00Z"))


def template(folder: Path, name: str, path: str = "/", word: str = "welcome", **info: str) -> Path:
    """Write a template that asks one path for one word."""
    folder.mkdir(exist_ok=True)
    tags, product = info.get("tags", "test"), info.get("product", "")
    metadata = f"  metadata:\n    product: {product}\n" if product else ""
    file = folder / f"{name}.yaml"
    file.write_text(
        f"id: {name}\ninfo:\n  name: {name}\n  author: test\n  severity: {info.get('severity', 'low')}\n"
        f"  tags: {tags}\n{metadata}"
        f'http:\n  - method: {info.get("method", "GET")}\n    path:\n      - "{{{{BaseURL}}}}{path}"\n'
        f'    matchers:\n      - type: word\n        words: ["{word}"]\n'
    )
    return file


def scanned(*urls: str, watch: Watch = unwatched, **wish: Any) -> WebScanned:
    """Scan with templates alone, at full speed."""
    usual: dict[str, Any] = {"shipped": False, "checks": False, "rate": 5000.0, "connections": 8}
    return scan_web(WebWish(SCOPE, urls, **(usual | wish)), watch)


def outcomes(ended: WebScanned) -> dict[str, str]:
    """By check, for one site."""
    return {entry.check.removeprefix("template."): entry.outcome.value for entry in ended.entries}
