"""Visitors that a site sends to wherever a link says."""

from collections.abc import Iterator

from scanners.web.points import Part, Point
from scanners.web.probing.check import PointCheck
from scanners.web.probing.leading import host_of, leads_to
from scanners.web.probing.page import Page
from scanners.web.probing.trial import Probing, Purpose, Trial
from scanners.web.probing.weakness import Verdict, WebClass
from secops.model.finding import Severity
from secops.model.text import Text


class OpenRedirect(PointCheck):
    """Names a host of nobody, in the ways that get past filters, and looks where a browser would go."""

    name = "open-redirect"
    title = Text("开放重定向", "open redirect")
    weakness = WebClass.REDIRECT
    severity = Severity.MEDIUM
    cwe = 601
    clauses = ("8.1.4.4 d",)
    mend = Text(
        "只重定向到站内路径或白名单中的网址;解析后比较主机名,而不是比较文字。",
        "Redirect to paths of the site or to listed addresses only; compare the parsed host, not the text.",
    )

    def fits(self, point: Point) -> bool:
        """What a link can carry, or a cache can be given."""
        return point.part is Part.VALUE and point.name.lower() not in ("referer", "origin")

    def probe(self, point: Point, page: Page, trial: Trial) -> Probing:
        """One request where nothing leads anywhere."""
        domain = f"{trial.mark()}.example"
        own = trial.target.authority
        leads_anyway = bool(leads_to(page))
        for payload in _payloads(domain, own):
            seen = yield from trial.ask(point.inject(payload))
            found = _led(seen, domain)
            if found:
                other = f"{trial.mark()}.example"
                again = yield from trial.ask(point.inject(payload.replace(domain, other)), Purpose.AGAIN)
                if _led(again, other):
                    how, where = found
                    because = Text(
                        f"浏览器会被 {how} 带到任意主机:{where}", f"{how} takes a browser to any host: {where}"
                    )
                    return Verdict(because, {"payload": payload, "leads to": where})
            if not leads_anyway and not leads_to(seen):
                return None
        return None


def _payloads(domain: str, own: str) -> Iterator[str]:
    yield f"https://{domain}/"
    yield f"//{domain}/"
    yield f"/\\{domain}/"
    yield f"http://{own}@{domain}/"
    yield f"http://{domain}/{own}/"
    # What is put behind the site's own name becomes another name, or a user of one.
    yield f".{domain}/"
    yield f"@{domain}/"
    yield f"https:{domain}/"
    yield f"///{domain}/"
    yield f"\t//{domain}/"


def _led(page: Page, domain: str) -> tuple[str, str] | None:
    for how, where in leads_to(page):
        host = host_of(where)
        if host == domain or host.endswith(f".{domain}"):
            return how, where[:200]
    return None


OPEN_REDIRECT = OpenRedirect()
