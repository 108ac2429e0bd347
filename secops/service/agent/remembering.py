"""What an agent never forgets, on disk before it acts on it: above all the highest publication that it has seen."""

import os
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from backup.failover.situation import Act, ActKind, Memory, Published
from secops.model.text import Text
from secops.service.agent.documents import Unreadable, memory_of, to_json
from secops.support.errors import Incomplete
from secops.support.system_words import why


class Outdated(Incomplete):
    """A publication below one that was seen: an old leader's, or a store's that forgot."""


class Remembering:
    """The memory of one cluster in one file. One process uses it at a time."""

    def __init__(self, path: Path) -> None:
        """Raises Incomplete for a file that cannot be understood: to forget would open what it shuts."""
        self._path = path
        self.memory = self._read()
        self.is_kept = True
        """Whether all of it is on disk; what is not holds until this process ends."""

    def admit(self, published: Published) -> None:
        """Take note of a publication, at least until we end when the disk does not take it. Raises Outdated for a lower one."""
        highest, version = self.memory.highest, published.version
        if version < highest:
            raise Outdated(
                Text(
                    f"发布 {version.epoch}.{version.number} 低于已见过的 {highest.epoch}.{highest.number},不予执行",
                    f"publication {version.epoch}.{version.number} is below {highest.epoch}.{highest.number}, which was "
                    "seen, and is not obeyed",
                )
            )
        if version > highest:
            memory = replace(self.memory, highest=version)
            try:
                self._keep(memory)
            except Incomplete:
                self.memory, self.is_kept = memory, False
        elif not self.is_kept:
            with suppress(Incomplete):
                self._keep(self.memory)

    def before(self, act: Act) -> None:
        """Note for good what must not be forgotten of an act, before it is done; not even what was read is missing then.
        Raises Incomplete."""
        memory, epoch = self.memory, act.version.epoch
        if not self.is_kept:
            self._keep(memory)
        if act.kind in (ActKind.PROMOTE, ActKind.RESUME) and memory.primary_epoch != epoch:
            self._keep(replace(memory, primary_epoch=epoch, restarts=0))
        elif act.kind is ActKind.START and memory.primary_epoch == epoch:
            self._keep(replace(memory, restarts=memory.restarts + 1))
        elif act.kind is ActKind.RENOUNCE:
            self._keep(replace(memory, renounced=epoch))

    def forgive(self) -> None:
        """Forget the restarts of a primary that has served well since. Raises Incomplete."""
        if self.memory.restarts:
            self._keep(replace(self.memory, restarts=0))

    def _keep(self, memory: Memory) -> None:
        try:
            write_for_good(self._path, to_json(memory))
        except OSError as error:
            said = why(error)
            raise Incomplete(
                Text(f"{self._path} 无法写入:{said.zh}", f"{self._path} cannot be written: {said.en}")
            ) from None
        self.memory, self.is_kept = memory, True

    def _read(self) -> Memory:
        try:
            return memory_of(self._path.read_bytes())
        except FileNotFoundError:
            return Memory()
        except (OSError, Unreadable) as error:
            raise Incomplete(
                Text(
                    f"{self._path} 记有已见过的最高令牌,但无法读取({error});核实后改正或从备份恢复,不要删除",
                    f"{self._path} holds the highest token that was seen and cannot be read ({error}); mend it or restore "
                    "it, and do not delete it",
                )
            ) from None


def write_for_good(path: Path, content: bytes) -> None:
    """Replace a file as a whole; content and name have reached the disk. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(part).replace(path)
    finally:
        Path(part).unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
