"""Secret references, `${env:NAME}` and `${file:path}`: resolved at the last moment, never stored, never shown."""

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from secops.model.step import Command, Result
from secops.model.text import Text
from secops.support.errors import BadInput
from secops.support.system_words import why

_REFERENCE = re.compile(r"\$\{(?:env:(?P<env>[A-Za-z_]\w*)|file:(?P<file>[^}\s]+))\}")
_LONGEST_BYTES = 1 << 20
_SHORTEST = 4
_SHORTEST_LINE = 8
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class SecretRefused(BadInput):
    """A reference stands where it may not, or cannot be resolved."""


@dataclass(frozen=True, slots=True)
class Unlocked:
    """What a command is really given, and what must never be seen of it."""

    stdin: str
    env: Mapping[str, str]
    secret_names: tuple[str, ...]
    """Names in `env` whose values hold a secret."""
    hidden: tuple[str, ...]
    """Longest first."""

    def redact(self, result: Result) -> Result:
        """The result with every secret replaced by `***`."""
        if not self.hidden:
            return result
        return replace(
            result,
            output=self._clean(result.output),
            error_output=self._clean(result.error_output),
            reason=self._clean(result.reason),
        )

    def _clean(self, text: str) -> str:
        for secret in self.hidden:
            text = text.replace(secret, "***")
        return text


class Secrets:
    """Resolves references; relative paths of `${file:…}` start at `base`."""

    def __init__(self, base: Path) -> None:
        self._base = base

    def unlock(self, command: Command) -> Unlocked:
        """`stdin` and `env` of the command with all references resolved. Raises SecretRefused."""
        for argument in command.argv:
            if _REFERENCE.search(argument):
                raise _argument_refused()
        found: list[str] = []
        stdin = self._resolve(command.stdin, found)
        env = {name: self._resolve(value, found) for name, value in command.env.items()}
        secret_names = tuple(name for name, value in command.env.items() if _REFERENCE.search(value))
        return Unlocked(stdin, env, secret_names, _to_hide(found))

    def resolve(self, text: str) -> str:
        """The text with all references resolved, for our own use. Raises SecretRefused."""
        return self._resolve(text, [])

    def _resolve(self, text: str, found: list[str]) -> str:
        if "${" not in text:
            return text

        def value(reference: re.Match[str]) -> str:
            name = reference["env"]
            secret = _from_environment(name) if name else _from_file(self._base / reference["file"])
            found.append(secret)
            return secret

        return _REFERENCE.sub(value, text)


def _to_hide(secrets: list[str]) -> tuple[str, ...]:
    """Whole values, and long lines of those with several: a program may print a key line by line."""
    lines = {line for secret in secrets for line in secret.splitlines() if len(line) >= _SHORTEST_LINE}
    whole = {secret for secret in secrets if len(secret) >= _SHORTEST}
    return tuple(sorted(lines | whole, key=len, reverse=True))


def _from_environment(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise SecretRefused(
            Text(
                f"密钥引用的环境变量 {name} 未设置或为空",
                f"the secret's environment variable {name} is not set or empty",
            )
        )
    return value


def _from_file(path: Path) -> str:
    """The file's text without its last newline. Mode and owner are those of what was opened, not of what was there."""
    try:
        # Not held up by a FIFO that nobody writes to.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            _require_private(path, os.fstat(file.fileno()))
            value = file.read(_LONGEST_BYTES).decode()
    except (OSError, ValueError) as error:
        said = why(error) if isinstance(error, OSError) else Text("UTF-8", "UTF-8")
        raise SecretRefused(
            Text(f"密钥文件 {path} 无法读取:{said.zh}", f"the secret file {path} cannot be read: {said.en}")
        ) from error
    value = value.removesuffix("\n").removesuffix("\r")
    if not value:
        raise SecretRefused(Text(f"密钥文件 {path} 为空", f"the secret file {path} is empty"))
    return value


def _require_private(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise SecretRefused(Text(f"密钥文件 {path} 不是普通文件", f"the secret file {path} is not a regular file"))
    mode = stat.S_IMODE(found.st_mode)
    if mode & _OTHERS:
        raise SecretRefused(
            Text(
                f"密钥文件 {path} 的权限 {mode:04o} 过宽,他人可读;请执行 chmod 600",
                f"the secret file {path} has mode {mode:04o}, others may get at it; chmod 600 it",
            )
        )


def _argument_refused() -> SecretRefused:
    return SecretRefused(
        Text(
            "命令参数中不得引用密钥:主机上任何进程都能看到参数;请改用 stdin 或 env",
            "a secret may not stand in an argument, every process of the host can read those; use stdin or env",
        )
    )
