"""All templates of the places that a user names: each can be run, or is refused with its reasons."""

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from scanners.web.templates.cache import Cache, Entry, digest_of
from scanners.web.templates.model import Refused, Template, Unsupported
from scanners.web.templates.reading import read_template
from scanners.web.templates.sources import Source, Unreadable, archive_digest, source_at


@dataclass(frozen=True, slots=True, eq=False)
class Library:
    """What was loaded."""

    templates: tuple[Template, ...]
    refused: tuple[Refused, ...]

    @property
    def total(self) -> int:
        """Template files seen."""
        return len(self.templates) + len(self.refused)


def load(paths: Iterable[Path], cache_folder: Path | None = None) -> Library:
    """Load directories, files and archives. Raises BadInput for a path that cannot be read at all.

    With `cache_folder`, what has not changed since the last time is taken from there.
    """
    with _without_collection():
        return _load(paths, cache_folder)


@contextmanager
def _without_collection() -> Iterator[None]:
    """Nothing of what is made while loading becomes garbage, nor later: looking for it would take half of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()


def _load(paths: Iterable[Path], cache_folder: Path | None) -> Library:
    templates: list[Template] = []
    refused: list[Refused] = []
    taken: set[str] = set()
    for path in paths:
        for found in _loaded(path, cache_folder):
            if isinstance(found, Refused):
                refused.append(found)
            elif found.identity in taken:
                refused.append(
                    Refused(found.identity, found.path, (Unsupported("duplicate-id", "id", found.identity),))
                )
            else:
                taken.add(found.identity)
                templates.append(found)
    return Library(tuple(templates), tuple(refused))


def _loaded(path: Path, cache_folder: Path | None) -> Iterator[Template | Refused]:
    archive = archive_digest(path) if cache_folder else ""
    cache = Cache.of(cache_folder, str(path.absolute()), archive) if cache_folder else None
    known = cache.whole() if cache else None
    if known is not None:
        yield from known
        return
    source = source_at(path)
    try:
        files = _Files(source)
        entries = {name: _entry(files, name, cache) for name in source.templates()}
    finally:
        source.close()
    if cache:
        cache.keep(entries)
    for name in sorted(entries):
        found = entries[name].found
        if found is not None:
            yield found


def _entry(files: "_Files", name: str, cache: Cache | None) -> Entry:
    try:
        content = files.read(name)
    except Unreadable as error:
        return Entry("", (), Refused("", name, (Unsupported(error.feature, "", error.detail),)))
    digest = digest_of(content)
    known = cache.entry(name, digest) if cache else None
    if known is not None and all(files.digest(file) == was for file, was in known.payload_files):
        return known
    used: dict[str, str] = {}
    found = read_template(content, name, files.payload_reader(name, used))
    return Entry(digest, tuple(used.items()), found)


class _Files:
    """The files of a source, payload files found from where a template stands."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._contents: dict[str, bytes] = {}
        self._digests: dict[str, str] = {}

    def read(self, name: str) -> bytes:
        return self._source.read(name)

    def digest(self, name: str) -> str:
        """Empty when the file is not there."""
        if name not in self._digests:
            try:
                self._digests[name] = digest_of(self._source.read(name))
            except Unreadable:
                self._digests[name] = ""
        return self._digests[name]

    def payload_reader(self, template: str, used: dict[str, str]) -> Callable[[str], bytes]:
        """Reads a file by the name that a template gives it; what was read is noted in `used` with its digest."""

        def read(written: str) -> bytes:
            for candidate in _candidates(template, written):
                try:
                    content = self._contents.get(candidate) or self._source.read(candidate)
                except Unreadable:
                    # Should it appear later, the template has to be read again.
                    used[candidate] = ""
                    continue
                self._contents[candidate] = content
                used[candidate] = self.digest(candidate)
                return content
            raise Unreadable("payload-file", written)

        return read


def _candidates(template: str, written: str) -> Iterator[str]:
    """Beside the template, then in each folder above, never outside."""
    path = PurePosixPath(written)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        return
    for folder in PurePosixPath(template).parents:
        yield str(folder / path)
