"""XML bodies whose parser opens what a document names."""

from dataclasses import replace

from scanners.web.charset import text_of
from scanners.web.message import Request
from scanners.web.points import content_type_of, with_length
from scanners.web.probing.check import PageCheck
from scanners.web.probing.documents import MEND, find_entities
from scanners.web.probing.page import Page
from scanners.web.probing.trial import Probing, Trial
from scanners.web.probing.weakness import WebClass
from secops.model.finding import Severity
from secops.model.text import Text


class XmlEntities(PageCheck):
    """Sends the same document with an entity that stands for a file."""

    name = "xml-entities"
    title = Text("XML 外部实体(XXE)", "XML external entities (XXE)")
    weakness = WebClass.XXE
    severity = Severity.HIGH
    cwe = 611
    clauses = ("8.1.4.4 d",)
    mend = MEND

    def fits(self, request: Request, page: Page) -> bool:
        """Requests that carry XML."""
        return "xml" in content_type_of(request.headers).lower() and bool(request.body)

    def probe(self, page: Page, trial: Trial) -> Probing:
        """Content, error, listener."""
        request = page.request

        def inject(document: str) -> Request:
            return with_length(replace(request, body=document.encode()))

        document = text_of(request.body, content_type_of(request.headers))
        return (yield from find_entities(trial, inject, document, page))


XML_ENTITIES = XmlEntities()
