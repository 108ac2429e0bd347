"""Put a restored tree in the place of the damaged one."""

from collections.abc import Mapping
from posixpath import basename, dirname, join
from typing import Any

from playbooks.action import Action, Context, Options, Touches
from secops.model.city import Asset
from secops.model.step import Command, Procedure, Step, require
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
    gives = frozenset({"release", "replaced"})

    def plan(self, options: AttachOptions, context: Context) -> Procedure[Mapping[str, Any]]:
        """Remember the old release, move the new one beside it, make the new link beside, move it over."""
        tree = context.inventory.asset(options.tree)
        linked = yield Step("look for the link", Command(tree.host, ("test", "-L", tree.path)))
        require(linked, f"{tree.path} 不是符号链接", f"{tree.path} is not a symbolic link")
        before = yield Step("read the link", Command(tree.host, ("readlink", "-e", "--", tree.path)))
        require(before, f"{tree.path} 指向的目录不存在", f"{tree.path} leads nowhere")
        replaced = before.output.removesuffix("\n")
        release = join(dirname(replaced), basename(options.source))
        yield from _move_beside(tree.host, options.source, release)
        yield from _lead_to(tree, replaced, release, f"{tree.path}.{context.run}")
        return {"release": release, "replaced": replaced}


def _move_beside(host: str, source: str, release: str) -> Procedure[None]:
    moved = yield Step(
        "move beside the old release",
        Command(host, ("mv", "-T", "--", source, release)),
        changes=True,
        check=Command(host, ("test", "-d", release, "-a", "!", "-e", source)),
    )
    require(moved, f"无法把 {source} 移为新版本", f"{source} could not be moved to {release}")


def _lead_to(tree: Asset, replaced: str, release: str, beside: str) -> Procedure[None]:
    made = yield Step("link beside", Command(tree.host, ("ln", "-sfn", "--", release, beside)), changes=True)
    require(made, "无法建立新链接", "the new link could not be made")
    moved = yield Step(
        "move the link over",
        Command(tree.host, ("mv", "-T", "--", beside, tree.path)),
        changes=True,
        check=_points_to(tree.host, tree.path, release),
        # The move is atomic: while the link still leads to the old release, it has not begun.
        untouched=_points_to(tree.host, tree.path, replaced),
        irreversible=True,
    )
    require(moved, "无法切换到恢复的目录", "the restored tree could not be attached")


def _points_to(host: str, link: str, target: str) -> Command:
    """Succeeds when the link leads to the very directory `target`."""
    return Command(host, ("test", link, "-ef", target))


action = SiteAttach()
