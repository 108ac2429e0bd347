"""The fields of one record of a report: each is asked for by the type it must have, and a wrong one is located."""

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from secops.exchange.misread import Misread
from secops.model.text import Text

_KINDS: dict[type, Text] = {dict: Text("对象", "an object"), list: Text("数组", "an array"), str: Text("文本", "text")}
_LONGEST = 4000


class Fields:
    """A JSON object at a place; what is absent or null reads as empty."""

    def __init__(self, value: object, record: str, line: int = 0) -> None:
        """`record` says where the object is, like `runs[0].results[2]`. Raises Misread when it is no object."""
        self.record = record
        self.line = line
        if not isinstance(value, dict):
            raise self.wrong(Text("应为一个 JSON 对象", "a JSON object is expected"))
        self._values: Mapping[str, Any] = value

    def wrong(self, text: Text) -> Misread:
        """The error to raise about this record."""
        return Misread(text, line=self.line, column=min(self.line, 1), record=self.record)

    def has(self, key: str) -> bool:
        return self._values.get(key) is not None

    def text(self, *keys: str) -> str:
        """The first of these that is not empty, as text without NUL; numbers are text, too."""
        for key in keys:
            value = self._values.get(key)
            if isinstance(value, int | float) and not isinstance(value, bool):
                value = str(value)
            if value is not None and not isinstance(value, str):
                raise self._mistyped(key, str)
            if value:
                return value.replace("\0", "\ufffd").strip()
        return ""

    def required(self, *keys: str) -> str:
        """Like `text`, and raises Misread when all are empty."""
        if found := self.text(*keys):
            return found
        named = " / ".join(keys)
        raise self.wrong(Text(f"缺少 {named}", f"{named} is missing"))

    def number(self, key: str) -> float:
        """A number, also when it is written as text; 0 when absent."""
        try:
            found = float(self.text(key) or 0)
        except ValueError:
            found = math.nan
        if not math.isfinite(found):
            raise self.wrong(Text(f"{key} 不是数字", f"{key} is no number"))
        return found

    def flag(self, key: str, default: bool = False) -> bool:
        value = self._values.get(key)
        return value if isinstance(value, bool) else default

    def within(self, *keys: str) -> "Fields":
        """The object below these keys; empty when one of them is absent."""
        value: object = self._values
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else value
            if value is None:
                return Fields({}, self.record, self.line)
        if not isinstance(value, dict):
            raise self._mistyped(".".join(keys), dict)
        return Fields(value, self.record, self.line)

    def items(self, key: str) -> "Iterator[Fields]":
        """The objects of an array."""
        for number, value in enumerate(self._array(key)):
            yield Fields(value, f"{self.record}.{key}[{number}]".lstrip("."), self.line)

    def texts(self, key: str) -> list[str]:
        """The texts of an array; one text alone counts as an array of one."""
        value = self._values.get(key)
        if isinstance(value, str):
            return [value]
        return [one for one in self._array(key) if isinstance(one, str)]

    def entries(self) -> dict[str, str]:
        """Every key whose value is text."""
        return {key: value for key, value in self._values.items() if isinstance(value, str)}

    def array(self, key: str) -> list[Any]:
        """An array of anything."""
        return self._array(key)

    def moment(self, key: str) -> datetime | None:
        """An ISO 8601 moment with its offset; None when absent, without offset or in another writing."""
        return moment_of(self.text(key))

    def _array(self, key: str) -> list[Any]:
        value = self._values.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self._mistyped(key, list)
        return value

    def _mistyped(self, key: str, kind: type) -> Misread:
        wanted = _KINDS[kind]
        return self.wrong(Text(f"{key} 应为{wanted.zh}", f"{key} should be {wanted.en}"))


def moment_of(text: str) -> datetime | None:
    """A moment in UTC, from ISO 8601 with an offset; None for anything else, for a guessed offset is a wrong one."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def short(text: str, longest: int = _LONGEST) -> str:
    """Text cut to what a finding keeps."""
    return text if len(text) <= longest else text[: longest - 1] + "…"
