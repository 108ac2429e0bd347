"""Pages for tests, as answers of a server."""

from scanners.web.crawl.lead import Lead, Reading, Source
from scanners.web.crawl.reading import read
from scanners.web.message import Answer, Hop, Response, Target, Timings

PAGE = "http://site.test/app/page.html"


def answer_of(body: str | bytes, content_type: str = "text/html", **headers: str) -> Answer:
    """An answer with this body."""
    content = body.encode() if isinstance(body, str) else body
    lines = (("Content-Type", content_type), *((name.replace("_", "-"), value) for name, value in headers.items()))
    response = Response(200, "", "1.1", lines, b"", content, Timings(0, 0, 0, 0, 0), None, "127.0.0.1", False, False)
    lead = Lead(PAGE, Source.LINK)
    return Answer((Hop(lead.target, lead.request, response),))


def reading_of(body: str | bytes, content_type: str = "text/html", url: str = PAGE, **headers: str) -> Reading:
    """What the crawler reads of it."""
    return read(Lead(url, Source.LINK), answer_of(body, content_type, **headers))


def found(reading: Reading) -> list[str]:
    """Method, and URL without the origin, of everything that was found, sorted."""
    site = str(Target("http", "site.test", 80))
    return sorted(f"{lead.method} {lead.url.removeprefix(site)}" for lead in reading.leads)


def lead_to(reading: Reading, end: str) -> Lead:
    """The one lead whose URL ends so."""
    (lead,) = [lead for lead in reading.leads if lead.url.endswith(end)]
    return lead
