"""Put a restored tree in the place of the damaged one."""

from collections.abc import Mapping
from typing import Any

from playbooks.action import Action, Context, Options, Touches
from secops.model.step import Command, Procedure, ProcedureFailed, Step, require
from secops.model.text import Text


class AttachOptions(Options):
    """Options of `site.attach`."""

    tree: str
    """The file tree asset; its path is a symbolic link to the release that is served."""
    source: str
    """Directory on the same host that becomes the release."""


class SiteAttach(Action[AttachOptions]):
    """See `describes`."""

    name = "site.attach"
    title = Text("挂回恢复的目录", "Attach a restored tree")
    describes = Text(
        "把恢复并复测过的目录设为在线版本:原子地改指符号链接,被篡改的版本原样留作取证。此后写入旧版本的内容不再对外提供,"
        "因此不可逆,必须在隔离之后进行。",
        "Makes the restored and rescanned directory the served release by moving a symbolic link atomically; the "
        "damaged release stays as evidence. What was written to the old release since is no longer served: "
        "irreversible, so it stands behind a fence.",
    )
    touches = Touches.CHANGES
    options = AttachOptions
    gives = frozenset({"replaced"})

    def plan(self, options: AttachOptions, context: Context) -> Procedure[Mapping[str, Any]]:
        """Remember the old release, make the new link beside, move it over."""
        tree = context.inventory.asset(options.tree)
        before = yield Step("read link", Command(tree.host, ("readlink", "--", tree.path)), assume="release")
        replaced = before.output.strip()
        require(before, f"{tree.path} 不是符号链接", f"{tree.path} is not a symbolic link")
        if replaced == options.source:
            return {"replaced": replaced}
        exists = yield Step("look for source", Command(tree.host, ("test", "-d", options.source)), assume="yes")
        if not exists.ok:
            raise ProcedureFailed(f"目录 {options.source} 不存在", f"there is no directory {options.source}")
        beside = f"{tree.path}.{context.run}"
        made = yield Step(
            "link beside",
            Command(tree.host, ("ln", "-sfn", "--", options.source, beside)),
            changes=True,
        )
        require(made, "无法建立新链接", "the new link could not be made")
        moved = yield Step(
            "move link over",
            Command(tree.host, ("mv", "-T", "--", beside, tree.path)),
            changes=True,
            check=_points_to(tree.host, tree.path, options.source),
            # The move is atomic: while the link still leads to the old release, it has not begun.
            untouched=_points_to(tree.host, tree.path, replaced),
            irreversible=True,
        )
        require(moved, "无法切换到恢复的目录", "the restored tree could not be attached")
        return {"replaced": replaced}


def _points_to(host: str, link: str, target: str) -> Command:
    """Succeeds when the link leads to the very directory `target`."""
    return Command(host, ("test", link, "-ef", target))


action = SiteAttach()
