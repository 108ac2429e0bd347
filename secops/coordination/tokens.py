"""The highest token that was ever seen, on disk before it is obeyed: who comes with a lower one is refused for ever."""

import os
import re
import tempfile
from pathlib import Path

from secops.model.text import Text
from secops.support.errors import Incomplete
from secops.support.system_words import why


class Outdated(Incomplete):
    """An order under a token below one that was seen."""

    def __init__(self, name: str, token: int, highest: int) -> None:
        super().__init__(
            Text(
                f"{name}:令牌 {token} 低于已见过的 {highest},拒绝执行",
                f"{name}: token {token} is below {highest}, which was seen; refused",
            )
        )


class HighestToken:
    """One number in one file, which only grows. One process uses it at a time."""

    def __init__(self, path: Path, name: str) -> None:
        """Raises Incomplete for a file that does not hold a number: forgetting it would open what it shuts."""
        self._path = path
        self._name = name
        self._highest = self._read()

    @property
    def highest(self) -> int:
        """0: none was seen yet."""
        return self._highest

    def admit(self, token: int) -> None:
        """Take note of the token. Raises Outdated for a lower one, Incomplete when the disk does not take it."""
        if token < self._highest:
            raise Outdated(self._name, token, self._highest)
        if token > self._highest:
            self._write(token)
            self._highest = token

    def _read(self) -> int:
        try:
            written = self._path.read_text()
        except FileNotFoundError:
            return 0
        except (OSError, UnicodeDecodeError):
            written = ""
        if not re.fullmatch(r"[0-9]+\n", written):
            raise Incomplete(
                Text(
                    f"{self._path} 应记有最高令牌,但无法读取;核实后写入正确的数字",
                    f"{self._path} should hold the highest token and cannot be read; find out the number and write it",
                )
            )
        return int(written)

    def _write(self, token: int) -> None:
        folder = self._path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle, part = tempfile.mkstemp(dir=folder, prefix=f".{self._path.name}.")
            with os.fdopen(handle, "w") as file:
                file.write(f"{token}\n")
                file.flush()
                os.fsync(file.fileno())
            Path(part).replace(self._path)
            _settle(folder)
        except OSError as error:
            said = why(error)
            raise Incomplete(
                Text(f"令牌无法写入 {self._path}:{said.zh}", f"the token cannot be written to {self._path}: {said.en}")
            ) from None


def _settle(folder: Path) -> None:
    """The name reaches the disk too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
