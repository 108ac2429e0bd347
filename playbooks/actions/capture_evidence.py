"""Record what an asset looks like before anything is repaired."""

import hashlib
from collections.abc import Mapping
from typing import Any

from playbooks.action import Action, Context, Options, Touches
from secops.model.city import Asset
from secops.model.step import Command, Fetch, Procedure, Step, require
from secops.model.text import Text
from secops.support.errors import BadInput


class CaptureOptions(Options):
    """Options of `evidence.capture`."""

    asset: str
    """A page or website; what it answers is kept in the journal, and so in the evidence pack."""
    tree: str = ""
    """The file tree behind it; every file with its change time and SHA-256 is listed."""


class CaptureEvidence(Action[CaptureOptions]):
    """See `describes`."""

    name = "evidence.capture"
    title = Text("固定证据", "Capture evidence")
    describes = Text(
        "在任何修复之前固定现场:页面原文及其 SHA-256、目录中每个文件的修改时间与 SHA-256,写入哈希链日志。",
        "Fixes the scene before any repair: the page as served with its SHA-256, and the change time and SHA-256 of "
        "every file of the tree, all in the hash-chained journal.",
    )
    touches = Touches.READS
    options = CaptureOptions
    gives = frozenset({"sha256"})

    def plan(self, options: CaptureOptions, context: Context) -> Procedure[Mapping[str, Any]]:
        """Fetch the page; list and hash the files."""
        page = context.inventory.asset(options.asset)
        if not page.url:
            raise BadInput(Text(f"资产 {page.id} 没有 url", f"asset {page.id} has no url"))
        body = yield Step("fetch page", Fetch(page.url))
        require(body, "无法取得页面原文", "the page could not be fetched")
        if options.tree:
            yield from _list_files(context.inventory.asset(options.tree))
        return {"sha256": hashlib.sha256(body.output.encode()).hexdigest()}


def _list_files(tree: Asset) -> Procedure[None]:
    """The trailing slash makes `find` look behind the link that a served tree is."""
    root = tree.path.rstrip("/") + "/"
    times = Command(tree.host, ("find", root, "-type", "f", "-printf", "%T+ %m %u %s %P\\n"))
    listed = yield Step("list files", times, timeout_seconds=120)
    require(listed, "无法列出目录", "the tree could not be listed")
    hashes = Command(tree.host, ("find", root, "-type", "f", "-exec", "sha256sum", "-z", "--", "{}", "+"))
    hashed = yield Step("hash files", hashes, timeout_seconds=600)
    require(hashed, "无法计算文件哈希", "the files could not be hashed")


action = CaptureEvidence()
