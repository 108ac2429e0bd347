"""Playbooks as files: read, validated, found by id in the shipped library and in folders of the user's own."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from playbooks.schema import PlaybookSpec
from playbooks.validate import flaws_of
from secops.model.text import Text
from secops.support.errors import BadInput
from secops.support.located import BadFile
from secops.support.strict_yaml import Document, parse, read
from secops.support.suggestions import did_you_mean

SCHEMA_KIND = PlaybookSpec


@dataclass(frozen=True, slots=True)
class Playbook:
    """A valid playbook and its text, which a run pins."""

    spec: PlaybookSpec
    text: str
    origin: str
    """File name, for messages."""


def parse_playbook(text: str, origin: str) -> Playbook:
    """Raises BadFile with every problem and its place."""
    return _checked(parse(text, origin))


def read_playbook(path: Path) -> Playbook:
    """Raises BadFile, also when the file cannot be read."""
    return _checked(read(path))


def _checked(document: Document) -> Playbook:
    spec = document.build(PlaybookSpec)
    flaws = flaws_of(spec)
    if flaws:
        raise BadFile(document.problem(flaw.path, flaw.text) for flaw in flaws)
    return Playbook(spec, document.text, document.name)


def _files_in(folders: Iterable[Path]) -> Iterator[Path]:
    """Raises BadInput for a folder that is not there: playbooks that are missed in silence are missed in need."""
    for folder in folders:
        if not folder.is_dir():
            raise BadInput(Text(f"没有剧本目录 {folder}", f"there is no folder of playbooks {folder}"))
        yield from sorted(path for path in folder.iterdir() if path.suffix in (".yaml", ".yml"))


class Library:
    """The shipped playbooks and those of the user's folders; a user's one replaces a shipped one of the same id."""

    def __init__(self, folders: Iterable[Path] = ()) -> None:
        self._playbooks: dict[str, Playbook] = {}
        shipped = resources.files("playbooks") / "library"
        for file in sorted(shipped.iterdir(), key=lambda one: one.name):
            if file.name.endswith(".yaml"):
                self._add(parse_playbook(file.read_text(encoding="utf-8"), file.name))
        written: dict[str, str] = {}
        for path in _files_in(folders):
            playbook = read_playbook(path)
            first = written.setdefault(playbook.spec.id, playbook.origin)
            if first != playbook.origin:
                zh, en = f"{first} 与 {playbook.origin} 的 id 相同", f"{first} and {playbook.origin} have the same id"
                raise BadInput(Text(f"{zh}:{playbook.spec.id}", f"{en}: {playbook.spec.id}"))
            self._add(playbook)

    def _add(self, playbook: Playbook) -> None:
        self._playbooks[playbook.spec.id] = playbook

    def __iter__(self) -> Iterator[Playbook]:
        return iter(self._playbooks.values())

    def get(self, name: str) -> Playbook:
        """By id. Raises BadInput with the closest id."""
        if name in self._playbooks:
            return self._playbooks[name]
        hint = did_you_mean(name, self._playbooks)
        raise BadInput(Text(f"没有剧本“{name}”{hint.zh}", f"there is no playbook “{name}”{hint.en}"))
