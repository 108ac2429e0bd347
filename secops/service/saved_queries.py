"""Queries that people saved under a name, as text, in one file of the home's state folder."""

import fcntl
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import orjson

from secops.model.text import Text
from secops.store.query_text import parse
from secops.support.errors import BadInput
from secops.support.suggestions import did_you_mean

_NAME = re.compile(r"[\w.-]{1,64}")


class SavedQueries:
    """Read each time; written whole, so that a reader never sees half of it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def all(self) -> Mapping[str, str]:
        """Texts by name. Raises BadInput when the file is not one of ours."""
        try:
            saved = orjson.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except orjson.JSONDecodeError:
            saved = None
        if not isinstance(saved, dict) or not all(isinstance(text, str) for text in saved.values()):
            raise BadInput(
                Text(
                    f"{self._path} 不是保存的查询;请修复或删除它",
                    f"{self._path} holds no saved queries; mend or remove it",
                )
            )
        return saved

    def __getitem__(self, name: str) -> str:
        """The text that was saved under the name. Raises BadInput."""
        return _named(self.all(), name)

    def save(self, name: str, text: str) -> None:
        """Keep the text, in place of an earlier one of that name. Raises BadInput when it cannot be read back."""
        if not _NAME.fullmatch(name):
            raise BadInput(
                Text("名称只能含字母、汉字、数字和 . _ -", "a name is made of letters, digits and . _ - alone")
            )
        with self._alone():
            saved = {**self.all(), name: text}
            parse(f"@{name}", lambda wanted: _named(saved, wanted))
            written = self._path.with_suffix(f".{os.getpid()}.new")
            written.write_bytes(orjson.dumps(saved, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))
            written.replace(self._path)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Others who save wait, so that nobody writes what they read before; the kernel frees it when we are killed."""
        with self._path.with_suffix(".lock").open("ab") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield


def _named(saved: Mapping[str, str], name: str) -> str:
    if name not in saved:
        hint = did_you_mean(name, saved)
        raise BadInput(Text(f"没有保存过名为 {name} 的查询{hint.zh}", f"no query was saved as {name}{hint.en}"))
    return saved[name]
