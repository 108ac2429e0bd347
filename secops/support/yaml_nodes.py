"""YAML text to a tree of nodes with places: the core schema of YAML 1.2, within limits, without recursion.

libyaml's events are walked one by one, so that a bomb is refused before anything is built of it. Left out on purpose:
tags, merge keys, several documents, keys that are not text.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import yaml

from secops.model.text import Text
from secops.support.located import BadFile, Problem, excerpt, lines_of

MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 40
MAX_ALIASES = 64
MAX_SIZE = 120_000
"""Nodes after every alias is expanded; 32 characters of a scalar weigh as much as a node."""

Scalar: TypeAlias = str | int | float | bool | None
Plain: TypeAlias = Scalar | list["Plain"] | dict[str, "Plain"]

_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}
_LONGEST_NUMBER = 64

_SYNTAX = {
    "mapping values are not allowed": Text(
        '此处不能出现 "键: 值";检查缩进,含 ": " 的文字要加引号',
        '"key: value" cannot stand here; check the indentation, and quote text that holds ": "',
    ),
    "cannot start any token": Text(
        "此字符不能作为开头;缩进只用空格,不用制表符;以 @ ` % 开头的文字要加引号",
        "nothing can start with this character; indent with spaces, not tabs, and quote text that starts with @ ` %",
    ),
    "found a tab character": Text("缩进只用空格,不用制表符", "indent with spaces, not tabs"),
    "did not find expected key": Text(
        "此处应是一个键;检查缩进和引号", "a key is expected here; check the indentation and the quotes"
    ),
    "could not find expected ':'": Text('键后缺少 ":"', 'the ":" after a key is missing'),
    "did not find expected ',' or ']'": Text('列表中缺少 "," 或 "]"', 'a "," or "]" is missing in the list'),
    "did not find expected ',' or '}'": Text('映射中缺少 "," 或 "}"', 'a "," or "}" is missing in the mapping'),
    "did not find expected '-' indicator": Text(
        '此处应是列表的下一项("- "),检查缩进',
        'the next item of the list ("- ") is expected here; check the indentation',
    ),
    "found unexpected end of stream": Text("文件在引号内结束", "the file ends inside a quoted text"),
}


@dataclass(slots=True, eq=False)
class Node:
    """A scalar, list or mapping, and where it begins (from 1). An alias is the node that it names."""

    line: int
    column: int
    value: "Scalar | list[Node] | dict[str, Node]"
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)
    """For a mapping, where each key stands."""
    height: int = 0
    size: int = 1
    complete: bool = False

    def plain(self) -> Plain:
        """The value without places."""
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        return self.value


def decode(content: bytes, name: str) -> str:
    """The text of a file; raises BadFile when it is too large, not UTF-8 or holds what YAML forbids."""
    if len(content) > MAX_BYTES:
        limit = MAX_BYTES // 1024**2
        raise BadFile([Problem(name, 0, 0, Text(f"文件超过 {limit} MiB", f"the file is larger than {limit} MiB"))])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = lines_of(content[: error.start].decode("utf-8", "replace"))
        sentence = Text("文件不是 UTF-8 编码", "the file is not UTF-8")
        raise BadFile([Problem(name, len(before), len(before[-1]) + 1, sentence)]) from None


def compose(text: str, name: str) -> tuple[Node, list[Problem]]:
    """The root node, and the problems that did not keep us from reading on. Raises BadFile when something did."""
    composer = _Composer(text, name)
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        decode(text.encode("utf-8", "surrogatepass"), name)
    composer.refuse_unprintable(text)
    try:
        for event in _events(text):
            composer.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        composer.stop(place, _syntax_sentence(error))
    except yaml.YAMLError as error:
        composer.stop((1, 1), Text(f"无法读取:{error}", f"cannot be read: {error}"))
    if composer.root is None:
        composer.stop((1, 1), Text("文件是空的", "the file is empty"))
    assert composer.root is not None
    return composer.root, composer.problems


def _events(text: str) -> Iterator[yaml.Event]:
    yield from yaml.parse(text, Loader=yaml.CSafeLoader)


def _syntax_sentence(error: yaml.MarkedYAMLError) -> Text:
    problem = error.problem or str(error)
    for known, sentence in _SYNTAX.items():
        if known in problem:
            return sentence
    detail = f"{error.context}: {problem}" if error.context else problem
    return Text(f"YAML 语法错误:{detail}", f"not valid YAML: {detail}")


@dataclass(slots=True)
class _Frame:
    """A collection that is being read; in a mapping, whether its next node is a value, and of which key."""

    node: Node
    size_before: int
    has_key: bool = False
    key: str | None = None
    """None while `has_key`: the key was refused, so its value is dropped."""


class _Composer:
    def __init__(self, text: str, name: str) -> None:
        self.root: Node | None = None
        self.problems: list[Problem] = []
        self._name = name
        self._lines = lines_of(text)
        self._frames: list[_Frame] = []
        self._anchors: dict[str, Node] = {}
        self._size = 0
        self._aliases = 0

    def refuse_unprintable(self, text: str) -> None:
        found = _UNPRINTABLE.search(text)
        if found:
            before = lines_of(text[: found.start()])
            code = f"U+{ord(found.group()):04X}"
            place = (len(before), len(before[-1]) + 1)
            self.stop(place, Text(f"不允许的字符 {code}", f"the character {code} is not allowed"))

    def stop(self, place: tuple[int, int], text: Text) -> None:
        """Give up reading: raises with this problem and those found before."""
        self._note(place, text)
        raise BadFile(self.problems)

    def take(self, event: yaml.Event) -> None:
        mark = event.start_mark
        assert mark is not None, "libyaml marks every event"
        place = (mark.line + 1, mark.column + 1)
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event, place)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._start(event, place)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._end()
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event, place)
        elif isinstance(event, yaml.DocumentStartEvent) and self.root is not None:
            self.stop(place, Text("一个文件只能有一个文档", "a file holds one document, here starts a second"))

    def _note(self, place: tuple[int, int], text: Text) -> None:
        self.problems.append(Problem(self._name, *place, text, excerpt(self._lines, *place)))

    def _grow(self, size: int, place: tuple[int, int]) -> None:
        self._size += size
        if self._size > MAX_SIZE:
            self.stop(
                place,
                Text(
                    f"展开后超过 {MAX_SIZE} 个节点;文件过大或别名成倍展开",
                    f"more than {MAX_SIZE} nodes when expanded; the file is too large or its aliases multiply",
                ),
            )

    def _deepen(self, depth: int, place: tuple[int, int]) -> None:
        if depth > MAX_DEPTH:
            self.stop(place, Text(f"嵌套超过 {MAX_DEPTH} 层", f"nested deeper than {MAX_DEPTH} levels"))

    def _scalar(self, event: yaml.ScalarEvent, place: tuple[int, int]) -> None:
        self._grow(1 + len(event.value) // 32, place)
        self._refuse_tag(event.tag, place)
        if _CONTROL.search(event.value):
            self._note(place, Text("文字中不能有控制字符", "text cannot hold control characters"))
        if self._awaits_key():
            self._key(event.value, place)
            return
        value = self._resolve(event.value, place) if event.implicit[0] else event.value
        node = Node(*place, value, size=1 + len(event.value) // 32, complete=True)
        self._remember(event.anchor, node)
        self._attach(node)

    def _resolve(self, text: str, place: tuple[int, int]) -> Scalar:
        """What a plain scalar means in the core schema of YAML 1.2: `no` and `12:30` are text."""
        if text in _WORDS:
            return _WORDS[text]
        if not (_INT.fullmatch(text) or _FLOAT.fullmatch(text)):
            return text
        if len(text) > _LONGEST_NUMBER:
            self._note(place, Text("数字过长;若是文字请加引号", "the number is too long; quote it if it is text"))
            return text
        if _INT.fullmatch(text):
            return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
        return float(text)

    def _start(self, event: yaml.CollectionStartEvent, place: tuple[int, int]) -> None:
        self._grow(1, place)
        self._deepen(len(self._frames) + 1, place)
        self._refuse_tag(event.tag, place)
        node = Node(*place, [] if isinstance(event, yaml.SequenceStartEvent) else {}, height=1)
        self._remember(event.anchor, node)
        if self._awaits_key():
            self._refuse_key(place)
        else:
            self._attach(node)
        self._frames.append(_Frame(node, self._size - 1))

    def _end(self) -> None:
        frame = self._frames.pop()
        frame.node.size = self._size - frame.size_before
        frame.node.complete = True
        self._raise_height(frame.node.height)

    def _alias(self, event: yaml.AliasEvent, place: tuple[int, int]) -> None:
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            self.stop(place, Text(f"别名超过 {MAX_ALIASES} 个", f"more than {MAX_ALIASES} aliases"))
        name = str(event.anchor)[:40]
        node = self._anchors.get(str(event.anchor))
        if node is None:
            self.stop(place, Text(f"别名 *{name} 没有定义", f"the alias *{name} has no anchor before it"))
        elif not node.complete:
            self.stop(place, Text("别名指向包含它自己的节点", "the alias stands inside what it names"))
        elif self._awaits_key():
            self._refuse_key(place)
        else:
            self._grow(node.size, place)
            self._deepen(len(self._frames) + node.height, place)
            self._raise_height(node.height)
            self._attach(node)

    def _awaits_key(self) -> bool:
        return bool(self._frames) and isinstance(self._frames[-1].node.value, dict) and not self._frames[-1].has_key

    def _key(self, key: str, place: tuple[int, int]) -> None:
        """Keys are the text as written, quoted or not, so that `on` and `no` may be keys."""
        frame = self._frames[-1]
        frame.has_key, frame.key = True, None
        if key == "<<":
            self._note(place, Text("不支持合并键 <<", "merge keys (<<) are not supported"))
        elif key in frame.node.keys:
            first = frame.node.keys[key][0]
            shown = key[:80]
            self._note(
                place,
                Text(
                    f'键 "{shown}" 重复;首次在第 {first} 行',
                    f'duplicate key "{shown}"; it stands first in line {first}',
                ),
            )
        else:
            frame.key = key
            frame.node.keys[key] = place

    def _refuse_key(self, place: tuple[int, int]) -> None:
        self._note(place, Text("键只能是文字", "a key can only be text"))
        self._frames[-1].has_key, self._frames[-1].key = True, None

    def _refuse_tag(self, tag: str | None, place: tuple[int, int]) -> None:
        if tag is not None:
            self._note(place, Text(f"不支持标签 {tag[:80]}", f"tags are not supported: {tag[:80]}"))

    def _remember(self, anchor: str | None, node: Node) -> None:
        if anchor is not None:
            self._anchors[anchor] = node

    def _raise_height(self, height: int) -> None:
        if self._frames:
            self._frames[-1].node.height = max(self._frames[-1].node.height, height + 1)

    def _attach(self, node: Node) -> None:
        """Give the node to the collection that is being read, or make it the root."""
        if not self._frames:
            self.root = node
            return
        frame = self._frames[-1]
        if isinstance(frame.node.value, list):
            frame.node.value.append(node)
        elif isinstance(frame.node.value, dict):
            if frame.key is not None:
                frame.node.value[frame.key] = node
            frame.has_key = False
