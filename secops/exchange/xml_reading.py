"""XML reports, element by element: entities are refused, and memory holds one record at a time."""

from collections.abc import Collection, Iterator
from typing import BinaryIO
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import XMLParser, iterparse

from secops.exchange.misread import Misread
from secops.model.text import Text

LONGEST_TEXT = 4 << 20
"""Bytes between the ends of two elements; the parser takes quadratic time over one token."""
LARGEST_RECORD = 64 << 20
"""Bytes of one element that is given whole, and of what lies between two elements."""
DEEPEST = 200
"""Elements within elements."""


class _Bounded:
    """A stream that is read only as long as elements and records end now and then."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._since_element = 0
        self._since_record = 0

    def element_ended(self) -> None:
        self._since_element = 0

    def record_ended(self) -> None:
        self._since_record = 0

    def read(self, size: int = -1) -> bytes:
        part = self._stream.read(size)
        self._since_element += len(part)
        self._since_record += len(part)
        if self._since_element > LONGEST_TEXT or self._since_record > LARGEST_RECORD:
            limit = (LONGEST_TEXT if self._since_element > LONGEST_TEXT else LARGEST_RECORD) >> 20
            raise Misread(
                Text(f"{limit} MiB 之内元素没有结束,不予读取", f"no element ends within {limit} MiB; it is not read")
            )
        return part


class _Shallow(TreeBuilder):
    """Builds elements as long as they are not too deep within one another."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        self._depth += 1
        if self._depth > DEEPEST:
            raise Misread(Text(f"元素嵌套超过 {DEEPEST} 层", f"elements are nested deeper than {DEEPEST}"))
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag)


def xml_elements(stream: BinaryIO, wanted: Collection[str]) -> Iterator[Element]:
    """The elements of these local names that are not within one another, whole, at their end; then they are forgotten.

    Raises Misread with line and column for what is not well-formed, and for entities of the file's own.
    """
    bounded, parser = _Bounded(stream), XMLParser(target=_Shallow())
    path: list[Element] = []
    inside = 0
    try:
        for event, element in iterparse(bounded, events=("start", "end"), parser=parser):
            if event == "start":
                path.append(element)
                inside += local_name(element) in wanted
                continue
            bounded.element_ended()
            path.pop()
            if local_name(element) in wanted:
                inside -= 1
                if not inside:
                    yield element
            if not inside:
                bounded.record_ended()
                if path:
                    path[-1].remove(element)
    except ParseError as error:
        line, column = error.position
        ends = Text("不是有效的 XML,可能被截断", "not well-formed XML; it may be cut short")
        raise Misread(ends, line=line, column=column + 1) from None
    except DefusedXmlException:
        text = Text("XML 自带实体定义,不予读取", "the XML defines entities of its own and is not read")
        raise _at(Misread(text), parser) from None
    except Misread as error:
        raise _at(error, parser) from None
    except (LookupError, ValueError):
        raise Misread(Text("XML 的编码无法识别", "the encoding of the XML cannot be read"), line=1, column=1) from None


def _at(error: Misread, parser: XMLParser) -> Misread:
    """The error at the place that the parser has come to."""
    error.line, error.column = parser.parser.CurrentLineNumber, parser.parser.CurrentColumnNumber + 1
    return error


def local_name(element: Element) -> str:
    """The name without its namespace."""
    return element.tag.rpartition("}")[2]


def child(element: Element, name: str) -> Element | None:
    """The first child of that local name."""
    return next((one for one in element if local_name(one) == name), None)


def text_of(element: Element | None) -> str:
    """All text within, its spaces made one; empty when there is no element."""
    return " ".join("".join(element.itertext()).split()) if element is not None else ""
