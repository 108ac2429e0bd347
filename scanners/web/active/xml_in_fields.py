"""Fields that hold XML, or are put into it, whose parser opens what a document names."""

from scanners.web.points import Part, Point
from scanners.web.probing.check import PointCheck
from scanners.web.probing.documents import MEND, find_entities, find_inclusion
from scanners.web.probing.page import Page
from scanners.web.probing.trial import Probing, Trial
from scanners.web.probing.weakness import WebClass
from secops.model.finding import Severity
from secops.model.text import Text


class XmlInFields(PointCheck):
    """Entities where the field is a document, an inclusion anywhere else."""

    name = "xml-in-fields"
    title = Text("字段中的 XML 外部实体(XXE)", "XML external entities in a field (XXE)")
    weakness = WebClass.XXE
    severity = Severity.HIGH
    cwe = 611
    clauses = ("8.1.4.4 d",)
    mend = MEND

    def fits(self, point: Point) -> bool:
        """Values only."""
        return point.part is Part.VALUE

    def probe(self, point: Point, page: Page, trial: Trial) -> Probing:
        """One request, unless the field is a document."""
        if point.value.lstrip().startswith("<"):
            found = yield from find_entities(trial, point.inject, point.value, page)
            if found:
                return found
        return (yield from find_inclusion(trial, point.inject, page))


XML_IN_FIELDS = XmlInFields()
