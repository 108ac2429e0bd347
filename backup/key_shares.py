"""The keys of a folder as shares, one per holder; as a program it writes the share of one (`main` says its words).

It is a program of its own, so that no key passes through the journal. The same keys give the same shares as long as the
seed is there: what one holder got last year fits what another gets today. The seed helps nobody without a share.
"""

import json
import os
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256, shake_256
from itertools import count
from pathlib import Path
from secrets import token_bytes

from backup.escrow import Share, join, split
from secops.model.text import Text
from secops.support.errors import BadInput, JindunError

_SEED_BYTES = 32


def shares_of(
    folder: Path, keys: Sequence[str], needed: int, holders: Sequence[str], seed: Path
) -> Mapping[str, Share]:
    """Each holder's share of the files `keys`, folders among them with all that they hold. Raises BadInput."""
    secret = bundle(folder, keys)
    context = json.dumps([needed, list(holders)]).encode()
    drawn = _drawn(_seed(seed), context, secret)
    return dict(zip(holders, split(secret, needed, len(holders), drawn), strict=True))


def put_back(shares: Sequence[Share], folder: Path) -> list[str]:
    """Write the keys that the shares rebuild below `folder`, readable by nobody else; what is there stays. Their paths.

    Raises BadInput.
    """
    return write_keys(join(shares), folder)


def write_keys(secret: bytes, folder: Path) -> list[str]:
    """As `put_back`, of what shares have rebuilt."""
    files = keys_in(secret)
    for name in files:
        if (folder / name).exists():
            raise BadInput(
                Text(f"{folder / name} 已存在,不覆盖", f"{folder / name} is there already and is left alone")
            )
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write(path, content)
    return list(files)


def keys_in(secret: bytes) -> Mapping[str, bytes]:
    """The files in what shares have rebuilt, by their paths. Raises BadInput when it holds none of ours."""
    try:
        files = {str(name): b64decode(content) for name, content in json.loads(secret).items()}
    except (ValueError, TypeError, AttributeError):
        raise BadInput(Text("份额恢复出的不是密钥文件", "what the shares rebuild are no files of keys")) from None
    if astray := [name for name in files if name.startswith("/") or {"", ".", ".."} & set(name.split("/"))]:
        raise BadInput(
            Text(
                f"份额中的路径 {astray[0]!r} 越出目录", f"the path {astray[0]!r} in the shares leads out of the folder"
            )
        )
    return files


def bundle(folder: Path, keys: Sequence[str]) -> bytes:
    """The files under their paths, in an order that does not change."""
    files: dict[str, str] = {}
    for name in keys:
        top = folder / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if not path.is_dir():
                files[str(path.relative_to(folder))] = b64encode(_read(path)).decode()
    if not files:
        raise BadInput(Text(f"{folder} 中没有要托管的密钥", f"there are no keys to share in {folder}"))
    return json.dumps(files, sort_keys=True).encode()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(
            Text(f"无法读取密钥 {path}:{error.strerror}", f"the key {path} cannot be read: {error.strerror}")
        ) from error


def _drawn(seed: bytes, context: bytes, secret: bytes) -> Callable[[int], bytes]:
    """What looks random to whoever has not the seed, anew for other keys and other holders."""
    start = seed + sha256(context).digest() + sha256(secret).digest()
    numbers = count()
    return lambda size: shake_256(start + next(numbers).to_bytes(4, "big")).digest(size)


def _seed(path: Path) -> bytes:
    """Made when it is missing."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write(path, token_bytes(_SEED_BYTES))
    seed = _read(path)
    if len(seed) != _SEED_BYTES:
        raise BadInput(Text(f"{path} 不是份额种子", f"{path} is no seed of shares"))
    return seed


def _write(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def main(words: Sequence[str]) -> int:
    """Write one holder's share. FOLDER SEED INTO HOLDER NEEDED HOLDER,HOLDER,... KEYS..., as the engine has checked."""
    folder, seed, into, holder, needed, holders, *keys = words
    try:
        share = shares_of(Path(folder), keys, int(needed), holders.split(","), Path(seed))[holder]
    except JindunError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    path = Path(into)
    path.unlink(missing_ok=True)
    _write(path, share.text.encode() + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
