"""The one reader of YAML that people write: inventory, settings, policies, playbooks.

YAML 1.2 booleans, no duplicate or unknown keys, limits on depth and aliases; every problem of a file at once, with its
place. `read` or `parse` a file, `build` a kind of it, and add what only the caller can know with `problem` and BadFile.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from secops.model.text import Text
from secops.support import misfits
from secops.support.located import BadFile, Problem, excerpt, lines_of
from secops.support.misfits import BadValue
from secops.support.system_words import why
from secops.support.yaml_nodes import MAX_BYTES, Node, compose, decode

__all__ = ["BadFile", "BadValue", "Document", "Problem", "json_schema", "parse", "read"]

KeyPath: TypeAlias = tuple[str | int, ...]
Kind = TypeVar("Kind")

_MOST_TRANSLATED = 500
_adapters: dict[type[Any], TypeAdapter[Any]] = {}


def read(path: Path) -> "Document":
    """The document in a file; raises BadFile, also when there is no such file."""
    try:
        if path.exists() and not path.is_file():
            raise BadFile([Problem(str(path), 0, 0, Text("不是普通文件", "not a regular file"))])
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        sentence = Text(f"无法读取文件:{why(error).zh}", f"the file cannot be read: {why(error).en}")
        raise BadFile([Problem(str(path), 0, 0, sentence)]) from None
    return parse(decode(content, str(path)), str(path))


def parse(text: str, name: str) -> "Document":
    """The document in a text; `name` stands in the problems. Raises BadFile when it cannot be read to its end."""
    root, problems = compose(text, name)
    return Document(name, text, lines_of(text), root, tuple(problems))


def json_schema(kind: type[Any]) -> dict[str, Any]:
    """JSON Schema 2020-12 of the files that `Document.build(kind)` accepts, for editors."""
    schema = _adapter(kind).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """What was read, with places. Its values can be had through `build` alone, which refuses a file with problems."""

    name: str
    text: str
    """The file as it was written."""
    _lines: list[str]
    _root: Node
    _problems: tuple[Problem, ...]

    def build(self, kind: type[Kind]) -> Kind:
        """The document as `kind`: a stdlib dataclass with `__pydantic_config__`, a pydantic model or any type.

        Values keep their types: "8" is no number, 8 no text, 1 no boolean. Raises BadFile with every problem.
        """
        text = json.dumps(self._root.plain())
        try:
            built = _adapter(kind).validate_json(text, strict=True, extra="forbid")
        except ValidationError as error:
            raise BadFile([*self._problems, *self._translate(error, kind)]) from None
        if self._problems:
            raise BadFile(self._problems)
        return built

    def where(self, path: KeyPath) -> tuple[int, int]:
        """Line and column, from 1, of the value at `path`; of the nearest one above when there is none."""
        node = self._reach(path)[0]
        return node.line, node.column

    def problem(self, path: KeyPath, text: Text) -> Problem:
        """A problem of the value at `path`, found by the caller."""
        return self._at(self.where(path), text)

    def _at(self, place: tuple[int, int], text: Text) -> Problem:
        return Problem(self.name, *place, text, excerpt(self._lines, *place))

    def _reach(self, path: KeyPath) -> tuple[Node, KeyPath]:
        """The node that `path` leads to, and the part of the path that exists: pydantic adds names of union members."""
        node, walked = self._root, list[str | int]()
        for part in path:
            if isinstance(node.value, dict) and part in node.value:
                node = node.value[str(part)]
            elif isinstance(node.value, list) and isinstance(part, int) and part < len(node.value):
                node = node.value[part]
            else:
                continue
            walked.append(part)
        return node, tuple(walked)

    def _translate(self, error: ValidationError, kind: type[Any]) -> list[Problem]:
        """Our sentences for pydantic's; several wrong types at one place are the members of a union."""
        problems: list[Problem] = []
        mistyped: dict[KeyPath, list[ErrorDetails]] = {}
        schema = json_schema(kind)
        for each in error.errors(include_url=False)[:_MOST_TRANSLATED]:
            node, path = self._reach(each["loc"])
            if misfits.is_wrong_type(each):
                mistyped.setdefault(path, []).append(each)
            elif misfits.is_missing(each):
                problems.append(self._at((node.line, node.column), misfits.missing_key(str(each["loc"][-1]))))
            elif misfits.is_unknown(each):
                problems.append(self._unknown_key(each, schema))
            else:
                problems.append(self._at((node.line, node.column), misfits.sentence(each)))
        problems += [self.problem(path, misfits.wrong_type(errors)) for path, errors in mistyped.items()]
        return problems

    def _unknown_key(self, error: ErrorDetails, schema: dict[str, Any]) -> Problem:
        *above, key = error["loc"]
        parent = self._reach(tuple(above))[0]
        allowed = [key for key in _allowed_keys(schema, tuple(above)) if key not in parent.keys]
        place = parent.keys.get(str(key), (parent.line, parent.column))
        return self._at(place, misfits.unknown_key(str(key), sorted(allowed)))


def _adapter(kind: type[Kind]) -> TypeAdapter[Kind]:
    """Built once for each kind: reading the docstrings of its attributes takes a tenth of a second."""
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def _allowed_keys(schema: dict[str, Any], path: KeyPath) -> set[str]:
    """The keys that the schema knows at `path`, of every member of a union."""
    here = _members(schema, schema)
    for part in path:
        here = [deeper for member in here for deeper in _members(schema, _descend(member, part))] or here
    return {key for member in here for key in member.get("properties", {})}


def _descend(member: dict[str, Any], part: str | int) -> Any:
    if isinstance(part, str):
        return member.get("properties", {}).get(part) or member.get("additionalProperties")
    return member.get("items")


def _members(schema: dict[str, Any], part: Any) -> list[dict[str, Any]]:
    """The schemas that `part` stands for, references followed and unions opened."""
    if not isinstance(part, dict):
        return []
    if "$ref" in part:
        return _members(schema, schema["$defs"][part["$ref"].rsplit("/", 1)[-1]])
    unions = part.get("anyOf", []) + part.get("oneOf", [])
    return [member for union in unions for member in _members(schema, union)] or [part]
