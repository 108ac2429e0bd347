"""Which templates a site's own words let in: those for one product wait until something names that product.

What is looked for is learned from every page that comes in, the start page among them. Templates that detect a product
are never held back, so a product that the start page hides is found all the same, and its templates then run.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import ahocorasick

from scanners.web.templates.model import Template
from scanners.web.templates.page import Page
from secops.model.text import Text

_FAMILIES = {
    "wordpress": ("wordpress", "wp-content", "wp-includes", "wp-json"),
    "joomla": ("joomla",),
    "drupal": ("drupal",),
    "magento": ("magento",),
    "prestashop": ("prestashop",),
    "typo3": ("typo3",),
}
"""Tags that name a product, and its words."""
_TAGS = {"wp": "wordpress", "wp-plugin": "wordpress", "wp-theme": "wordpress", "wpscan": "wordpress"}
_DETECTS = frozenset({"tech", "detect", "detection", "panel", "discovery", "login-panel", "favicon"})
_SHORTEST = 4
"""Shorter names are in half of all pages, or in none."""
_SEPARATOR = re.compile(r"[\s_.-]+")
_MOST_ERROR_PAGES = 32
_LOOKED_AT_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Product:
    """A product and the words by which pages tell that it may be there."""

    name: str
    words: frozenset[str]


def product_of(template: Template) -> Product | None:
    """The product that a template is about; None when it is about none, or detects it."""
    tags = set(template.info.tags)
    if tags & _DETECTS:
        return None
    for tag in template.info.tags:
        family = _TAGS.get(tag, tag)
        if family in _FAMILIES:
            return Product(family, frozenset(_FAMILIES[family]))
    name = template.info.metadata.get("product", "").strip().lower()
    if "," in name or not name or name in ("n/a", "-", "unknown"):
        return None
    return _named(name, template)


def _named(name: str, template: Template) -> Product | None:
    framework = template.info.metadata.get("framework", "").strip().lower()
    vendor = template.info.metadata.get("vendor", "").strip().lower()
    vendor = "" if vendor in _BROAD_VENDORS else vendor
    words = {written for word in (name, framework, vendor) if word for written in _written(word)}
    if not words or any(len(word) < _SHORTEST for word in _written(name)):
        return None
    return Product(name, frozenset(word for word in words if len(word) >= _SHORTEST))


_BROAD_VENDORS = frozenset({"apache", "google", "microsoft", "oracle", "ibm", "project", "adobe", "sap"})
"""Their names say nothing of one product."""


def _written(name: str) -> set[str]:
    """The ways in which a page may write a name: the longest part alone counts too."""
    parts = [part for part in _SEPARATOR.split(name.replace("\\", "")) if part]
    longest = max(parts, key=len, default="")
    joined = {separator.join(parts) for separator in ("", " ", "-", "_")}
    return {*joined, longest} if len(longest) > _SHORTEST else joined


class Products:
    """The products of many templates, and the search for their words; made once for all sites."""

    def __init__(self, templates: Sequence[Template]) -> None:
        self.of: tuple[Product | None, ...] = tuple(product_of(template) for template in templates)
        self._names: dict[str, set[str]] = defaultdict(set)
        for product in self.of:
            if product is not None:
                for word in product.words:
                    self._names[word].add(product.name)

    @cached_property
    def _automaton(self) -> Any:
        automaton = ahocorasick.Automaton()
        for word in self._names:
            automaton.add_word(word, word)
        automaton.make_automaton()
        return automaton

    def named_in(self, text: bytes) -> set[str]:
        """The products that a text, in lower case, may tell of."""
        if not self._names:
            return set()
        words = {word for _, word in self._automaton.iter(text.decode("utf-8", "replace"))}
        return {name for word in words for name in self._names[word]}


class Gate:
    """The templates of one site, let in by and by."""

    def __init__(self, indices: Iterable[int], products: Products | None) -> None:
        """Without products everything is let in at once."""
        self.all = tuple(indices)
        self.seen: set[str] = set()
        """Products that something on the site names."""
        self._products = products
        self._waiting: dict[int, Product] = {}
        if products is not None:
            self._waiting = {index: one for index in self.all if (one := products.of[index]) is not None}
        self._open: list[int] = [index for index in self.all if index not in self._waiting]
        self._known: set[int] = set()
        self._errors = 0

    def learn(self, page: Page) -> None:
        """Look for products in a page that came in."""
        if not self._waiting or self._products is None:
            return
        if page.status >= 400:
            self._errors += 1
            if self._errors > _MOST_ERROR_PAGES:
                return
        mark = hash(page.body)
        if mark in self._known:
            return
        self._known.add(mark)
        head = page.hop.response.raw_head
        self.seen |= self._products.named_in((head + page.body[:_LOOKED_AT_BYTES]).lower())

    def next_batch(self) -> Sequence[int] | None:
        """Those that may run now; None when nothing more can be let in."""
        batch, self._open = self._open, []
        freed = [index for index, product in self._waiting.items() if product.name in self.seen]
        for index in freed:
            del self._waiting[index]
        return (batch + freed) or None

    def closed(self) -> Iterator[tuple[int, Text]]:
        """Those that stay outside, each once, and why."""
        waiting, self._waiting = self._waiting, {}
        for index, product in waiting.items():
            yield index, not_there(product.name)

    def rest(self) -> Collection[int]:
        """Everything that was not let in, each once: the scan is over."""
        rest = [*self._open, *self._waiting]
        self._open, self._waiting = [], {}
        return rest


def not_there(product: str) -> Text:
    """Why a template is left out."""
    return Text(
        f"站点没有任何迹象表明使用 {product}(--no-gating 可强制测试)",
        f"nothing on the site tells of {product} (--no-gating tests it all the same)",
    )
