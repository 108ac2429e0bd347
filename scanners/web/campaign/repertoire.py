"""The templates of a scan in the order in which they run, and which of their requests others ask as well.

All of it follows from the templates alone, so it is made once for however many sites.
"""

import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scanners.web.templates.literals import Literals
from scanners.web.templates.model import Block, Template
from scanners.web.templates.outline import needs_listener

NOT_SHARED = -1
"""In place of the number of a request that differs from run to run."""
_PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}|§")
_OF_THE_SITE = frozenset(
    {"BaseURL", "RootURL", "Hostname", "Host", "Port", "Path", "File", "Scheme", "Schema", "Input"}
    | {"FQDN", "RDN", "DN", "TLD", "SD"}
)
_PLAIN = re.compile(r"\{\{(BaseURL|RootURL)\}\}(.*)", re.DOTALL)
_WORTH_INDEXING = 30
"""Templates that look at one answer, from which on a search for the words of all of them is the cheaper way."""


@dataclass(frozen=True, slots=True)
class Shared:
    """A request that several templates may send, byte for byte the same."""

    shown: str
    """For people: method and path, or the first line."""
    templates: int


class Repertoire:
    """Templates, those that begin with the same request side by side, the most asked first.

    Before them go those that wait for calls from the site, so that the others are run meanwhile.
    """

    def __init__(self, templates: Iterable[Template], *, indexed: bool = True) -> None:
        """`indexed`: search pages for the words of all templates at once; only where each id stands for one template."""
        given = tuple(templates)
        numbered = _Numbering()
        asks = {id(template): numbered.steps_of(template) for template in given}
        self.requests: tuple[Shared, ...] = numbered.shared()
        self.templates: tuple[Template, ...] = tuple(sorted(given, key=lambda one: self._rank(one, asks[id(one)])))
        self.asks: tuple[tuple[array[int], ...], ...] = tuple(asks[id(one)] for one in self.templates)
        """Of each template, by block and step: the number of the request, or NOT_SHARED."""
        self.literals = Literals(
            template
            for template, steps in zip(self.templates, self.asks, strict=True)
            if indexed and self._is_crowded(steps)
        )
        self.shared: tuple[frozenset[int], ...] = tuple(
            frozenset(number for steps in blocks for number in steps if number != NOT_SHARED) for blocks in self.asks
        )
        """Of each template, the requests that others may ask as well."""

    def waiting(self, indices: Iterable[int]) -> Counter[int]:
        """By number of request: how many of these templates may ask it."""
        return Counter(number for index in indices for number in self.shared[index])

    def _rank(self, template: Template, steps: Sequence["array[int]"]) -> tuple[bool, int, int]:
        listens = needs_listener(template)
        first = steps[0][0] if steps and len(steps[0]) else NOT_SHARED
        return (not listens, -self.requests[first].templates, first) if first != NOT_SHARED else (not listens, 1, 0)

    def _is_crowded(self, steps: Sequence["array[int]"]) -> bool:
        return any(
            number != NOT_SHARED and self.requests[number].templates >= _WORTH_INDEXING
            for block in steps
            for number in block
        )


class _Numbering:
    """Numbers requests by their texts: texts that differ may still be one request, the same text always is one."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[object, ...], int] = {}
        self._shown: list[str] = []
        self._askers: dict[int, int] = defaultdict(int)

    def steps_of(self, template: Template) -> "tuple[array[int], ...]":
        own = frozenset(name for name, _ in template.variables)
        steps = tuple(
            array("i", (self._number(block, text, own) for text in _texts(block))) for block in template.blocks
        )
        for number in {one for block in steps for one in block if one != NOT_SHARED}:
            self._askers[number] += 1
        return steps

    def shared(self) -> tuple[Shared, ...]:
        return tuple(Shared(shown, self._askers[number]) for number, shown in enumerate(self._shown))

    def _number(self, block: Block, text: str, own: frozenset[str]) -> int:
        sending = block.sending
        parts = (text, block.body, block.method, *(value for pair in block.headers for value in pair))
        taken = own | {payload.name for payload in block.payloads}
        if sending.unsafe or not all(_is_static(part, taken) for part in parts):
            return NOT_SHARED
        plain = _PLAIN.fullmatch(text) if block.paths else None
        place = (plain[1] if len(plain[2]) > 1 else "", plain[2] or "/") if plain else ("", text)
        key = (bool(block.paths), place, block.method, block.headers, block.body)
        number = self._numbers.setdefault(key, len(self._numbers))
        if number == len(self._shown):
            self._shown.append(_shown(block, text))
        return number


def _texts(block: Block) -> tuple[str, ...]:
    return block.paths or block.raws


def _is_static(text: str, taken: frozenset[str]) -> bool:
    """Whether a text is the same in every run against a site."""
    if "{{" not in text and "§" not in text:
        return True
    return all(name in _OF_THE_SITE and name not in taken for name in _PLACEHOLDER.findall(text))


def _shown(block: Block, text: str) -> str:
    if not block.paths:
        return next((line.strip() for line in text.splitlines() if line.strip() and not line.startswith("@")), "")
    return f"{block.method} {_PLACEHOLDER.sub('', text) or '/'}"
