"""XPath injection, by error and by true and false."""

import re

from scanners.web.points import Part, Point
from scanners.web.probing.check import PointCheck
from scanners.web.probing.complaint import complains
from scanners.web.probing.difference import Pair, depends
from scanners.web.probing.page import Page
from scanners.web.probing.trial import Probing, Trial
from scanners.web.probing.weakness import Verdict, WebClass
from secops.model.finding import Severity
from secops.model.text import Text

_COMPLAINTS = re.compile(
    r"XPathEvalError|XPathException|XPathExpressionException|xmlXPath\w+|Invalid (predicate|expression)"
    r"|javax\.xml\.xpath|System\.Xml\.XPath|SimpleXMLElement::xpath\(\)|DOMXPath::|XPATH syntax error"
    r"|MS\.Internal\.Xml|unclosed string.{0,40}XPath|XPST0003|net\.sf\.saxon",
    re.IGNORECASE,
)


class XPathInjection(PointCheck):
    """Conditions that only XPath understands, so that SQL is not taken for it."""

    name = "xpath-injection"
    title = Text("XPath 注入", "XPath injection")
    weakness = WebClass.XPATHI
    severity = Severity.HIGH
    cwe = 643
    clauses = ("8.1.4.4 d",)
    mend = Text("使用 XPath 变量绑定,不要拼接查询。", "Bind XPath variables instead of putting queries together.")

    def fits(self, point: Point) -> bool:
        """Names of files go into no query."""
        return point.part is not Part.FILE_NAME

    def probe(self, point: Point, page: Page, trial: Trial) -> Probing:
        """Five requests where nothing shows."""
        complaint = yield from complains(trial, point, _COMPLAINTS, (f"{point.value}'\"(",))
        if complaint:
            because = Text(
                f"参数中加入引号后 XPath 引擎报错“{complaint.words}”",
                f"with quotes in the field the XPath engine complains (“{complaint.words}”)",
            )
            return Verdict(because, {"payload": complaint.payload, "response": complaint.excerpt}, rule="error")
        for form in _forms(point.value):
            pairs = [_pair(form, trial, turned) for turned in (False, True, False)]
            told = yield from depends(trial, point.inject, pairs)
            if told:
                because = Text(
                    f"XPath 条件为真与为假的 {len(pairs)} 组请求应答稳定不同,例如“{told[0]}”",
                    f"{len(pairs)} pairs of true and false XPath conditions always differ, e.g. in “{told[0]}”",
                )
                return Verdict(because, {"true": pairs[0][0], "false": pairs[0][1]}, rule="boolean")
        return None


def _forms(value: str) -> list[str]:
    """Ways to put a condition `{c}`, with the quote `{q}` inside it."""
    quoted = [
        form.replace("{q}", quote)
        for quote in ("'", '"')
        for form in (f"{value}{{q}} and {{c}} and {{q}}a{{q}}={{q}}a", f"{value}{{q}} or {{c}} or {{q}}a{{q}}={{q}}b")
    ]
    return [f"{value} and {{c}}", *quoted] if value.isdecimal() else quoted


def _pair(form: str, trial: Trial, turned: bool) -> Pair:
    """`string-length` is a function of XPath; to SQL it is a subtraction of things that do not exist."""
    quote = '"' if '"a"' in form else "'"
    less, more = f"string-length({quote}{trial.mark(7)}{quote})", str(trial.number())
    true, false = (f"{more}>{less}", f"{less}>{more}") if turned else (f"{less}<{more}", f"{more}<{less}")
    return form.replace("{c}", true), form.replace("{c}", false)


XPATH_INJECTION = XPathInjection()
