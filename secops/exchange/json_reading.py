"""JSON reports, read within bounds: a hostile file costs neither memory nor the stack."""

from collections.abc import Iterator
from typing import BinaryIO

import orjson

from secops.exchange.fields import Fields
from secops.exchange.misread import Misread
from secops.model.text import Text

LONGEST_LINE = 8 << 20
"""Bytes of one record of JSON lines."""
LARGEST_DOCUMENT = 64 << 20
"""Bytes of a report that is one JSON document."""
_MARK = b"\xef\xbb\xbf"


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
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        line, column = first_line + error.lineno - 1, error.colno
    if body[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in body[:2]:
        raise Misread(Text("不是 UTF-8 编码(像是 UTF-16)", "not UTF-8; it looks like UTF-16"), line=line, column=1)
    try:
        body.decode()
    except UnicodeDecodeError as wrong:
        line = first_line + body.count(b"\n", 0, wrong.start)
        column = wrong.start - body.rfind(b"\n", 0, wrong.start)
        raise Misread(Text("不是 UTF-8 编码", "not UTF-8"), line=line, column=column) from None
    ends = Text("不是有效的 JSON,可能被截断", "not valid JSON; it may be cut short")
    raise Misread(ends, line=line, column=column)


def _too_large(limit: int, what: Text) -> Text:
    size = limit >> 20
    return Text(f"{what.zh}超过 {size} MiB,不予读取", f"{what.en} is larger than {size} MiB and is not read")
