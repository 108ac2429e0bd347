"""What a template sends, told before it is run."""

from collections.abc import Iterator

from scanners.web.templates.model import Block, Template
from scanners.web.templates.payloads import count_of
from scanners.web.templates.raw_text import BadRaw, read_raw

_READING = frozenset({"GET", "HEAD", "OPTIONS"})


def methods_of(template: Template) -> frozenset[str]:
    """Every method that it may use; a placeholder for a method stands for itself."""
    return frozenset(method for block in template.blocks for method in _methods(block))


def only_reads(template: Template) -> bool:
    """Whether it sends nothing but GET, HEAD and OPTIONS without body, as written by the rules."""
    bodies = any(block.body or block.sending.unsafe for block in template.blocks)
    return methods_of(template) <= _READING and not bodies


def request_count(template: Template) -> int:
    """How many requests it sends when nothing stops it; extracted values that are iterated over count once."""
    return sum(count_of(block) * len(block.paths or block.raws) for block in template.blocks)


def needs_listener(template: Template) -> bool:
    """Whether a step cannot be sent without an out-of-band listener."""
    texts = [
        text for block in template.blocks for text in (*block.paths, *block.raws, block.body, *_header_values(block))
    ]
    texts += [value for _, value in template.variables]
    texts += [value for block in template.blocks for payload in block.payloads for value in payload.values[:1000]]
    return any("interactsh-url" in text for text in texts)


def _header_values(block: Block) -> Iterator[str]:
    return (value for _, value in block.headers)


def _methods(block: Block) -> Iterator[str]:
    if block.paths:
        yield block.method.upper()
        return
    for raw in block.raws:
        try:
            yield read_raw(raw, block.sending.unsafe).method.decode("latin-1").upper()
        except BadRaw:
            continue
