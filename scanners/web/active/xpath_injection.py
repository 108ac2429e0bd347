"""XPath injection, by error and by true and false."""

import re
from collections.abc import Iterator

from scanners.web.points import Point
from scanners.web.probing.difference import Pair
from scanners.web.probing.query_injection import QueryInjection
from scanners.web.probing.trial import Trial
from scanners.web.probing.weakness import WebClass
from secops.model.finding import Severity
from secops.model.text import Text

_COMPLAINTS = re.compile(
    r"XPathEvalError|XPathException|XPathExpressionException|xmlXPath\w+|Invalid (predicate|expression)"
    r"|javax\.xml\.xpath|System\.Xml\.XPath|SimpleXMLElement::xpath\(\)|DOMXPath::|XPATH syntax error"
    r"|MS\.Internal\.Xml|unclosed string.{0,40}XPath|XPST0003|net\.sf\.saxon",
    re.IGNORECASE,
)


class XPathInjection(QueryInjection):
    """Conditions that only XPath understands, so that SQL is not taken for it."""

    name = "xpath-injection"
    title = Text("XPath 注入", "XPath injection")
    weakness = WebClass.XPATHI
    severity = Severity.HIGH
    cwe = 643
    clauses = ("8.1.4.4 d",)
    mend = Text("使用 XPath 变量绑定,不要拼接查询。", "Bind XPath variables instead of putting queries together.")
    language = "XPath"
    complaints = _COMPLAINTS
    breaking = "'\"("

    def conditions(self, point: Point, trial: Trial) -> Iterator[list[Pair]]:
        """Beside the value, and in its place."""
        for form in _forms(point.value):
            yield [_pair(form, trial, turned) for turned in (False, True, False)]


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
