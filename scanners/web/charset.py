"""The character set of a page, as browsers find it out, and of what is sent back to that page."""

import codecs
import re
from functools import lru_cache

_DECLARED = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([a-zA-Z0-9_:.-]{2,30})", re.IGNORECASE)
_XML_DECLARED = re.compile(rb"^\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([a-zA-Z0-9_:.-]{2,30})")
_IN_HEADER = re.compile(r"charset\s*=\s*[\"']?\s*([a-zA-Z0-9_:.-]{2,30})", re.IGNORECASE)
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_DECLARED_WITHIN_BYTES = 4096
_LOOKED_AT_BYTES = 256 * 1024
_SAME = {"gb2312": "gb18030", "gbk": "gb18030", "cp936": "gb18030", "x-gbk": "gb18030", "gb_2312-80": "gb18030"}
"""Every name of the family is read as its newest member, which holds them all; browsers do the same."""
_SUPERSETS = {"ascii": "cp1252", "iso8859-1": "cp1252"}
DEFAULT = "utf-8"


@lru_cache(maxsize=256)
def codec_of(label: str) -> str:
    """Python's name for what a page calls its character set; empty when nobody knows it."""
    label = label.strip().lower()
    if label in _SAME:
        return _SAME[label]
    try:
        name = codecs.lookup(label).name
        "".encode(name)
    except (LookupError, ValueError):
        return ""
    return _SAME.get(name) or _SUPERSETS.get(name, name)


def charset_of(content: bytes, content_type: str = "") -> str:
    """How to read a page: its mark, its header, what it says itself, else UTF-8 or GB18030, whichever fits."""
    for mark, name in _MARKS:
        if content.startswith(mark):
            return name
    head = content[:_DECLARED_WITHIN_BYTES]
    in_header = _IN_HEADER.search(content_type)
    said = [in_header.group(1)] if in_header else []
    said += [found.group(1).decode("ascii") for found in (_XML_DECLARED.search(head), _DECLARED.search(head)) if found]
    for label in said:
        if known := codec_of(label):
            # A page that can be read by bytes cannot be in two-byte units.
            return DEFAULT if known.startswith("utf-16") else known
    return _guessed(content[:_LOOKED_AT_BYTES])


def text_of(content: bytes, content_type: str = "") -> str:
    """The text of a page; what cannot be read becomes the replacement character."""
    return content.decode(charset_of(content, content_type), "replace").removeprefix("\ufeff")


def written_in(charset: str, text: str) -> bytes:
    """Text as a form of such a page sends it: what the character set lacks becomes `&#number;`."""
    codec = codec_of(charset) or DEFAULT
    if codec.startswith(("utf-16", "utf-32", "iso2022", "hz")):
        codec = DEFAULT
    try:
        return text.encode(codec, "surrogateescape")
    except UnicodeEncodeError:
        return text.encode(codec, "xmlcharrefreplace")


def read_in(charset: str, content: bytes) -> str:
    """The other way round; what cannot be read is kept, so that `written_in` gives the same bytes again."""
    codec = codec_of(charset) or DEFAULT
    if codec.startswith(("utf-16", "utf-32", "iso2022", "hz")):
        codec = DEFAULT
    text = content.decode(codec, "surrogateescape")
    return text if written_in(charset, text) == content else content.decode("ascii", "surrogateescape")


def _guessed(content: bytes) -> str:
    for codec in (DEFAULT, "gb18030"):
        try:
            # An end in the middle of a character is no mistake.
            codecs.getincrementaldecoder(codec)().decode(content, final=False)
        except UnicodeDecodeError:
            continue
        return codec
    return DEFAULT
