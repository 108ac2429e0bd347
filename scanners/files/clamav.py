"""Malware by ClamAV's signatures, through the socket of a running clamd."""

import hashlib
import os
import re
import socket
import struct
from collections.abc import Iterable
from datetime import UTC, datetime

from scanners.files.check import Limits, Look, Means, NotLooked, RuleSet, Suspicion, TreeCheck, TreeFile
from secops.model.text import Text

_CHUNK_BYTES = 128 * 1024
_ANSWER_BYTES = 4096
_GREETING_SECONDS = 10.0
_VERSION = re.compile(r"ClamAV [^/]+(?:/(\d+)/(.+))?")
_FOUND = re.compile(r"stream: (.+) FOUND")


class ClamAv(TreeCheck):
    """See `describes`."""

    name = "clamav"
    title = Text("ClamAV 病毒扫描", "ClamAV signatures")
    describes = Text(
        "把每个文件的内容经 clamd 的套接字(INSTREAM)交给 ClamAV 扫描;压缩包由 clamd 自行解开。clamd 无法连接时不算干净。",
        "Hands the content of every file to ClamAV through the socket of clamd (INSTREAM), which unpacks archives by "
        "itself. With clamd out of reach nothing counts as clean.",
    )

    def begin(self, means: Means) -> Look | None:
        """Asks clamd for its version."""
        if not means.clamd:
            return None
        try:
            answer = _ask(means.clamd, b"zVERSION\0", (), _GREETING_SECONDS)
        except OSError as error:
            raise NotLooked(_away(means.clamd, error)) from None
        return _ClamLook(means.clamd, _rules(answer))


class _ClamLook(Look):
    def __init__(self, path: str, rules: RuleSet) -> None:
        self.rules = rules
        self._path = path

    def wants(self, file: TreeFile) -> bool:
        return file.size_bytes > 0

    def suspicions(self, file: TreeFile, limits: Limits) -> Iterable[Suspicion]:
        try:
            answer = _ask(self._path, b"zINSTREAM\0", _chunks(file), limits.file_seconds)
        except OSError as error:
            raise NotLooked(_away(self._path, error)) from None
        if found := _FOUND.fullmatch(answer):
            name = found[1]
            yield Suspicion(f"clamav.{name}", file.shown, Text(f"ClamAV 识别为 {name}", f"ClamAV knows it as {name}"))
        elif answer != "stream: OK":
            raise NotLooked(Text(f"clamd 未能扫描:{answer[:200]}", f"clamd did not scan it: {answer[:200]}"))


def _chunks(file: TreeFile) -> Iterable[bytes]:
    offset = 0
    while chunk := os.pread(file.descriptor, _CHUNK_BYTES, offset):
        offset += len(chunk)
        yield struct.pack("!I", len(chunk)) + chunk
    yield struct.pack("!I", 0)


def _ask(path: str, command: bytes, data: Iterable[bytes], seconds: float) -> str:
    """The answer of clamd, without its final NUL. Raises OSError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(seconds)
        connection.connect(path)
        connection.sendall(command)
        try:
            for chunk in data:
                connection.sendall(chunk)
        except (BrokenPipeError, ConnectionResetError):
            # Clamd has seen enough, as of a file over its own limit, and has said why.
            pass
        answer = b""
        while not answer.endswith(b"\0") and len(answer) < _ANSWER_BYTES:
            more = connection.recv(_ANSWER_BYTES)
            if not more:
                break
            answer += more
    if not answer:
        raise ConnectionResetError("no answer")
    return answer.rstrip(b"\0\n").decode("utf-8", "replace")


def _rules(answer: str) -> RuleSet:
    """By the version of the engine and of its signatures; clamd does not tell of signatures that a city adds itself."""
    digest = hashlib.sha256(answer.encode()).hexdigest()
    found = _VERSION.fullmatch(answer)
    if not found or not found[2]:
        return RuleSet(digest)
    try:
        return RuleSet(digest, datetime.strptime(found[2], "%a %b %d %H:%M:%S %Y").replace(tzinfo=UTC))
    except ValueError:
        return RuleSet(digest)


def _away(path: str, error: OSError) -> Text:
    why = error.strerror or str(error) or type(error).__name__
    return Text(f"clamd({path})没有应答:{why}", f"clamd ({path}) does not answer: {why}")


CLAMAV = ClamAv()
