"""JSON reports, read within bounds: a hostile file costs neither memory nor the stack."""

from collections.abc import Iterator
from typing import BinaryIO

import orjson

from secops.exchange.doubled_keys import TooDeep, doubled_key
from secops.exchange.fields import Fields, short
from secops.exchange.misread import Misread
from secops.model.text import Text

LONGEST_LINE = 8 << 20
"""Bytes of one record of JSON lines."""
LARGEST_DOCUMENT = 64 << 20
"""Bytes of a report that is one JSON document."""
_MARK = b"\xef\xbb\xbf"
_HALF = Text("\\u 转义只有半个字符", "a \\u escape is half a character")
_SENTENCES = {
    "number is infinity": Text("数字过大", "a number is too large"),
    "depth limit": Text("嵌套过深,不予读取", "nested too deeply to be read"),
    "no low surrogate": _HALF,
    "invalid low surrogate": _HALF,
    "invalid high surrogate": _HALF,
}
"""By how orjson begins its message."""


def json_lines(stream: BinaryIO) -> Iterator[Fields]:
    """One object per line; empty lines are skipped. Raises Misread with the line."""
    number = 0
    while line := stream.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise Misread(_too_large(LONGEST_LINE, Text("一行", "a line")), line=number, column=1)
        line = line.removeprefix(_MARK) if number == 1 else line
        if line.strip():
            yield Fields(_parsed(line, number), "", number)


def json_document(stream: BinaryIO) -> Fields:
    """The object that the whole file is. Raises Misread with line and column."""
    body = stream.read(LARGEST_DOCUMENT + 1)
    if len(body) > LARGEST_DOCUMENT:
        raise Misread(_too_large(LARGEST_DOCUMENT, Text("文件", "the file")))
    return Fields(_parsed(body.removeprefix(_MARK), 1), "")


def _parsed(body: bytes, first_line: int) -> object:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _unread(body, first_line, error) from None
    try:
        doubled = doubled_key(body, value)
    except TooDeep:
        raise Misread(Text("嵌套过深,不予读取", "nested too deeply to be read"), line=first_line, column=1) from None
    if doubled is not None:
        key, place = doubled
        line, column = _place(body, place, first_line)
        text = Text(f'同一对象中键 "{short(key, 80)}" 出现了两次', f'the key "{short(key, 80)}" is twice in one object')
        raise Misread(text, line=line, column=column)
    return value


def _unread(body: bytes, first_line: int, error: orjson.JSONDecodeError) -> Misread:
    """Why it is no JSON, and where."""
    line, column = first_line + error.lineno - 1, error.colno
    for begins, text in _SENTENCES.items():
        if error.msg.startswith(begins):
            return Misread(text, line=line, column=column)
    if body[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in body[:2]:
        return Misread(Text("不是 UTF-8 编码(像是 UTF-16)", "not UTF-8; it looks like UTF-16"), line=line, column=1)
    try:
        body.decode()
    except UnicodeDecodeError as wrong:
        line, column = _place(body, wrong.start, first_line)
        return Misread(Text("不是 UTF-8 编码", "not UTF-8"), line=line, column=column)
    ends = Text("不是有效的 JSON,可能被截断", "not valid JSON; it may be cut short")
    return Misread(ends, line=line, column=column)


def _place(body: bytes, offset: int, first_line: int) -> tuple[int, int]:
    """Line and column of a byte."""
    return first_line + body.count(b"\n", 0, offset), offset - body.rfind(b"\n", 0, offset)


def _too_large(limit: int, what: Text) -> Text:
    size = limit >> 20
    return Text(f"{what.zh}超过 {size} MiB,不予读取", f"{what.en} is larger than {size} MiB and is not read")
