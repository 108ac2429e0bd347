"""What is asked next, decided from what was answered so far. Pure: the same answers give the same crawl."""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from heapq import heappop, heappush
from urllib.parse import urlsplit

from scanners.web.crawl.avoidance import changes_things, ends_session
from scanners.web.crawl.clusters import Seen, cluster_of, is_trap, key_of
from scanners.web.crawl.lead import Lead, Reading, Source
from scanners.web.crawl.plan import Crawled, CrawlPlan, Entry, LeftOut
from scanners.web.finding_points import USUAL_HEADERS, Learned
from scanners.web.message import DEFAULT_PORTS, Reason, Target
from scanners.web.points import Part, Where
from scanners.web.urls import resolve, target_of

PROBES = (
    "robots.txt",
    "sitemap.xml",
    "sitemap_index.xml",
    "sitemap.xml.gz",
    "openapi.json",
    "openapi.yaml",
    "swagger.json",
    "swagger/v1/swagger.json",
    "v2/api-docs",
    "v3/api-docs",
    "api-docs",
    "api/openapi.json",
    "api/swagger.json",
    "manifest.json",
    "crossdomain.xml",
    ".well-known/security.txt",
    ".well-known/openid-configuration",
)
_HEAVY = re.compile(
    r"\.(?:png|jpe?g|gif|webp|bmp|ico|svg|woff2?|ttf|eot|otf|mp[34]|avi|mov|webm|wav|ogg|pdf|zip|t?gz|rar|7z|tar|exe|dmg|"
    r"apk|iso|docx?|xlsx?|pptx?|map|psd)$",
    re.IGNORECASE,
)
_READ_ANYWAY = ("sitemap", "openapi", "swagger", ".xml.gz")
_MOST_LEARNED = 12
_MOST_EXAMPLES = 20
_MOST_KNOWN = 200_000
"""Requests that are remembered: an endless site must not fill the memory."""
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
_UNANSWERED = {
    Reason.OUT_OF_SCOPE.value: LeftOut.OUT_OF_SCOPE,
    LeftOut.OUT_OF_SESSION.value: LeftOut.OUT_OF_SESSION,
}
_GONE = frozenset({404, 410, 400, 501})


class Frontier:
    """Give it readings in the order in which it gave out leads."""

    def __init__(self, plan: CrawlPlan) -> None:
        self._plan = plan
        self._seen = Seen(plan.caps)
        self._queue: list[tuple[int, int, bytes, int, Lead]] = []
        self._keys: set[str] = set()
        self._told: set[tuple[str, str, bytes]] = set()
        """The most of what pages tell was told before, letter by letter."""
        self._depths: dict[Lead, int] = {}
        self._crowds: Counter[str] = Counter()
        self._origins: dict[Target, None] = {}
        self._misses: dict[Target, list[Reading]] = defaultdict(list)
        self._entries: dict[str, Entry] = {}
        self._left_out: Counter[LeftOut] = Counter()
        self._examples: dict[LeftOut, list[str]] = defaultdict(list)
        self._failures: Counter[str] = Counter()
        self._unanswered_seeds: list[str] = []
        self._shared: dict[str, None] = {}
        """Names that script files use, wherever they are included."""
        self._answered = self._asked = 0
        for seed in plan.seeds:
            self._start(seed)

    def next(self) -> Lead | None:
        """The next request; None when nothing waits. What waits may come with the answers to those under way."""
        while self._queue:
            *_, lead = heappop(self._queue)
            if self._asked >= self._plan.max_pages:
                self._leave_out(lead, LeftOut.PAGES)
            elif lead.source not in (Source.SEED, Source.MISS, Source.PROBE) and self._seen.enough(lead):
                self._leave_out(lead, LeftOut.ALIKE)
            else:
                self._asked += 1
                return lead
        return None

    def take(self, lead: Lead, reading: Reading) -> None:
        """Learn from an answer."""
        if not reading.status:
            if reading.failure == Reason.TOO_INTRUSIVE.value:
                self._enter(lead, reading)
                return
            self._failures[reading.failure] += 1
            if lead.source is Source.SEED:
                self._unanswered_seeds.append(lead.url)
            if lead.source is not Source.PROBE:
                self._leave_out(lead, _UNANSWERED.get(reading.failure, LeftOut.NO_ANSWER))
            return
        self._answered += 1
        if lead.source is Source.MISS:
            self._misses[lead.target].append(reading)
            return
        if reading.unseen:
            self._leave_out(lead, LeftOut.UNSEEN)
        missing = self._is_missing(lead, reading)
        if not missing:
            self._seen.add(lead, reading.shape)
            self._enter(lead, reading)
        if not (missing and lead.source.is_guess):
            self._follow(lead, reading)

    def give_up(self, lead: Lead, reason: LeftOut) -> None:
        """It was given out, and will not be answered."""
        self._leave_out(lead, reason)

    def close(self, reason: LeftOut) -> None:
        """Nothing more is asked."""
        for *_, lead in self._queue:
            self._leave_out(lead, reason)
        self._queue.clear()

    @property
    def waiting(self) -> int:
        """How many leads wait."""
        return len(self._queue)

    @property
    def found(self) -> int:
        """How many requests were found so far."""
        return len(self._entries)

    def crawled(self) -> Crawled:
        """What was found so far."""
        examples = {reason: tuple(urls) for reason, urls in self._examples.items()}
        entries = (
            replace(entry, learned=_learned([*entry.learned.cookies, *self._shared], entry.lead))
            for entry in self._entries.values()
        )
        return Crawled(tuple(entries), dict(self._left_out), examples, self._answered, dict(self._failures))

    def _start(self, seed: str) -> None:
        url = resolve(seed, seed)
        if not url:
            raise ValueError(f"{seed!r} is no web address")
        self._admit(target_of(url))
        self._offer(Lead(url, Source.SEED), 0)

    def _admit(self, target: Target) -> None:
        """Another origin of the site; what many sites have is asked for there."""
        if target in self._origins:
            return
        self._origins.setdefault(target)
        random = hashlib.blake2b(f"{self._plan.seed} {target}".encode(), digest_size=6).hexdigest()
        for place in (random, f"{random}.html"):
            self._offer(Lead(f"{target}/{place}", Source.MISS), 0)
        for place in PROBES if self._plan.probes else ():
            self._offer(Lead(f"{target}/{place}", Source.PROBE), 0)

    def _follow(self, lead: Lead, reading: Reading) -> None:
        depth = self._depths.get(lead, 0)
        if lead.source is Source.SEED and 300 <= reading.status < 400:
            self._follow_home(lead, reading)
        if reading.kind == "script":
            self._shared.update(dict.fromkeys(reading.names))
        names = reading.names[: 2 * _MOST_LEARNED]
        for found in reading.leads:
            # The parts of a page are on its level: a script is read as if it stood in it.
            step = 0 if found.source in (Source.RESOURCE, Source.REDIRECT) else 1
            self._offer(found, depth + step, names)

    def _follow_home(self, lead: Lead, reading: Reading) -> None:
        """A seed may lead to its other name: with or without `www.`, or to https."""
        for found in reading.leads:
            bare = (one.host.removeprefix("www.") for one in (found.target, lead.target))
            if found.source is Source.REDIRECT and len(set(bare)) == 1:
                self._admit(found.target)

    def _offer(self, found: Lead, depth: int, names: tuple[str, ...] = ()) -> None:
        if (found.method, found.url, found.body) in self._told:
            return
        key = key_of(found)
        if key in self._keys:
            return
        lead = replace(found, names=names)
        reason = self._refusal(lead, depth)
        if len(self._keys) >= _MOST_KNOWN:
            reason = LeftOut.PAGES
        else:
            self._keys.add(key)
            self._told.add((found.method, found.url, found.body))
        if reason is not None:
            self._leave_out(lead, reason)
            return
        if lead.needs_care or (lead.method not in ("GET", "HEAD") and not self._plan.submits):
            self._enter(lead, Reading(charset=lead.charset))
            return
        self._depths[lead] = depth
        cluster = cluster_of(lead)
        self._crowds[cluster] += 1
        chance = hashlib.blake2b(f"{self._plan.seed} {key}".encode("utf-8", "replace"), digest_size=8).digest()
        rank = 0 if lead.source in (Source.SEED, Source.MISS) else self._crowds[cluster]
        heappush(self._queue, (depth, rank, chance, len(self._keys), lead))

    def _refusal(self, lead: Lead, depth: int) -> LeftOut | None:
        if not self._is_ours(lead):
            return LeftOut.ELSEWHERE
        if lead.source in (Source.SEED, Source.MISS, Source.PROBE):
            return None
        if is_trap(lead):
            return LeftOut.TRAP
        if ends_session(lead):
            return LeftOut.LOGOUT
        if changes_things(lead):
            return LeftOut.CHANGES
        if _is_heavy(lead):
            return LeftOut.RESOURCE
        return LeftOut.TOO_DEEP if depth > self._plan.max_depth else None

    def _is_ours(self, lead: Lead) -> bool:
        """On an origin of the seeds, or on the other scheme of the same host, both at their usual ports."""
        try:
            target = lead.target
        except ValueError:
            return False
        if target in self._origins:
            return True
        if target.port != DEFAULT_PORTS[target.scheme]:
            return False
        twins = (Target(scheme, target.host, port) for scheme, port in DEFAULT_PORTS.items())
        return any(twin in self._origins for twin in twins)

    def _is_missing(self, lead: Lead, reading: Reading) -> bool:
        """By its status, or because a random address gets the same page.

        What is no guess and is told in its own words not to be there is there: `No article 12` is made of its address.
        """
        if lead.source is Source.PROBE and (reading.kind == "html" or reading.status >= 300):
            return True
        if reading.status in _GONE:
            return lead.source.is_guess or self._is_miss(lead.target, reading)
        return lead.source.is_guess and reading.status < 400 and self._is_miss(lead.target, reading)

    def _is_miss(self, target: Target, reading: Reading) -> bool:
        """The same text as a random address; where that text changes each time, a page of the same shape."""
        misses = self._misses[target]
        if len({miss.gist for miss in misses}) < len(misses):
            return any(reading.gist == miss.gist for miss in misses)
        return any(reading.shape == miss.shape for miss in misses)

    def _enter(self, lead: Lead, reading: Reading) -> None:
        key = key_of(lead)
        if key in self._entries:
            return
        learned = _learned([*lead.names, *reading.names], lead)
        # A request is written in the character set of the page that shows its form; a seed in its own.
        charset = lead.charset if lead.found_on else reading.charset
        self._entries[key] = Entry(lead, reading.status, reading.kind, charset, learned)

    def _leave_out(self, lead: Lead, reason: LeftOut) -> None:
        self._left_out[reason] += 1
        if len(self._examples[reason]) < _MOST_EXAMPLES:
            self._examples[reason].append(lead.url)


def _is_heavy(lead: Lead) -> bool:
    parts = urlsplit(lead.url)
    if parts.query or not _HEAVY.search(parts.path):
        return False
    return not any(word in parts.path.rpartition("/")[2].lower() for word in _READ_ANYWAY)


def _learned(names: Iterable[str], lead: Lead) -> Learned:
    """The fields that are used near a request may be read from headers and cookies too."""
    wanted = dict.fromkeys([*_own_names(lead), *names])
    tokens = tuple(name for name in wanted if _TOKEN.fullmatch(name))[:_MOST_LEARNED]
    return Learned((*USUAL_HEADERS, *tokens), tokens)


def _own_names(lead: Lead) -> Iterator[str]:
    for point in Entry(lead, 0, "", lead.charset, Learned(())).points:
        if point.part is Part.VALUE and point.where in (Where.QUERY, Where.FORM, Where.JSON):
            yield point.parameter.rpartition("/")[2]
