"""One thing that was found, as a line of output and as a weakness for the store."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from scanners.web.points import Point
from scanners.web.probing.weakness import Verdict, WebCheck, WebClass
from scanners.web.templates.model import Severity as TemplateSeverity
from scanners.web.templates.model import Template
from scanners.web.templates.running import Match
from secops.model.finding import Severity, Weakness, WeaknessClass
from secops.model.text import Text

TEMPLATE_PREFIX = "template."
"""Before the id of a template in the names of checks: our own checks have such names too."""
_CLASS_OF_TAG = {
    "sqli": "sqli", "sql-injection": "sqli", "xss": "xss", "rce": "cmdi", "cmdi": "cmdi", "oscmd": "cmdi",
    "injection": "codeinj", "ssti": "ssti", "lfi": "pathtraver", "traversal": "pathtraver", "lfr": "pathtraver",
    "redirect": "redirect", "open-redirect": "redirect", "xxe": "xxe", "xpath": "xpathi", "ldap": "ldapi",
    "ssrf": "ssrf", "oast": "ssrf", "crlf": "crlf", "deserialization": "deserialization", "fileupload": "upload",
    "file-upload": "upload", "cors": "cors", "csrf": "csrf", "auth-bypass": "auth", "default-login": "auth",
    "unauth": "auth", "idor": "idor", "headers": "headers", "cache": "cache",
}  # fmt: skip
_CLASS_OF_CWE = {
    "cwe-89": "sqli", "cwe-79": "xss", "cwe-78": "cmdi", "cwe-77": "cmdi", "cwe-94": "codeinj", "cwe-95": "codeinj",
    "cwe-22": "pathtraver", "cwe-98": "pathtraver", "cwe-601": "redirect", "cwe-611": "xxe", "cwe-643": "xpathi",
    "cwe-90": "ldapi", "cwe-1336": "ssti", "cwe-918": "ssrf", "cwe-93": "crlf", "cwe-113": "crlf",
    "cwe-502": "deserialization", "cwe-434": "upload", "cwe-352": "csrf", "cwe-287": "auth", "cwe-306": "auth",
    "cwe-798": "auth", "cwe-614": "securecookie", "cwe-1004": "securecookie", "cwe-639": "idor", "cwe-942": "cors",
}  # fmt: skip
_CLAUSES = {
    "headers": ("8.1.4.4 c",), "exposure": ("8.1.4.2 a",), "auth": ("8.1.4.1 a",), "idor": ("8.1.4.2 d",),
    "securecookie": ("8.1.4.8 a",), "upload": ("8.1.4.5 a",), "deserialization": ("8.1.4.4 d",),
}  # fmt: skip
_INPUT_CLAUSES = ("8.1.4.4 d",)
"""数据有效性检验: what comes in through an interface must be checked."""
_EXCERPT = 200
_NOTHING = Text("", "")


@dataclass(frozen=True, slots=True)
class Found:
    """One line."""

    rule: str
    weakness: str
    """Its class, as `sqli`."""
    severity: Severity
    url: str
    template_id: str = ""
    matcher: str = ""
    parameter: str = ""
    where: str = ""
    """query, form, json, header, cookie or path."""
    evidence: dict[str, str] = field(default_factory=dict)
    title: Text = _NOTHING
    reason: Text = _NOTHING
    mend: Text = _NOTHING
    clauses: tuple[str, ...] = ()

    def line(self) -> dict[str, Any]:
        """For output."""
        from_template = {"template_id": self.template_id} if self.template_id else {}
        return {
            "rule": self.rule,
            **from_template,
            "matcher": self.matcher,
            "class": self.weakness,
            "severity": self.severity.value,
            "url": self.url,
            "parameter": self.parameter,
            "in": self.where,
            "evidence": self.evidence,
        }

    def as_weakness(self, check: str) -> Weakness:
        """For the store."""
        rule = check if self.template_id else self.rule
        path = urlsplit(self.url).path or "/"
        locator = tuple(part for part in (path, self.where, self.parameter, self.matcher) if part)
        return Weakness(
            WeaknessClass.WEB, rule, locator, self.severity, self.title, self.reason, self.mend, self.evidence,
            self.clauses,
        )  # fmt: skip


def template_check(identity: str) -> str:
    """The name of the check that a template is."""
    return TEMPLATE_PREFIX + identity


def of_match(match: Match) -> Iterator[Found]:
    """The lines of a match: one for each matcher that has a name, else one."""
    template, page = match.template, match.page
    info = template.info
    weakness = class_of(template)
    severity = Severity(info.severity) if info.severity is not TemplateSeverity.UNKNOWN else Severity.INFO
    evidence = _evidence(match)
    for name in match.names or ("",):
        what = f"{info.name}({name})" if name else info.name
        yield Found(
            rule=template.identity,
            template_id=template.identity,
            matcher=name,
            weakness=weakness,
            severity=severity,
            url=page.url,
            evidence=evidence,
            title=Text(what, what),
            reason=Text(
                f"模板 {template.identity} 与 {page.url[:200]} 的应答(HTTP {page.status})匹配。",
                f"Template {template.identity} matches what {page.url[:200]} answers (HTTP {page.status}).",
            ),
            mend=_mend(template),
            clauses=_CLAUSES.get(weakness, _INPUT_CLAUSES),
        )


def of_verdict(check: WebCheck, verdict: Verdict, url: str, point: Point | None = None) -> Found:
    """The line of what a check of ours found."""
    return Found(
        rule=check.rule_of(verdict),
        matcher=verdict.place,
        weakness=check.weakness.value,
        severity=verdict.severity or check.severity,
        url=url,
        parameter=point.parameter if point else "",
        where=point.where.reported if point else "",
        evidence={**verdict.evidence, "because": verdict.because.en},
        title=check.title,
        reason=verdict.because,
        mend=check.mend,
        clauses=check.clauses,
    )


def class_of(template: Template) -> str:
    """The class of weakness that a template is about."""
    for cwe in template.info.classification.get("cwe-id", "").lower().split(","):
        if cwe.strip() in _CLASS_OF_CWE:
            return _CLASS_OF_CWE[cwe.strip()]
    return next((_CLASS_OF_TAG[tag] for tag in template.info.tags if tag in _CLASS_OF_TAG), WebClass.EXPOSURE.value)


def _evidence(match: Match) -> dict[str, str]:
    response = match.page.hop.response
    found = {"request": f"{match.page.hop.request.method} {match.page.url}"[:500], "status": str(match.page.status)}
    if match.extracted:
        found["extracted"] = ", ".join(match.extracted)[:500]
    if match.payloads:
        found["payloads"] = ", ".join(f"{name}={value}" for name, value in match.payloads.items())[:500]
    if match.interaction is not None:
        found["called back"] = f"{match.interaction.protocol} from {match.interaction.peer}"
    if response.body:
        found["body"] = " ".join(response.body[:_EXCERPT].decode("utf-8", "replace").split())
    return found


def _mend(template: Template) -> Text:
    said = template.info.remediation.strip()
    if said:
        return Text(said, said)
    return Text(
        "按厂商公告升级或修补,并限制该路径的访问。",
        "Upgrade or patch as the vendor says, and restrict access to the path.",
    )
