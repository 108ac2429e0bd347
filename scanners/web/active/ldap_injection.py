"""LDAP filter injection, by error and by true and false."""

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
    r"InvalidSearchFilterException|javax\.naming\.(NamingException|directory)|Bad search filter|ldap_search\(\)"
    r"|LDAPException|com\.sun\.jndi\.ldap|System\.DirectoryServices|search filter is invalid|ldap\.FILTER_ERROR"
    r"|LDAPInvalidFilterError|invalid filter|Protocol error occurred.{0,40}LDAP|IPWorksASP\.LDAP",
    re.IGNORECASE,
)
_FORMS = ("{v})({a}=*", "{v})({a}=*))(&(objectClass=*")
"""The second ends the filter: servers that are lenient forget the rest, such as the password."""
_ATTRIBUTES = (("objectClass", "objectCslas"), ("objectclass", "ojbectclass"), ("OBJECTCLASS", "OBJCETCLASS"))
"""What every entry has, and names of the same letters that none has."""


class LdapInjection(QueryInjection):
    """Adds conditions to the filter that the value stands in."""

    name = "ldap-injection"
    title = Text("LDAP 注入", "LDAP injection")
    weakness = WebClass.LDAPI
    severity = Severity.HIGH
    cwe = 90
    clauses = ("8.1.4.4 d",)
    mend = Text("按 RFC 4515 转义过滤器中的特殊字符。", "Escape the special characters of filters (RFC 4515).")
    language = "LDAP"
    complaints = _COMPLAINTS
    breaking = ")(&(|("

    def conditions(self, point: Point, trial: Trial) -> Iterator[list[Pair]]:
        """What every entry fulfils, and none does."""
        for form in _FORMS:
            yield [
                (form.format(v=point.value, a=true), form.format(v=point.value, a=false)) for true, false in _ATTRIBUTES
            ]


LDAP_INJECTION = LdapInjection()
