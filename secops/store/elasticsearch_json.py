"""What goes to Elasticsearch, as JSON."""

import json
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import Any, TypeAlias

import orjson

Document: TypeAlias = dict[str, Any]
OURS = "jindun"
"""The object of a document that holds what is not of the Elastic Common Schema."""
APART = frozenset({f"{OURS}.document", f"{OURS}.extra"})
"""Fields that are kept beside the source of a document: the server gives them back without parsing all of it, which
costs it as much as writing them."""


def encoded(value: object) -> bytes:
    """As JSON; dataclasses, enums and moments are understood. Halves of surrogate pairs become `?`."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return json.dumps(value, ensure_ascii=False, default=_plain).encode("utf-8", "replace")


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    assert is_dataclass(value)
    assert not isinstance(value, type)
    return asdict(value)
