"""Where template files come from: directories and archives. Nothing outside of them is ever read."""

import hashlib
import os
import tarfile
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from zlib import error as ZlibError

from secops.model.text import Text
from secops.support.errors import BadInput

LARGEST_FILE = 4 * 1024 * 1024
"""Bytes; the largest template or payload file that is read."""
MOST_FILES = 100_000
LARGEST_ARCHIVE = 512 * 1024 * 1024
"""Bytes of all files of an archive together, unpacked."""
_TEMPLATE_ENDS = (".yaml", ".yml")


class Unreadable(Exception):
    """A file that is missing, too large or not readable; `feature` says which."""

    def __init__(self, feature: str, detail: str = "") -> None:
        super().__init__(detail)
        self.feature = feature
        self.detail = detail


class Source(ABC):
    """Files by their path within a directory or archive, `/` between folders."""

    @abstractmethod
    def names(self) -> list[str]:
        """Every file, sorted."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """The content of a file. Raises Unreadable."""

    def templates(self) -> Iterator[str]:
        """Files that may be templates; hidden ones and those in hidden folders are none."""
        for name in self.names():
            if name.endswith(_TEMPLATE_ENDS) and not any(part.startswith(".") for part in PurePosixPath(name).parts):
                yield name

    def close(self) -> None:
        """Let go of the archive."""
        return


class Directory(Source):
    """A tree of files, or one file of it; files that a link takes from elsewhere do not belong to it."""

    def __init__(self, path: Path) -> None:
        self._label = str(path.absolute())
        root = path if path.is_dir() else path.parent
        self._root = os.path.realpath(root)
        self._files = dict.fromkeys(sorted(self._below()) if path.is_dir() else [path.name])
        self._lone = not path.is_dir()

    def _below(self) -> Iterator[str]:
        waiting, count = [""], 0
        while waiting:
            folder = waiting.pop()
            with os.scandir(os.path.join(self._root, folder)) as entries:  # noqa: PTH118 - ten thousand of them
                for entry in entries:
                    name = f"{folder}/{entry.name}" if folder else entry.name
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(name)
                    elif entry.is_file() and (not entry.is_symlink() or self._belongs(name)):
                        count += 1
                        yield name
            if count > MOST_FILES:
                raise BadInput(Text(f"{self._label} 里的文件太多", f"{self._label} holds too many files"))

    def _belongs(self, name: str) -> bool:
        real = os.path.realpath(os.path.join(self._root, name))  # noqa: PTH118
        return real.startswith(self._root + os.sep)

    def names(self) -> list[str]:
        """Every file below."""
        return list(self._files)

    def read(self, name: str) -> bytes:
        """One file of the tree; beside a lone template, its neighbours too."""
        if name not in self._files and not (self._lone and self._belongs(name)):
            raise Unreadable("unreadable", name)
        try:
            with open(f"{self._root}/{name}", "rb") as stream:  # noqa: PTH123 - ten thousand of them
                content = stream.read(LARGEST_FILE + 1)
        except OSError as error:
            raise Unreadable("unreadable", error.strerror or "") from None
        return _bounded(content)


def _bounded(content: bytes) -> bytes:
    if len(content) > LARGEST_FILE:
        raise Unreadable("too-large")
    return content


class ZipArchive(Source):
    """The members of a zip file."""

    def __init__(self, path: Path) -> None:
        self._archive = zipfile.ZipFile(path)
        infos = [info for info in self._archive.infolist() if not info.is_dir()]
        if len(infos) > MOST_FILES or sum(info.file_size for info in infos) > LARGEST_ARCHIVE:
            raise BadInput(Text(f"{path} 太大", f"{path} is too large"))
        self._members = {_member_name(info.filename): info for info in infos}

    def names(self) -> list[str]:
        """Every member."""
        return sorted(name for name in self._members if name)

    def read(self, name: str) -> bytes:
        """One member, unpacked."""
        try:
            with self._archive.open(self._members[name]) as stream:
                return _bounded(stream.read(LARGEST_FILE + 1))
        except KeyError:
            raise Unreadable("unreadable", name) from None
        except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError, ZlibError) as error:
            raise Unreadable("unreadable", str(error)) from None

    def close(self) -> None:
        """Close the file."""
        self._archive.close()


class TarArchive(Source):
    """The regular members of a tar file, compressed or not; read once, in its order."""

    def __init__(self, path: Path) -> None:
        self._contents: dict[str, bytes | Unreadable] = {}
        total = 0
        with tarfile.open(path) as archive:
            for member in archive:
                name = _member_name(member.name)
                if not member.isreg() or not name:
                    continue
                total += member.size
                if total > LARGEST_ARCHIVE or len(self._contents) >= MOST_FILES:
                    raise BadInput(Text(f"{path} 太大", f"{path} is too large"))
                stream = archive.extractfile(member)
                self._contents[name] = (
                    Unreadable("too-large") if member.size > LARGEST_FILE or stream is None else stream.read()
                )

    def names(self) -> list[str]:
        """Every member."""
        return sorted(self._contents)

    def read(self, name: str) -> bytes:
        """One member."""
        content = self._contents.get(name, Unreadable("unreadable", name))
        if isinstance(content, Unreadable):
            raise content
        return content


def _member_name(name: str) -> str:
    """Empty for names that leave the archive."""
    path = PurePosixPath(name.replace("\\", "/"))
    return "" if path.is_absolute() or ".." in path.parts else str(path)


def archive_digest(path: Path) -> str:
    """Of an archive as a whole; empty for what is none, or cannot be read."""
    if path.name.endswith(_TEMPLATE_ENDS) or not path.is_file():
        return ""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "blake2b").hexdigest()
    except OSError:
        return ""


def source_at(path: Path) -> Source:
    """The directory, file, zip or tar archive at a path. Raises BadInput."""
    try:
        if path.is_dir() or path.name.endswith(_TEMPLATE_ENDS):
            path.stat()
            return Directory(path)
        if zipfile.is_zipfile(path):
            return ZipArchive(path)
        return TarArchive(path)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, ZlibError):
        raise BadInput(
            Text(f"{path} 不是目录、模板、zip 或 tar 归档", f"{path} is no directory, template, zip or tar archive")
        ) from None
    except OSError as error:
        raise BadInput(Text(f"无法读取 {path}:{error.strerror}", f"{path} cannot be read: {error.strerror}")) from None
