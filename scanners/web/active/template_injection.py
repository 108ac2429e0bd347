"""Templates that are evaluated because they stand in the request."""

import re

from scanners.web.points import Point
from scanners.web.probing.check import PointCheck
from scanners.web.probing.complaint import complains
from scanners.web.probing.computed import computes
from scanners.web.probing.delays import delayed, filled, obeys
from scanners.web.probing.page import Page
from scanners.web.probing.trial import Probing, Trial
from scanners.web.probing.weakness import Verdict, WebClass
from secops.model.finding import Severity
from secops.model.text import Text

_FORMS = (
    "{m}{{{a}*{b}}}",
    "{m}${{a}*{b}}",
    "{m}<%={a}*{b}%>",
    "{m}#{{a}*{b}}",
    "{m}@({a}*{b})",
    "{m}[[${{a}*{b}}]]",
    "{m}{%print({a}*{b})%}",
    # Inside a string of an expression.
    "{m}'~({a}*{b})~'",
    '{m}"~({a}*{b})~"',
    '{m}"+({a}*{b})?c+"',
)
_SLEEPS = ("{{cycler.__init__.__globals__.os.popen('sleep {s}').read()}}",)
_BREAKS = "${{<%[%'\"}}%\\."
_COMPLAINTS = re.compile(
    r"jinja2\.exceptions|TemplateSyntaxError|Twig\\?_?Error|Twig\\Error|freemarker\.(core|template)|TemplateException"
    r"|org\.apache\.velocity|org\.thymeleaf|mako\.exceptions|django\.template|tornado\.template\.ParseError"
    r"|SmartyCompilerException|Smarty error|ERB.{0,40}syntax error|Handlebars.{0,40}Parse error|pug_?error|ejs:\d+"
    r"|Beetl.{0,20}Exception|com\.jfinal\.template",
    re.IGNORECASE,
)


class TemplateInjection(PointCheck):
    """A product that a template computed, or an engine that complains of a broken template."""

    name = "template-injection"
    title = Text("服务端模板注入", "server-side template injection")
    weakness = WebClass.SSTI
    severity = Severity.CRITICAL
    cwe = 1336
    clauses = ("8.1.4.4 d",)
    mend = Text(
        "模板固定,输入只作为变量传入;确需用户模板时用无逻辑模板或沙箱。",
        "Keep templates fixed and pass input as variables; where users write templates, use a logic-less or confined one.",
    )

    def probe(self, point: Point, page: Page, trial: Trial) -> Probing:
        """One request for each kind of template."""
        computed = yield from computes(trial, point, _FORMS)
        if computed:
            return Verdict(computed.because, {"payload": computed.payload, "response": computed.excerpt})
        complaint = yield from complains(trial, point, _COMPLAINTS, (_BREAKS,))
        if complaint:
            because = Text(
                f"残缺的模板语法使模板引擎报错“{complaint.words}”,换成字母则没有",
                f"broken template syntax makes the engine complain (“{complaint.words}”), letters do not",
            )
            return Verdict(because, {"payload": complaint.payload, "response": complaint.excerpt}, rule="error")
        for form in _SLEEPS:
            line = yield from obeys(trial, delayed(point, form), page.seconds)
            if line:
                return Verdict(line.because, {"payload": filled(form, 2)}, rule="time")
        return None


TEMPLATE_INJECTION = TemplateInjection()
