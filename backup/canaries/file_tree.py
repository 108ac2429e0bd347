"""Canaries in a file tree: one file of them in its top folder, the newest first."""

from backup.canary import LOOKED_AT, Canary, CanaryWriter, canary_options
from backup.engine import EngineOptions
from secops.model.city import Asset, AssetKind
from secops.model.step import Command, Procedure, Step, require
from secops.model.text import Text

FILE = ".jindun-canary"
_SHORT_SECONDS = 60.0
_IS_CANARY = r"^[0-9]\{1,18\} [0-9T:.Z-]\{27\} [0-9a-f]\{128\}$"
_WRITE = f"""\
set -eu
folder=$1 line=$2 file=$1/{FILE}
[ -d "$folder" ] || {{ echo "$folder is no directory" >&2; exit 3; }}
umask 022
old=
# Whoever owns the tree may have put a link or a pipe there: neither is followed, and only canaries are taken over.
if [ -f "$file" ] && [ ! -L "$file" ]; then old=$(grep -a '{_IS_CANARY}' "$file" | head -n {LOOKED_AT - 1} || true); fi
[ "${{old%%
*}}" != "$line" ] || exit 0
new=$(mktemp -- "$folder/{FILE}.XXXXXXXX")
trap 'rm -f -- "$new"' EXIT
if [ -n "$old" ]; then printf '%s\\n%s\\n' "$line" "$old"; else printf '%s\\n' "$line"; fi >"$new"
chmod 0644 -- "$new"
sync -- "$new"
mv -T -- "$new" "$file"
sync -- "$folder"
trap - EXIT
"""
"""It is on disk before it is acknowledged, and never half written."""


class FileTreeCanaryOptions(EngineOptions):
    """Nothing to tell: the user of the commands may write in the top folder."""


class FileTreeCanaries(CanaryWriter):
    """The file holds no secret, and may be served like any other of the tree."""

    name = "file_tree"
    describes = Text("写入文件树顶层的一个文件", "into a file in the top folder of a file tree")
    kind = AssetKind.FILE_TREE
    needs = ("sh", "mktemp", "sync")
    options = FileTreeCanaryOptions

    def write(self, asset: Asset, canary: Canary) -> Procedure[None]:
        canary_options(FileTreeCanaryOptions, asset)
        wrote = yield Step(
            "write the canary",
            Command(asset.host, ("sh", "-c", _WRITE, "write", asset.path, canary.line)),
            changes=True,
            timeout_seconds=_SHORT_SECONDS,
        )
        require(wrote, f"无法在 {asset.path} 写入探针记录", f"no canary can be written into {asset.path}")

    def read(self, asset: Asset) -> Procedure[str]:
        return (yield from read_in(asset.host, asset.path, "read the canaries"))


writer = FileTreeCanaries()


def read_in(host: str, folder: str, name: str) -> Procedure[str]:
    """What the file of a tree holds, wherever the tree stands; nothing when it has none."""
    script = f'[ ! -f "$1/{FILE}" ] || [ -L "$1/{FILE}" ] || head -c 65536 -- "$1/{FILE}"'
    read = yield Step(name, Command(host, ("sh", "-c", script, "read", folder)), timeout_seconds=_SHORT_SECONDS)
    return require(read, f"无法读取 {folder} 中的探针记录", f"the canaries in {folder} cannot be read").output
