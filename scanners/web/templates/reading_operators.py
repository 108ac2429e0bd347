"""Matchers and extractors read from a template, each of their values tried out."""

import binascii

from scanners.web.templates.expressions.regexes import BadPattern, Regex
from scanners.web.templates.expressions.syntax import Node, SyntaxMistake, UnsupportedFunction, parse, text_node
from scanners.web.templates.fields import Fields
from scanners.web.templates.json_query import BadQuery, json_query
from scanners.web.templates.model import Extractor, ExtractorKind, Matcher, MatcherKind
from scanners.web.templates.xpath import BadPath, xpath

CONDITIONS = {"and": True, "or": False}
_VALUES_OF = {
    MatcherKind.WORD: "words",
    MatcherKind.REGEX: "regex",
    MatcherKind.BINARY: "binary",
    MatcherKind.DSL: "dsl",
    MatcherKind.XPATH: "xpath",
}
_WITHOUT_MEANING = ("match-all", "encoding")


def read_matchers(block: Fields) -> tuple[Matcher, ...]:
    """The `matchers` of a block."""
    return tuple(matcher for fields in block.each("matchers") if (matcher := _matcher(fields)) is not None)


def _matcher(fields: Fields) -> Matcher | None:
    kind = fields.choice("type", {kind.value: kind for kind in MatcherKind}, None, "matcher-kind")
    if kind is None:
        if not fields.has("type"):
            fields.problem("matcher-kind", "type")
        return None
    if fields.has("offset"):
        fields.problem("matcher-offset", "offset")
    key = _VALUES_OF.get(kind, "")
    kind, values = _checked(fields, kind, key, fields.texts(key)) if key else (kind, ())
    for ignored in (*_WITHOUT_MEANING, *_VALUES_OF.values(), "status", "size"):
        fields.raw(ignored)
    matcher = Matcher(
        kind=kind,
        values=values,
        numbers=fields.numbers(kind.value) if kind in (MatcherKind.STATUS, MatcherKind.SIZE) else (),
        part=fields.text("part") or "body",
        every=fields.choice("condition", CONDITIONS, False),
        negative=fields.flag("negative"),
        internal=fields.flag("internal"),
        case_insensitive=fields.flag("case-insensitive"),
        name=fields.text("name"),
    )
    _refuse_unknown(fields)
    return matcher


def _checked(
    fields: Fields, kind: MatcherKind, key: str, values: tuple[str, ...]
) -> tuple[MatcherKind, tuple[str, ...]]:
    if kind is MatcherKind.WORD and fields.text("encoding") == "hex":
        return MatcherKind.BINARY, tuple(_hexadecimal(value) for value in values)
    for value in values:
        _try_value(fields, kind, key, value)
    return kind, values


def _hexadecimal(word: str) -> str:
    """A word that is no hexadecimal data stands for itself."""
    try:
        return binascii.unhexlify(word).hex() or word.encode().hex()
    except ValueError:
        return word.encode("utf-8", "surrogatepass").hex()


def _try_value(fields: Fields, kind: MatcherKind, key: str, value: str) -> None:
    try:
        if kind is MatcherKind.REGEX:
            Regex(value).check()
        elif kind is MatcherKind.DSL:
            parse(value)
        elif kind is MatcherKind.XPATH:
            xpath(value)
        elif kind is MatcherKind.BINARY:
            binascii.unhexlify(value)
        else:
            text_node(value)
    except BadPattern as error:
        fields.problem("regex", key, f"{value}: {error}")
    except UnsupportedFunction as error:
        fields.problem("helper", key, error.name)
    except SyntaxMistake as error:
        fields.problem("expression", key, f"{value}: {error}")
    except BadPath as error:
        fields.problem("xpath", key, f"{value}: {error}")
    except ValueError:
        fields.problem("binary", key, value)


def read_extractors(block: Fields) -> tuple[Extractor, ...]:
    """The `extractors` of a block."""
    return tuple(extractor for fields in block.each("extractors") if (extractor := _extractor(fields)) is not None)


def _extractor(fields: Fields) -> Extractor | None:
    kind = fields.choice("type", {kind.value: kind for kind in ExtractorKind}, None, "extractor-kind")
    if kind is None:
        if not fields.has("type"):
            fields.problem("extractor-kind", "type")
        return None
    values = fields.texts(kind.value)
    for value in values:
        _try_extraction(fields, kind, value)
    for ignored in ExtractorKind:
        fields.raw(ignored.value)
    extractor = Extractor(
        kind=kind,
        values=values,
        part=fields.text("part") or "body",
        group=fields.number("group"),
        attribute=fields.text("attribute"),
        internal=fields.flag("internal"),
        case_insensitive=fields.flag("case-insensitive"),
        name=fields.text("name"),
    )
    _refuse_unknown(fields)
    return extractor


def _try_extraction(fields: Fields, kind: ExtractorKind, value: str) -> None:
    if kind is ExtractorKind.JSON:
        try:
            json_query(value)
        except BadQuery as error:
            fields.problem("json-query", "json", f"{value}: {error}")
    elif kind is not ExtractorKind.KVAL:
        _try_value(fields, MatcherKind(kind.value), kind.value, value)


def _refuse_unknown(fields: Fields) -> None:
    for key in fields.unknown():
        fields.problem("block-key", key)


def check_text(fields: Fields, key: str, source: str) -> Node | None:
    """The tree of a text with placeholders; None, and a problem noted, when one of them cannot be filled in."""
    try:
        return text_node(source)
    except UnsupportedFunction as error:
        fields.problem("helper", key, error.name)
        return None
