"""Keys that stand twice in an object are found, whatever stands in the texts around them."""

import json
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from secops.exchange.doubled_keys import doubled_key

TEXTS = st.text(st.sampled_from('ab":{}[],\\ \n漏'), max_size=6)
VALUES = st.recursive(
    st.none() | st.integers(-9, 9) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=12,
)


@given(VALUES, st.booleans(), st.booleans())
def test_what_has_no_key_twice_is_left_alone(value: Any, spaced: bool, escaped: bool) -> None:
    body = json.dumps(value, ensure_ascii=escaped, indent=1 if spaced else None).encode()
    assert doubled_key(body, orjson.loads(body)) is None


@given(VALUES, VALUES, TEXTS, st.sampled_from([":", " :", "\n:"]))
def test_a_key_that_stands_twice_is_found_with_its_place(first: Any, second: Any, key: str, colon: str) -> None:
    name, once, again = json.dumps(key), json.dumps(first), json.dumps(second)
    start = f'[{{"z":{once},{name}{colon}{once},'
    body = f"{start}{name}{colon}{again}}}]".encode()
    assert doubled_key(body, orjson.loads(body)) == (key, len(start.encode()))


def test_the_same_key_written_otherwise_is_the_same() -> None:
    body = rb'{"a":1,"\u0061":2}'
    assert doubled_key(body, orjson.loads(body)) == ("a", 7)
