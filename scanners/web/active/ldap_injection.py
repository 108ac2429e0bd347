"""LDAP filter injection, by error and by true and false."""

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
    r"InvalidSearchFilterException|javax\.naming\.(NamingException|directory)|Bad search filter|ldap_search\(\)"
    r"|LDAPException|com\.sun\.jndi\.ldap|System\.DirectoryServices|search filter is invalid|ldap\.FILTER_ERROR"
    r"|LDAPInvalidFilterError|invalid filter|Protocol error occurred.{0,40}LDAP|IPWorksASP\.LDAP",
    re.IGNORECASE,
)
_FORMS = ("{v})({a}=*", "{v})({a}=*))(&(objectClass=*")
"""The second ends the filter: servers that are lenient forget the rest, such as the password."""
_ATTRIBUTES = (("objectClass", "objectCslas"), ("objectclass", "ojbectclass"), ("OBJECTCLASS", "OBJCETCLASS"))
"""What every entry has, and names of the same letters that none has."""


class LdapInjection(PointCheck):
    """Adds conditions to the filter that the value stands in."""

    name = "ldap-injection"
    title = Text("LDAP 注入", "LDAP injection")
    weakness = WebClass.LDAPI
    severity = Severity.HIGH
    cwe = 90
    clauses = ("8.1.4.4 d",)
    mend = Text("按 RFC 4515 转义过滤器中的特殊字符。", "Escape the special characters of filters (RFC 4515).")

    def fits(self, point: Point) -> bool:
        """Names of files go into no query."""
        return point.part is not Part.FILE_NAME

    def probe(self, point: Point, page: Page, trial: Trial) -> Probing:
        """Three requests where nothing shows."""
        complaint = yield from complains(trial, point, _COMPLAINTS, (f"{point.value})(&(|(",))
        if complaint:
            because = Text(
                f"参数中加入括号后 LDAP 过滤器报错“{complaint.words}”",
                f"with brackets in the field the LDAP filter is refused (“{complaint.words}”)",
            )
            return Verdict(because, {"payload": complaint.payload, "response": complaint.excerpt}, rule="error")
        for form in _FORMS:
            pairs = [
                (form.format(v=point.value, a=true), form.format(v=point.value, a=false)) for true, false in _ATTRIBUTES
            ]
            told = yield from depends(trial, point.inject, pairs)
            if told:
                return _by_truth(pairs, told)
        return None


def _by_truth(pairs: list[Pair], told: list[str]) -> Verdict:
    because = Text(
        f"LDAP 条件为真与为假的 {len(pairs)} 组请求应答稳定不同,例如“{told[0]}”",
        f"{len(pairs)} pairs of true and false LDAP conditions always differ, e.g. in “{told[0]}”",
    )
    return Verdict(because, {"true": pairs[0][0], "false": pairs[0][1]}, rule="boolean")


LDAP_INJECTION = LdapInjection()
