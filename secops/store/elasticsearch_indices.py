"""The indices of the store: made when missing, looked at, rolled, copied; refused when they are not ours.

What is changed in place is `PREFIX-findings-v1` behind the alias `PREFIX-findings`. What is only appended is
`PREFIX-events-000001` and later ones behind `PREFIX-events`, all of which are read and the newest of which is written.

Every index has an alias of its own besides, and whoever writes over what they found writes through it: a write that
comes late meets the index that it was meant for, or none, and never one that was made without its mapping or whose
numbers happen to be the same. What is appended goes through it, too, when it may be sent twice: an id is refused the
second time within one index alone, so the index is to be chosen (`newest`) and remembered before the first time.
"""

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from secops.model.text import Text
from secops.store.elasticsearch_documents import VERSION, Kind, mapping, shape
from secops.store.elasticsearch_errors import IndexMissing
from secops.store.elasticsearch_json import Document
from secops.store.elasticsearch_retention import Generation, Keep, forgotten, is_full
from secops.store.elasticsearch_server import ElasticsearchServer
from secops.support.clock import from_text, to_text
from secops.support.errors import BadInput, Incomplete

_OWN = "-only"
_NUMBER = re.compile(r"-v?(\d+)\Z")
_FAST_CLOCK = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class KindStatus:
    """How the indices of one kind stand."""

    kind: Kind
    alias: str
    index: str
    """Which is written; empty: there is none."""
    indices: int = 0
    documents: int = 0
    size_bytes: int = 0
    version: int = 0
    """How often it was begun anew, from 1."""
    health: str = "missing"
    blocked: bool = False
    """It takes no writes."""
    outdated: bool = False
    """It was made by an earlier program, and is to be copied to an index of this one's mapping."""


@dataclass(frozen=True, slots=True)
class SetUp:
    """What setting up did, and found."""

    made: tuple[str, ...]
    """Indices."""
    outdated: tuple[Kind, ...]
    """To be reindexed before they are written."""


@dataclass(frozen=True, slots=True)
class Rolled:
    """What became of append-only indices."""

    made: tuple[str, ...]
    deleted: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Indices:
    """Where each kind of document is."""

    server: ElasticsearchServer
    prefix: str

    def alias(self, kind: Kind) -> str:
        """What to read from, and to write what is new to."""
        return f"{self.prefix}-{kind.value}"

    def own(self, index: str) -> str:
        """What to write through to this very index."""
        return f"{index}{_OWN}"

    def newest(self, kind: Kind) -> str:
        """The index that is written now. Raises IndexMissing."""
        there = self._there(kind)
        written = self.written(kind, there)
        if not written:
            raise IndexMissing(self.server.name)
        return written

    def appended_to(self) -> dict[str, str]:
        """By each kind that is only appended, the index that is written now. Raises IndexMissing."""
        there = self.server.indices(f"{self.prefix}-*")
        newest = {kind.value: self.written(kind, self.of_kind(kind, there)) for kind in Kind if kind.append_only}
        if not all(newest.values()):
            raise IndexMissing(self.server.name)
        return newest

    def set_up(self, now: datetime) -> SetUp:
        """Make what is missing; doing it again is fine. Raises BadInput when a name is another program's.

        Findings get their index last: where it is, all have been made once, however this was interrupted.
        """
        there = self.server.indices(f"{self.prefix}-*")
        for kind in Kind:
            self._recognise(kind, self.of_kind(kind, there))
        missing = [kind for kind in Kind if not self.written(kind, self.of_kind(kind, there))]
        outdated = [kind for kind in Kind if kind not in missing and self._outdated(kind, there)]
        rolled = [kind for kind in outdated if kind.append_only]
        with ThreadPoolExecutor(len(Kind)) as pool:
            more = list(pool.map(lambda kind: self._next(kind, there, now), rolled))
            first = list(pool.map(lambda kind: self.create(kind, 1, now), set(missing) - {Kind.FINDINGS}))
        last = [self.create(kind, 1, now) for kind in missing if kind is Kind.FINDINGS]
        return SetUp((*sorted(first), *last, *more), tuple(kind for kind in outdated if not kind.append_only))

    def status(self) -> list[KindStatus]:
        """How each kind stands; nothing is changed."""
        there = self.server.indices(f"{self.prefix}-*")
        sizes = self.server.sizes(f"{self.prefix}-*")
        return [self._status(kind, self.of_kind(kind, there), sizes) for kind in Kind]

    def roll(self, keep: Keep, now: datetime) -> Rolled:
        """Begin a new index where one is full, and delete those whose time is over. Doing it again is fine."""
        self._require_clock(now)
        there = self.server.indices(f"{self.prefix}-*")
        sizes = self.server.sizes(f"{self.prefix}-*")
        made: list[str] = []
        deleted: list[str] = []
        for kind in (kind for kind in Kind if kind.append_only):
            generations = self._generations(self.of_kind(kind, there), sizes)
            if generations and is_full(generations[-1], keep.full, now):
                made.append(self._next(kind, there, now))
            for old in forgotten(generations, keep.of(kind), now):
                self.server.delete_index(old.index)
                deleted.append(old.index)
        return Rolled(tuple(made), tuple(deleted))

    def create(self, kind: Kind, number: int, now: datetime, *, in_use: bool = True) -> str:
        """Make the index of that number; out of use it has only its own alias."""
        name = self.name(kind, number)
        aliases: dict[str, Document] = {self.own(name): {}}
        if in_use:
            aliases[self.alias(kind)] = {"is_write_index": True}
        self.server.create_index(name, aliases, definition(kind, now))
        return name

    def name(self, kind: Kind, number: int) -> str:
        """Of an index."""
        return f"{self.alias(kind)}-{number:06}" if kind.append_only else f"{self.alias(kind)}-v{number}"

    def of_kind(self, kind: Kind, there: Mapping[str, Document]) -> dict[str, Document]:
        """Those whose name is one of this kind's, oldest first."""
        fits = re.compile(rf"{re.escape(self.alias(kind))}-{'' if kind.append_only else 'v'}\d+")
        return {name: there[name] for name in sorted(filter(fits.fullmatch, there), key=number_of)}

    def written(self, kind: Kind, there: Mapping[str, Document]) -> str:
        """Which of these is written; empty when none is."""
        alias = self.alias(kind)
        return next((name for name, one in there.items() if one["aliases"].get(alias, {}).get("is_write_index")), "")

    def _there(self, kind: Kind) -> dict[str, Document]:
        return self.of_kind(kind, self.server.indices(f"{self.alias(kind)}-*"))

    def _next(self, kind: Kind, there: Mapping[str, Document], now: datetime) -> str:
        """Make the next index of what is appended the one that is written, and tell its name."""
        present = self.written(kind, self.of_kind(kind, there))
        name = self.name(kind, number_of(present) + 1)
        body = definition(kind, now) | {"aliases": {self.own(name): {}}}
        self.server.roll_over(self.alias(kind), name, body)
        return name

    def _generations(self, there: Mapping[str, Document], sizes: Mapping[str, Document]) -> list[Generation]:
        return [
            Generation(name, _since(one), int(sizes[name]["docs.count"]), int(sizes[name]["store.size"]))
            for name, one in there.items()
            if name in sizes and sizes[name].get("docs.count") is not None
        ]

    def _status(self, kind: Kind, there: Mapping[str, Document], sizes: Mapping[str, Document]) -> KindStatus:
        alias, index = self.alias(kind), self.written(kind, there)
        if not index:
            return KindStatus(kind, alias, "")
        used = [name for name, one in there.items() if alias in one["aliases"] and name in sizes]
        worst = max((str(sizes[name]["health"]) for name in used), key=["green", "yellow", "red"].index)
        return KindStatus(
            kind,
            alias,
            index,
            len(used),
            sum(int(sizes[name]["docs.count"] or 0) for name in used),
            sum(int(sizes[name]["store.size"] or 0) for name in used),
            number_of(index),
            worst,
            is_blocked(there[index]),
            self._outdated(kind, there),
        )

    def _outdated(self, kind: Kind, there: Mapping[str, Document]) -> bool:
        return bool(_ours(there[self.written(kind, self.of_kind(kind, there))])["shape"] != shape(kind))

    def _recognise(self, kind: Kind, there: Mapping[str, Document]) -> None:
        foreign = [name for name, one in there.items() if not _ours(one)]
        if foreign or (there and not self.written(kind, there)):
            name = (foreign or list(there))[0]
            raise BadInput(
                Text(
                    f"索引 {name} 不是津盾建立的,或不在别名 {self.alias(kind)} 之后;未作任何改动,请另选前缀或恢复别名",
                    f"the index {name} is not Jindun's, or is not behind the alias {self.alias(kind)}; "
                    "nothing was changed, choose another prefix or mend the alias",
                )
            )
        newer = [name for name, one in there.items() if int(_ours(one)["version"]) > VERSION]
        if newer:
            raise BadInput(
                Text(
                    f"索引 {newer[0]} 由更新版本的津盾建立;未作任何改动,请升级本程序",
                    f"the index {newer[0]} was made by a newer Jindun; nothing was changed, upgrade this one",
                )
            )

    def _require_clock(self, now: datetime) -> None:
        """Raises Incomplete when ours is far ahead: everything would look old."""
        if now.timestamp() - self.server.milliseconds() / 1000 > _FAST_CLOCK.total_seconds():
            raise Incomplete(
                Text(
                    "本机时钟比 Elasticsearch 快一天以上,未删除任何索引;请校准时钟",
                    "this machine's clock is more than a day ahead of Elasticsearch's; no index was deleted, set it right",
                )
            )


def definition(kind: Kind, now: datetime) -> Document:
    """Settings and mappings of an index made now."""
    ours = {"kind": kind.value, "version": VERSION, "shape": shape(kind), "since": to_text(now)}
    settings: Document = {"number_of_shards": 1, "auto_expand_replicas": "0-1"}
    if kind.append_only:
        settings |= {"codec": "best_compression", "refresh_interval": "5s"}
    return {"settings": {"index": settings}, "mappings": mapping(kind) | {"_meta": {"jindun": ours}}}


def number_of(index: str) -> int:
    """At the end of its name."""
    found = _NUMBER.search(index)
    assert found, index
    return int(found[1])


def is_blocked(index: Document) -> bool:
    """Whether its settings refuse writes."""
    blocks = index["settings"]["index"].get("blocks", {})
    return any(blocks.get(name) == "true" for name in ("write", "read_only", "read_only_allow_delete"))


def _ours(index: Document) -> Document:
    """What we noted in the index; empty when it is not ours."""
    noted = index["mappings"].get("_meta", {}).get("jindun")
    return noted if isinstance(noted, dict) and {"version", "shape", "since"} <= noted.keys() else {}


def _since(index: Document) -> datetime:
    return from_text(_ours(index)["since"])


def require_ready(found: SetUp) -> None:
    """Raises Incomplete when something is to be reindexed before it may be written."""
    if found.outdated:
        kinds = " ".join(kind.value for kind in found.outdated)
        raise Incomplete(
            Text(
                f"索引 {kinds} 由较早版本建立;请运行 secops store reindex {kinds}",
                f"the index of {kinds} was made by an earlier version; run `secops store reindex {kinds}`",
            )
        )
