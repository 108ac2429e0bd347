"""Templates as rows of plain lists and back."""

from sys import intern
from typing import Any

from scanners.web.redirects import Follow, Redirects
from scanners.web.templates.model import (
    Attack,
    Block,
    Extractor,
    ExtractorKind,
    Info,
    Matcher,
    MatcherKind,
    Payload,
    Refused,
    Sending,
    Severity,
    Template,
    Unsupported,
)

_MATCHERS = {kind.value: kind for kind in MatcherKind}
_EXTRACTORS = {kind.value: kind for kind in ExtractorKind}
_SEVERITIES = {severity.value: severity for severity in Severity}
_ATTACKS = {attack.value: attack for attack in Attack}
_FOLLOWS = {follow.value: follow for follow in Follow}


def row_of(found: Template | Refused | None) -> list[Any] | None:
    """What was read of a file."""
    if found is None:
        return None
    if isinstance(found, Refused):
        return ["refused", found.identity, found.path, [[one.feature, one.where, one.detail] for one in found.reasons]]
    blocks = [_block_row(block) for block in found.blocks]
    return [
        "template", found.identity, found.path, _info_row(found.info), blocks, found.variables, found.flow, found.digest
    ]  # fmt: skip


def from_row(row: list[Any] | None) -> Template | Refused | None:
    """The way back. Raises KeyError, TypeError, ValueError or IndexError for rows of another shape."""
    if row is None:
        return None
    kind, identity, path, *rest = row
    if kind == "refused":
        return Refused(identity, path, tuple(Unsupported(*one) for one in rest[0]))
    info, blocks, variables, flow, digest = rest
    return Template(
        identity, path, _info(info), tuple([_block(block) for block in blocks]), _pairs(variables), flow, digest
    )


def _pairs(rows: list[list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple([(name, value) for name, value in rows])


def _info_row(info: Info) -> list[Any]:
    return [info.name, info.severity.value, info.tags, info.authors, info.written.decode()]


def _info(row: list[Any]) -> Info:
    name, severity, tags, authors, written = row
    return Info(name, _SEVERITIES[severity], tuple(map(intern, tags)), tuple(map(intern, authors)), written.encode())


def _block_row(block: Block) -> list[Any]:
    return [
        block.identity, block.method, block.paths, block.raws, block.headers, block.body,
        [[payload.name, payload.values] for payload in block.payloads], block.attack.value, _sending_row(block.sending),
        [_matcher_row(matcher) for matcher in block.matchers], block.every_matcher,
        [_extractor_row(extractor) for extractor in block.extractors],
    ]  # fmt: skip


def _block(row: list[Any]) -> Block:
    (identity, method, paths, raws, headers, body, payloads, attack, sending, matchers, every, extractors) = row
    return Block(
        identity, method, tuple(paths), tuple(raws), _pairs(headers), body,
        tuple([Payload(name, tuple(values)) for name, values in payloads]), _ATTACKS[attack], _sending(sending),
        tuple([_matcher(matcher) for matcher in matchers]), every, tuple([_extractor(one) for one in extractors]),
    )  # fmt: skip


def _sending_row(sending: Sending) -> list[Any]:
    return [
        sending.redirects.follow.value, sending.redirects.most, sending.cookies, sending.unsafe, sending.merge_path,
        sending.most_bytes, sending.stop_at_first_match, sending.skip_variables_check, sending.iterate_all,
    ]  # fmt: skip


_sendings: dict[tuple[Any, ...], Sending] = {}


def _sending(row: list[Any]) -> Sending:
    """Few differ; equal ones are one object."""
    key = tuple(row)
    found = _sendings.get(key)
    if found is None:
        found = _sendings[key] = Sending(Redirects(_FOLLOWS[row[0]], row[1]), *row[2:])
    return found


def _matcher_row(matcher: Matcher) -> list[Any]:
    return [
        matcher.kind.value, matcher.values, matcher.numbers, matcher.part, matcher.every, matcher.negative,
        matcher.internal, matcher.case_insensitive, matcher.name,
    ]  # fmt: skip


_number_matchers: dict[tuple[Any, ...], Matcher] = {}
"""Half of all matchers compare the status, mostly with 200: equal ones are one object."""


def _matcher(row: list[Any]) -> Matcher:
    kind, values, numbers, part, every, negative, internal, case_insensitive, name = row
    if values:
        return Matcher(
            _MATCHERS[kind], tuple(values), tuple(numbers), intern(part), every, negative, internal, case_insensitive, name
        )  # fmt: skip
    key = (kind, tuple(numbers), part, every, negative, internal, case_insensitive, name)
    found = _number_matchers.get(key)
    if found is None:
        found = _number_matchers[key] = Matcher(_MATCHERS[kind], (), *key[1:])
    return found


def _extractor_row(extractor: Extractor) -> list[Any]:
    return [
        extractor.kind.value, extractor.values, extractor.part, extractor.group, extractor.attribute, extractor.internal,
        extractor.case_insensitive, extractor.name,
    ]  # fmt: skip


def _extractor(row: list[Any]) -> Extractor:
    kind, values, part, group, attribute, internal, case_insensitive, name = row
    return Extractor(_EXTRACTORS[kind], tuple(values), part, group, attribute, internal, case_insensitive, name)
