"""A template as read: data alone, so that it can be kept in a cache and handed to other processes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import orjson

from scanners.web.redirects import NONE, Redirects


class Severity(StrEnum):
    """How much a match matters, as its author says."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """What of an author's words is seldom asked for."""

    description: str = ""
    remediation: str = ""
    references: tuple[str, ...] = ()
    classification: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)

    def written(self) -> bytes:
        """As `Info` keeps it."""
        return orjson.dumps(self)


@dataclass(frozen=True, slots=True, eq=False)
class Info:
    """What the author says about a template."""

    name: str
    severity: Severity
    tags: tuple[str, ...] = ()
    """Lower case."""
    authors: tuple[str, ...] = ()
    written: bytes = b"{}"
    """What is seldom asked for, as JSON: taken apart, it would be a quarter of the memory of a scan."""

    @property
    def description(self) -> str:
        """What it is about."""
        return self._said.description

    @property
    def remediation(self) -> str:
        """How to mend what it finds."""
        return self._said.remediation

    @property
    def references(self) -> tuple[str, ...]:
        """Addresses to read on at."""
        return self._said.references

    @property
    def classification(self) -> Mapping[str, str]:
        """`cve-id`, `cwe-id`, `cvss-score` …; several values joined by a comma."""
        return self._said.classification

    @property
    def metadata(self) -> Mapping[str, str]:
        """`vendor`, `product` … in the same way."""
        return self._said.metadata

    @property
    def _said(self) -> "Said":
        return Said(**orjson.loads(self.written))


class MatcherKind(StrEnum):
    """What a matcher compares."""

    WORD = "word"
    REGEX = "regex"
    STATUS = "status"
    SIZE = "size"
    BINARY = "binary"
    DSL = "dsl"
    XPATH = "xpath"


@dataclass(frozen=True, slots=True, eq=False)
class Matcher:
    """One condition on an answer."""

    kind: MatcherKind
    values: tuple[str, ...] = ()
    """Words, patterns, expressions, paths; hexadecimal for BINARY."""
    numbers: tuple[int, ...] = ()
    """For STATUS and SIZE."""
    part: str = "body"
    every: bool = False
    """All values must be there, not one of them."""
    negative: bool = False
    internal: bool = False
    case_insensitive: bool = False
    name: str = ""


class ExtractorKind(StrEnum):
    """How an extractor finds its values."""

    REGEX = "regex"
    KVAL = "kval"
    JSON = "json"
    XPATH = "xpath"
    DSL = "dsl"


@dataclass(frozen=True, slots=True, eq=False)
class Extractor:
    """Takes values out of an answer, to show them or, when internal, for later requests."""

    kind: ExtractorKind
    values: tuple[str, ...] = ()
    part: str = "body"
    group: int = 0
    attribute: str = ""
    internal: bool = False
    case_insensitive: bool = False
    name: str = ""


class Attack(StrEnum):
    """How several payloads are combined."""

    BATTERINGRAM = "batteringram"
    """One after the other."""
    PITCHFORK = "pitchfork"
    """The first values of all, the second values of all …"""
    CLUSTERBOMB = "clusterbomb"
    """Every combination."""


@dataclass(frozen=True, slots=True, eq=False)
class Payload:
    """A placeholder and the values that it takes in turn."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Sending:
    """How the requests of a block are sent."""

    redirects: Redirects = NONE
    cookies: bool = True
    """Cookies that the server sets are sent back in later steps."""
    unsafe: bool = False
    """Raw requests go out byte for byte."""
    merge_path: bool = True
    """The path of the scanned URL is put before the path of raw requests."""
    most_bytes: int = 0
    """The body is judged by its first so many bytes; 0: all."""
    stop_at_first_match: bool = False
    skip_variables_check: bool = False
    iterate_all: bool = False
    """Later requests are sent for each extracted value, not for the first alone."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """One entry of `http`: requests, and how their answers are judged."""

    identity: str = ""
    method: str = "GET"
    paths: tuple[str, ...] = ()
    raws: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    payloads: tuple[Payload, ...] = ()
    attack: Attack = Attack.BATTERINGRAM
    sending: Sending = field(default_factory=Sending)
    matchers: tuple[Matcher, ...] = ()
    every_matcher: bool = False
    """All matchers must match, not one of them."""
    extractors: tuple[Extractor, ...] = ()


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Template:
    """One template that can be run."""

    identity: str
    path: str
    """Within its directory or archive."""
    info: Info
    blocks: tuple[Block, ...]
    variables: tuple[tuple[str, str], ...] = ()
    flow: str = ""
    """Which block runs after which; empty: all, one after the other."""
    digest: str = ""
    """Of its text and of the payload files that it names."""


@dataclass(frozen=True, slots=True)
class Unsupported:
    """Why a template is not run: a feature, where it stands, and what was written there."""

    feature: str
    """Key of `features.FEATURES`."""
    where: str
    """As `http[0].matchers[1]`."""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """A template file that is not run."""

    identity: str
    """Empty when not even that could be read."""
    path: str
    reasons: tuple[Unsupported, ...]
