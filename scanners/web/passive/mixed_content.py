"""Encrypted pages that load parts of themselves unencrypted."""

from selectolax.lexbor import LexborHTMLParser

from scanners.pages.parsing import parsed
from scanners.web.probing.check import PassiveCheck
from scanners.web.probing.page import Page
from scanners.web.probing.weakness import Verdict, WebClass
from secops.model.finding import Severity
from secops.model.text import Text

_ACTIVE = (
    ("script", "src"),
    ("iframe", "src"),
    ("link[rel~=stylesheet]", "href"),
    ("object", "data"),
    ("form", "action"),
)
_SHOWN = (("img", "src"), ("audio", "src"), ("video", "src"), ("source", "src"))


class MixedContent(PassiveCheck):
    """Looks at pages that came over HTTPS; plain links are no part of a page."""

    name = "mixed-content"
    title = Text("HTTPS 页面混用 HTTP 内容", "mixed content")
    weakness = WebClass.MIXED
    severity = Severity.MEDIUM
    cwe = 311
    clauses = ("8.1.2.2 b", "8.1.4.8 a")
    mend = Text("页面内的所有资源和表单都使用 HTTPS。", "Load every part of the page, and send every form, over HTTPS.")

    def judge(self, url: str, page: Page) -> list[Verdict]:
        """One for what runs, one for what is only shown."""
        if not url.lower().startswith("https:") or not page.is_html:
            return []
        parser = parsed(page.text)
        kinds = ((_ACTIVE, "active", Severity.MEDIUM), (_SHOWN, "shown", Severity.LOW))
        found = []
        for places, rule, severity in kinds:
            addresses = [address for place in places for address in _plain(parser, *place)]
            if addresses:
                because = Text(
                    f"页面经 HTTP 加载 {len(addresses)} 项,如 {addresses[0]}",
                    f"the page loads {len(addresses)} parts over HTTP, e.g. {addresses[0]}",
                )
                found.append(Verdict(because, {"addresses": " ".join(addresses[:5])}, rule=rule, severity=severity))
        return found


def _plain(parser: LexborHTMLParser, selector: str, attribute: str) -> list[str]:
    values = [node.attributes.get(attribute) or "" for node in parser.css(selector)]
    return [value.strip() for value in values if value.strip().lower().startswith("http://")]


MIXED_CONTENT = MixedContent()
