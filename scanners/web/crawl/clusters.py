"""Which requests are the same page with another number in it, and which ones lead round and round."""

import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from scanners.web.crawl.lead import Lead, Source
from scanners.web.points import boundary_of

_SESSION_PATH = re.compile(r";[\w.-]*=[^/?;]*", re.IGNORECASE)
_SESSION_NAMES = frozenset(
    {"phpsessid", "jsessionid", "sessionid", "session_id", "sid", "aspsessionid", "cfid", "cftoken"}
)
_PASSING_NAMES = frozenset({"_", "t", "ts", "timestamp", "rand", "random", "nocache", "cachebuster", "_t", "v", "r"})
_TOKEN_NAMES = re.compile(r"csrf|xsrf|token|nonce|viewstate|eventvalidation|formhash", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_HEX = re.compile(r"(?<![0-9A-Za-z])(?=[0-9a-f]*\d)[0-9a-f]{8,64}(?![0-9A-Za-z])", re.IGNORECASE)
_DATE = re.compile(r"(?<!\d)(?:19|20)\d\d[-_.]?(?:1[0-2]|0?[1-9])(?:[-_.]?[0-3]?\d)?(?!\d)")
_INT = re.compile(r"\d+")
_WORD = re.compile(r"[A-Za-z_][\w.-]{0,23}")
_DEEPEST_PATH = 16
_MOST_FIELDS = 64


@dataclass(frozen=True, slots=True)
class Caps:
    """How many pages alike are enough. Alike: one place in the site, and the same can be done on them."""

    per_cluster: int = 8
    """`/news/{int}.html?page={int}`."""
    per_path: int = 40
    """`/news/{int}.html` with fields of these names, whatever their values."""
    per_folder: int = 120
    """`/news/…` without a query."""
    per_template: int = 1000
    """`/news/{int}.html` with any query."""
    per_cluster_at_all: int = 5000
    """Even when each looks different."""


def template_of(text: str) -> str:
    """A piece of a path or a value with its changing parts named: `2024-03-01` is `{date}`."""
    text = _UUID.sub("{id}", text)
    text = _DATE.sub("{date}", text)
    text = _HEX.sub("{id}", text)
    return _INT.sub("{int}", text)


def path_template(path: str) -> str:
    """`/news/12.html` as `/news/{int}.html`."""
    return template_of(_SESSION_PATH.sub("", unquote(path, errors="replace")))


def key_of(lead: Lead) -> str:
    """What makes it the same request: session ids, tokens and numbers against caching do not count."""
    parts = urlsplit(lead.url)
    query = [(name, value) for name, value in _pairs(parts.query) if not _passing(name, value)]
    asked = "&".join(f"{name}={value}" for name, value in query)
    return f"{lead.method} {parts.scheme}://{parts.netloc}{_SESSION_PATH.sub('', parts.path)}?{asked} {_body_key(lead)}"


def cluster_of(lead: Lead) -> str:
    """Requests of one cluster differ in numbers, ids, dates and free text only."""
    parts = urlsplit(lead.url)
    query = sorted(f"{name}={_kind(value)}" for name, value in _pairs(parts.query) if not _passing(name, value))
    return f"{lead.method} {parts.netloc}{path_template(parts.path)}?{'&'.join(query)} {_body_key(lead)}"


def _places(lead: Lead) -> tuple[str, str, str, str]:
    """The places that it counts for: cluster, path with names, path, and folder when it has no query."""
    parts = urlsplit(lead.url)
    path = f"{lead.method} {parts.netloc}{path_template(parts.path)}"
    if lead.source in (Source.FORM, Source.API, Source.CALL):
        # Told to exist by its fields: only the same fields again are more of the same.
        return cluster_of(lead), "", path, ""
    names = " ".join(sorted({name for name, _ in _pairs(parts.query)}))
    folder = "" if parts.query else path.rpartition("/")[0]
    return cluster_of(lead), f"{path}?{names}", path, folder


def is_trap(lead: Lead) -> bool:
    """Whether its address repeats itself or is deeper and longer than honest ones are."""
    parts = urlsplit(lead.url)
    segments = [segment for segment in parts.path.split("/") if segment]
    if len(segments) > _DEEPEST_PATH or len(lead.url) > 2048 or parts.query.count("&") > _MOST_FIELDS:
        return True
    if segments and max(Counter(segments).values()) >= 4:
        return True
    return any(
        segments[at : at + size] == segments[at + size : at + 2 * size] == segments[at + 2 * size : at + 3 * size]
        for size in (1, 2, 3)
        for at in range(len(segments) - 3 * size + 1)
    )


class Seen:
    """Counts the pages alike."""

    def __init__(self, caps: Caps) -> None:
        self._caps = caps
        self._alike: Counter[tuple[str, str]] = Counter()
        self._shape_most_seen: dict[str, int] = {}
        self._all: Counter[str] = Counter()

    def add(self, lead: Lead, shape: str) -> None:
        """One more page was read."""
        self._all[cluster_of(lead)] += 1
        for place in filter(None, _places(lead)):
            self._alike[place, shape] += 1
            self._shape_most_seen[place] = max(self._shape_most_seen.get(place, 0), self._alike[place, shape])

    def enough(self, lead: Lead) -> bool:
        """Whether one more page of its kind would teach nothing."""
        one = self._caps
        caps = (one.per_cluster, one.per_path, one.per_template, one.per_folder)
        places = _places(lead)
        if any(self._shape_most_seen.get(place, 0) >= cap for place, cap in zip(places, caps, strict=True)):
            return True
        return self._all[places[0]] >= self._caps.per_cluster_at_all


def _pairs(query: str) -> list[tuple[str, str]]:
    return parse_qsl(query, keep_blank_values=True, errors="replace", max_num_fields=None)[:_MOST_FIELDS]


def _passing(name: str, value: str) -> bool:
    lowered = name.lower()
    if lowered in _SESSION_NAMES and len(value) >= 8:
        return True
    return lowered in _PASSING_NAMES and (not value or bool(re.fullmatch(r"[\d.]{6,}", value)))


def _kind(value: str) -> str:
    """Words choose pages; numbers and free text do not."""
    template = template_of(value)
    return template if _WORD.fullmatch(value) or template != value else "{text}" if value else ""


def _body_key(lead: Lead) -> str:
    """The fields of a body; the words in them choose what it does, but tokens change with every page."""
    if not lead.body:
        return ""
    if boundary_of(lead.headers):
        return " ".join(re.findall(r'[; ]name="([^"]{0,100})"', lead.body.decode("latin-1")))
    text = lead.body.decode("latin-1")
    if text[:1] in "{[":
        return hashlib.blake2b(template_of(text).encode(), digest_size=8).hexdigest()
    return "&".join(f"{name}={'' if _TOKEN_NAMES.search(name) else _kind(value)}" for name, value in _pairs(text))
