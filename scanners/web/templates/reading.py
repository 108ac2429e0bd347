"""One template read from YAML: every template ends as one that can be run, or with all the reasons why not."""

import hashlib
import re
from collections.abc import Callable
from typing import Any

from scanners.web.redirects import Follow, Redirects
from scanners.web.templates.fields import Fields
from scanners.web.templates.flow import FlowScript, parse_flow
from scanners.web.templates.model import (
    Attack,
    Block,
    Info,
    Payload,
    Refused,
    Said,
    Sending,
    Severity,
    Template,
    Unsupported,
)
from scanners.web.templates.plain_yaml import NotYaml, read_plain
from scanners.web.templates.raw_text import BadRaw, read_raw
from scanners.web.templates.reading_operators import CONDITIONS, check_text, read_extractors, read_matchers
from scanners.web.templates.sources import Unreadable

PayloadReader = Callable[[str], bytes]
"""The content of a payload file by the name that a template gives it. Raises Unreadable."""

_PROTOCOLS = ("dns", "network", "tcp", "file", "headless", "ssl", "websocket", "whois", "javascript", "code")
_REFUSED_KEYS = {
    "fuzzing": "fuzzing", "analyzer": "fuzzing", "race": "race", "race_count": "race",
    "digest-username": "digest-login", "signature": "signature", "global-matchers": "global-matchers",
}  # fmt: skip
_WITHOUT_MEANING = (
    "threads", "pipeline", "read-all", "cookie-reuse", "req-condition", "pre-condition", "pre-condition-operator", "name", "headless",
    "digest-password", "pipeline-concurrent-connections", "pipeline-requests-per-connection", "skip-secret-file",
)  # fmt: skip
_SCANNED = re.compile(r"\s*(?:\{\{|§|/|\?)")
_FIXED_HOST = re.compile(r"(?m)^@Host:\s*(?:https?://)?[^{\s]+\s*$")
_MOST_PAYLOADS = 1_000_000
_MOST_BLOCKS = 200


def read_template(content: bytes, path: str, payload_file: PayloadReader) -> Template | Refused | None:
    """The template in a file; None when the file holds another kind of YAML, as a list of words."""
    try:
        parsed = read_plain(content)
    except NotYaml as error:
        return Refused("", path, (Unsupported("not-yaml", "", str(error)),))
    if not isinstance(parsed, dict):
        return None
    problems: list[Unsupported] = []
    root = Fields(parsed, "", problems)
    identity = root.text("id").strip()
    if not identity and not root.has("info"):
        return None
    template = _template(root, identity, path, content, payload_file)
    return Refused(identity, path, tuple(problems)) if problems else template


def _template(root: Fields, identity: str, path: str, content: bytes, payload_file: PayloadReader) -> Template:
    key = "http" if root.has("http") else "requests"
    _refuse_other_kinds(root, key)
    if not identity or not isinstance(root.raw("info"), dict):
        root.problem("not-a-template", "")
    digest = hashlib.sha256(content)
    stop = root.flag("stop-at-first-match")
    reader = _BlockReader(payload_file, digest.update, stop)
    blocks = tuple(reader.block(fields) for fields in root.each(key)) if not root.flag("self-contained") else ()
    if len(blocks) > _MOST_BLOCKS:
        root.problem("value", key)
    flow = root.text("flow").strip()
    if flow:
        try:
            parse_flow(flow, tuple(block.identity for block in blocks))
        except FlowScript as error:
            root.problem("flow-script", "flow", error)
    variables = root.pairs("variables") + root.pairs("constants")
    for name, value in variables:
        check_text(root, f"variables.{name}", value)
    return Template(identity, path, _info(root), blocks, variables, flow, digest.hexdigest())


def _refuse_other_kinds(root: Fields, key: str) -> None:
    if root.flag("self-contained"):
        root.problem("self-contained", "self-contained")
    if root.has("workflows"):
        root.problem("workflow", "workflows")
    others = [protocol for protocol in _PROTOCOLS if root.has(protocol)]
    for protocol in others:
        root.problem("protocol", protocol, protocol)
    if not root.has(key) and not others and not root.has("workflows"):
        root.problem("not-a-template", "http")
    if root.has("signature"):
        root.problem("signature", "signature")


def _info(root: Fields) -> Info:
    value = root.raw("info")
    # What the author says about a template never keeps it from being run.
    fields = Fields(value if isinstance(value, dict) else {}, "info", [])
    said = Said(
        description=fields.text("description").strip(),
        remediation=fields.text("remediation").strip(),
        references=fields.texts("reference"),
        classification=_flat(fields.raw("classification")),
        metadata=_flat(fields.raw("metadata")),
    )
    return Info(
        name=fields.text("name"),
        severity=fields.choice("severity", {severity.value: severity for severity in Severity}, Severity.UNKNOWN),
        tags=_listed(fields.raw("tags"), lower=True),
        authors=_listed(fields.raw("author")),
        written=said.written(),
    )


def _listed(value: Any, lower: bool = False) -> tuple[str, ...]:
    written = ",".join(item for item in value if isinstance(item, str)) if isinstance(value, list) else value
    if not isinstance(written, str):
        return ()
    parts = (part.strip() for part in (written.lower() if lower else written).split(","))
    return tuple(part for part in parts if part)


def _flat(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    joined = {
        str(key): ",".join(text for text in item if isinstance(text, str)) if isinstance(item, list) else item
        for key, item in value.items()
    }
    return {key: item for key, item in joined.items() if isinstance(item, str) and item}


class _BlockReader:
    def __init__(self, payload_file: PayloadReader, note: Callable[[bytes], None], stop: bool) -> None:
        self._payload_file, self._note, self._stop = payload_file, note, stop

    def block(self, fields: Fields) -> Block:
        for key, feature in _REFUSED_KEYS.items():
            if fields.has(key) and fields.raw(key) != "false":
                fields.problem(feature, key)
        block = Block(
            identity=fields.text("id"),
            method=fields.text("method", "GET") or "GET",
            paths=fields.texts("path"),
            raws=fields.texts("raw"),
            headers=fields.pairs("headers"),
            body=fields.text("body"),
            payloads=self._payloads(fields),
            attack=fields.choice("attack", {attack.value: attack for attack in Attack}, Attack.BATTERINGRAM),
            sending=self._sending(fields),
            matchers=read_matchers(fields),
            every_matcher=fields.choice("matchers-condition", CONDITIONS, False),
            extractors=read_extractors(fields),
        )
        _check_requests(fields, block)
        for key in _WITHOUT_MEANING:
            fields.raw(key)
        for key in fields.unknown():
            fields.problem("block-key", key)
        return block

    def _sending(self, fields: Fields) -> Sending:
        follow = Follow.ANYWHERE if fields.flag("redirects") else Follow.NOWHERE
        return Sending(
            redirects=Redirects(
                Follow.SAME_HOST if fields.flag("host-redirects") else follow, fields.number("max-redirects") or 10
            ),
            cookies=not fields.flag("disable-cookie"),
            unsafe=fields.flag("unsafe"),
            merge_path=not fields.flag("disable-path-automerge"),
            most_bytes=fields.number("max-size"),
            stop_at_first_match=fields.flag("stop-at-first-match") or self._stop,
            skip_variables_check=fields.flag("skip-variables-check"),
            iterate_all=fields.flag("iterate-all"),
        )

    def _payloads(self, fields: Fields) -> tuple[Payload, ...]:
        value = fields.raw("payloads")
        if value in (None, ""):
            return ()
        if not isinstance(value, dict):
            fields.problem("payloads", "payloads")
            return ()
        used = _mentioned(fields)
        payloads = tuple(
            Payload(str(name), self._values(fields, name, item)) for name, item in value.items() if str(name) in used
        )
        one_by_one = fields.text("attack") in ("", "batteringram")
        if any(not payload.values for payload in payloads) or (one_by_one and len(payloads) > 1):
            fields.problem("payloads", "payloads")
        return payloads

    def _values(self, fields: Fields, name: str, item: Any) -> tuple[str, ...]:
        if isinstance(item, dict):
            # Levels of effort: the first is what is sent by default.
            item = item.get("default")
        if isinstance(item, list) and all(isinstance(value, str) for value in item):
            return tuple(item)
        if not isinstance(item, str):
            fields.problem("payloads", f"payloads.{name}")
            return ()
        lines = item.split("\n") if "\n" in item.strip() else self._file_lines(fields, name, item.strip())
        return tuple(line for line in (line.rstrip("\r") for line in lines) if line)[:_MOST_PAYLOADS]

    def _file_lines(self, fields: Fields, name: str, file: str) -> list[str]:
        try:
            content = self._payload_file(file)
        except Unreadable:
            fields.problem("payload-file", f"payloads.{name}", file)
            return ["-"]
        self._note(content)
        return content.decode("utf-8", "replace").split("\n")


def _mentioned(fields: Fields) -> str:
    """All text in which a payload can stand; those that stand nowhere are not sent."""
    return repr([fields.raw(key) for key in ("headers", "body", "path", "raw", "matchers", "extractors")])


def _check_requests(fields: Fields, block: Block) -> None:
    if not block.paths and not block.raws:
        fields.problem("not-a-template", "path")
    for index, path in enumerate(block.paths):
        check_text(fields, f"path[{index}]", path)
        if not _SCANNED.match(path) and "{{Host" not in path:
            fields.problem("fixed-host", f"path[{index}]", path)
    for index, raw in enumerate(block.raws):
        check_text(fields, f"raw[{index}]", raw)
        if _FIXED_HOST.search(raw):
            fields.problem("fixed-host", f"raw[{index}]")
        try:
            read_raw(raw, block.sending.unsafe)
        except BadRaw as error:
            fields.problem("raw-request", f"raw[{index}]", error)
    for name, value in (*block.headers, ("body", block.body)):
        check_text(fields, f"headers.{name}", value)
    for payload in block.payloads:
        for value in payload.values[:1000]:
            check_text(fields, f"payloads.{payload.name}", value)
