"""Folders whose content a server lists."""

import re

from scanners.web.probing.check import PassiveCheck
from scanners.web.probing.page import Page
from scanners.web.probing.weakness import Verdict, WebClass
from secops.model.finding import Severity
from secops.model.text import Text

_LISTING = re.compile(
    r"<title>\s*(Index of /|Directory listing for |Directory Listing For )|<h1>\s*Index of /|\[To Parent Directory\]",
    re.IGNORECASE,
)
_UP = re.compile(r"href=\"?(\.\./?|/[^\"> ]*)|\[To Parent Directory\]|Parent Directory", re.IGNORECASE)


class DirectoryListing(PassiveCheck):
    """Recognises the listings of the usual servers."""

    name = "directory-listing"
    title = Text("目录可列出", "directories are listed")
    weakness = WebClass.EXPOSURE
    severity = Severity.MEDIUM
    cwe = 548
    clauses = ("8.1.4.2 f",)
    mend = Text("关闭自动目录列表(如 nginx 的 autoindex off)。", "Turn listings off, e.g. autoindex off in nginx.")

    def judge(self, url: str, page: Page) -> list[Verdict]:
        """One for the page."""
        if page.status != 200 or not _LISTING.search(page.text) or not _UP.search(page.text):
            return []
        because = Text("服务器列出了该目录的内容", "the server lists what is in the folder")
        return [Verdict(because, {"response": page.text[:200]})]


DIRECTORY_LISTING = DirectoryListing()
