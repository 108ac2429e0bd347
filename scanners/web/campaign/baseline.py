"""Random paths beside the real ones: what they give as well is how a site says that nothing is there."""

import random
import re
from dataclasses import replace

from scanners.web.message import Request
from scanners.web.templates.model import Template
from scanners.web.templates.running import Match, Send
from scanners.web.templates.site import Site

_SEGMENT = re.compile(r"(?P<folder>.*/)(?P<name>[^/]+?)(?P<suffix>\.[A-Za-z0-9]{1,5})?(?P<slash>/?)")
_USES = 50
"""Of one random path, before a new one is drawn: sites change while they are scanned."""
_LETTERS = "bcdfghjkmnpqrstvwxz"
_DRAWN = re.compile(r"\brand", re.IGNORECASE)


class RandomPaths:
    """Draws a name for each folder and suffix of one site; the same seed draws the same names."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._uses: dict[tuple[str, str], int] = {}

    def beside(self, target: str) -> str:
        """The request-target with its last name replaced by one that cannot be there; a root stays as it is."""
        path, sign, query = target.partition("?")
        found = _SEGMENT.fullmatch(path)
        if found is None:
            return target
        suffix, slash = found["suffix"] or "", found["slash"]
        return f"{found['folder']}{self._name(found['folder'], suffix)}{suffix}{slash}{sign}{query}"

    def plain(self, site: Site) -> str:
        """A path below the site where nothing is."""
        return f"{site.path.removesuffix('/')}/{self._name(site.path, '')}"

    def _name(self, folder: str, suffix: str) -> str:
        uses = self._uses[folder, suffix] = self._uses.get((folder, suffix), -1) + 1
        draw = random.Random(f"{self._seed}\0{folder}\0{suffix}\0{uses // _USES}")  # noqa: S311
        return "".join(draw.choices(_LETTERS, k=12))


def comparable(match: Match, site: Site) -> bool:
    """Whether a random path can tell anything about a match: not of the start page, nor of a call that was heard, nor
    where the template itself draws a path.
    """
    path = match.page.hop.request.target.partition("?")[0]
    return (
        match.interaction is None
        and path.rstrip("/") not in ("", site.path.rstrip("/"))
        and not _draws_paths(match.template, match.block)
    )


def _draws_paths(template: Template, block: int) -> bool:
    texts = (*template.blocks[block].paths, *template.blocks[block].raws)
    drawn = [name for name, value in template.variables if _DRAWN.search(value)]
    return any(_DRAWN.search(text.partition("\n")[0]) or any(name in text for name in drawn) for text in texts)


def times(template: Template) -> bool:
    """Whether the time that answers take decides."""
    return any("duration" in value for block in template.blocks for one in block.matchers for value in one.values)


def displaced(send: Send, paths: RandomPaths) -> Send:
    """The same request at a random path."""
    request = send.request
    beside = paths.beside(request.target)
    if beside == request.target:
        return send
    raw = request.raw
    if raw is not None:
        raw = raw.replace(request.target.encode("latin-1", "replace"), beside.encode("latin-1", "replace"), 1)
    moved = Request(request.method, beside, request.headers, request.body, raw)
    return replace(send, request=moved)
