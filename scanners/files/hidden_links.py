"""Hidden links in the pages of a tree, by the same rules as on the served page."""

from collections.abc import Iterable
from urllib.parse import urljoin, urlsplit

from scanners.files.check import Limits, Look, Means, NotLooked, RuleSet, Suspicion, TreeCheck, TreeFile
from scanners.pages.domains import registrable
from scanners.pages.nesting import extent_of
from scanners.pages.page import read_page
from scanners.pages.tamper import PAGE_TAMPER
from secops.model.city import Asset, AssetKind
from secops.model.text import Text

_ENDINGS = (".html", ".htm", ".xhtml", ".shtml", ".php", ".jsp", ".asp", ".aspx")
_PAGE_BYTES = 2 * 1024 * 1024
_RULES = RuleSet("1")
"""Part of the product: raised when pages are judged otherwise."""


class HiddenLinks(TreeCheck):
    """See `describes`."""

    name = "hidden-links"
    title = Text("目录中网页的暗链", "hidden links in the pages of a tree")
    describes = Text(
        "逐个阅读目录树中的网页文件,按网页篡改检查的同一规则查找暗链,不需要基线,也看得见没有登记为资产的页面。",
        "Reads every page file of the tree and looks for hidden links by the rules of the page-tampering check, without "
        "a baseline; so pages that are no asset of their own are seen, too.",
    )

    def begin(self, means: Means) -> Look | None:
        """Only for trees that are served: without an address every link would be foreign."""
        return _HiddenLook(means.pages) if means.pages else None


class _HiddenLook(Look):
    rules = _RULES

    def __init__(self, pages: tuple[str, ...]) -> None:
        self._page = pages[0]
        self._own = {registrable(urlsplit(page).hostname or "") for page in pages}

    def wants(self, file: TreeFile) -> bool:
        return file.shown.lower().endswith(_ENDINGS)

    def suspicions(self, file: TreeFile, limits: Limits) -> Iterable[Suspicion]:
        if file.size_bytes > _PAGE_BYTES:
            raise NotLooked(Text(f"网页大于 {_PAGE_BYTES} 字节", f"a page of more than {_PAGE_BYTES} bytes"))
        html = _text(file.content(_PAGE_BYTES))
        if extent_of(html).excessive:
            raise NotLooked(Text("页面结构异常庞大", "the page is built to be too large to read"))
        url = urljoin(self._page, "restored.html")
        asset = Asset("restored", AssetKind.PAGE, Text("恢复的页面", "restored page"), "", url=url)
        for weakness in PAGE_TAMPER.judge(asset, read_page(url, html), None):
            if weakness.locator[0] in self._own:
                continue
            rule = weakness.rule.replace("page-tamper.", "hidden-links.")
            yield Suspicion(rule, file.shown, weakness.title)


def _text(content: bytes) -> str:
    """As a browser would read it where no server names the charset."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("gb18030", "replace")


HIDDEN_LINKS = HiddenLinks()
