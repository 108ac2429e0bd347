"""The forms of a page, as far as checks of logins and tokens need them."""

import re
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from selectolax.lexbor import LexborNode

from scanners.pages.parsing import parsed

_TOKEN_NAME = re.compile(r"csrf|xsrf|token|nonce|authenticity|requestverification|formhash|viewstate|__hash__", re.I)
_RANDOM = re.compile(r"[A-Za-z0-9+/_=.-]{16,}")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a form."""

    name: str
    kind: str
    value: str

    @property
    def is_token(self) -> bool:
        """A hidden value that nobody outside can know."""
        return self.kind == "hidden" and bool(_TOKEN_NAME.search(self.name) or _RANDOM.fullmatch(self.value))


@dataclass(frozen=True, slots=True)
class Form:
    """One form."""

    method: str
    path: str
    """Where it is sent, with its query."""
    fields: tuple[Field, ...]

    @property
    def token(self) -> Field | None:
        """The field that proves that the form came from the site."""
        return next((field for field in self.fields if field.is_token), None)

    @property
    def logs_in(self) -> bool:
        """It asks for one password."""
        return sum(field.kind == "password" for field in self.fields) == 1


def forms_in(text: str, path: str) -> list[Form]:
    """Every form; `path` is that of the page."""
    found = []
    for node in parsed(text).css("form"):
        where = urlsplit(urljoin(f"http://h{path}", node.attributes.get("action") or path))
        target = where.path + (f"?{where.query}" if where.query else "")
        method = (node.attributes.get("method") or "GET").upper()
        fields = tuple(_field(field) for field in node.css("input, select, textarea") if field.attributes.get("name"))
        found.append(Form(method, target, fields))
    return found


def _field(node: LexborNode) -> Field:
    kind = (node.attributes.get("type") or "text").lower() if node.tag == "input" else (node.tag or "")
    return Field(node.attributes.get("name") or "", kind, node.attributes.get("value") or "")
