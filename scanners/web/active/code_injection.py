"""Code of the site's own language that is run because it stands in the request: PHP, Python, JavaScript."""

from collections.abc import Iterator

from scanners.web.points import Point
from scanners.web.probing.check import PointCheck
from scanners.web.probing.computed import computes
from scanners.web.probing.delays import delayed, filled, obeys
from scanners.web.probing.page import Page
from scanners.web.probing.trial import Probing, Trial
from scanners.web.probing.weakness import Verdict, WebClass
from secops.model.finding import Severity
from secops.model.text import Text

_PRINTS = (
    # Inside quotes: the string is closed, the product added, and the string opened again.
    "{m}'+str({a}*{b})+'",
    '{m}"+str({a}*{b})+"',
    "{m}'+({a}*{b})+'",
    '{m}"+({a}*{b})+"',
    "{m}'.({a}*{b}).'",
    '{m}".({a}*{b})."',
    # Where an expression stands.
    "'{m}'+str({a}*{b})",
    "'{m}'+({a}*{b})",
    "{v}-print('{m}'.({a}*{b}))",
    "{v};echo '{m}'.({a}*{b});//",
)
_BUSY = "(function(){var t=Date.now()+{ms};while(Date.now()<t);return 1})()"
_SLEEPS = (
    ("Python", "__import__('time').sleep({s})", "str({e})", "+"),
    ("PHP", "usleep({us})", "{e}", "."),
    ("JavaScript", _BUSY, "{e}", "+"),
)


class CodeInjection(PointCheck):
    """A product that was computed, or a delay that is obeyed."""

    name = "code-injection"
    title = Text("代码注入", "code injection")
    weakness = WebClass.CODEINJ
    severity = Severity.CRITICAL
    cwe = 94
    clauses = ("8.1.4.4 d",)
    mend = Text(
        "不要用 eval 一类函数处理输入;需要表达式时使用受限的解析器。",
        "Hand no input to eval and its kin; where expressions are needed, use a parser that knows nothing else.",
    )

    def probe(self, point: Point, page: Page, trial: Trial) -> Probing:
        """Output first, then time."""
        value = point.value if point.value.isdecimal() else "1"
        computed = yield from computes(trial, point, [form.replace("{v}", value) for form in _PRINTS])
        if computed:
            return Verdict(computed.because, {"payload": computed.payload, "response": computed.excerpt}, rule="output")
        for language, form in _sleeping():
            line = yield from obeys(trial, delayed(point, form), page.seconds)
            if line:
                because = line.because
                sentence = Text(f"{because.zh};执行的是 {language} 代码", f"{because.en}; the code is {language}")
                return Verdict(sentence, {"payload": filled(form, 2)}, rule="time")
        return None


def _sleeping() -> Iterator[tuple[str, str]]:
    for language, expression, as_string, join in _SLEEPS:
        joined = as_string.replace("{e}", expression)
        other = joined.replace("'", '"')
        yield language, expression
        yield language, f"'{join}{other}{join}'"
        yield language, f'"{join}{joined}{join}"'


CODE_INJECTION = CodeInjection()
