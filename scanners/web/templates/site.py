"""The scanned URL and the variables that templates know it by."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from posixpath import basename, dirname
from urllib.parse import urlsplit

from scanners.web.message import DEFAULT_PORTS, Target
from scanners.web.templates.expressions.values import Value
from secops.model.text import Text
from secops.support.errors import BadInput

_SECOND_LEVELS = frozenset({"com", "net", "org", "gov", "edu", "ac", "mil", "co", "go", "or", "ne", "gob", "sch"})
_URL = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/?#]*)(?P<rest>.*)", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Site:
    """Where a template is run: an origin, and a path below which everything lies."""

    target: Target
    path: str = ""
    """Empty, or begins with `/`."""

    def __str__(self) -> str:
        return f"{self.target}{self.path}"


def site_of(url: str) -> Site:
    """The site of a URL; what stands behind `?` and `#` is left away. Raises BadInput."""
    target, rest = split_url(url)
    if target is None:
        raise BadInput(Text(f"不是 http(s) URL:{url}", f"not an http(s) URL: {url}"))
    path = re.split(r"[?#]", rest, maxsplit=1)[0]
    return Site(target, "" if path == "/" else path)


def split_url(url: str) -> tuple[Target | None, str]:
    """The origin of a URL and all that follows it; no origin when it is not an http URL."""
    found = _URL.fullmatch(url.strip())
    if found is None:
        return None, url
    try:
        parts = urlsplit(f"//{found['authority']}")
        host, port = parts.hostname, parts.port
    except ValueError:
        return None, url
    if not host:
        return None, url
    scheme = found["scheme"].lower()
    return Target(scheme, host, port or DEFAULT_PORTS[scheme]), found["rest"]


@lru_cache(maxsize=1024)
def site_variables(site: Site, cut_slash: bool) -> Mapping[str, Value]:
    """`BaseURL`, `Hostname` and the rest; `cut_slash` for texts that write a `/` after them."""
    path = site.path.removesuffix("/") if cut_slash else site.path
    folder, target = dirname(path), site.target
    names = {
        "BaseURL": f"{target}{path}",
        "RootURL": str(target),
        "Hostname": target.authority,
        "Host": target.host,
        "Port": str(target.port),
        "Path": "" if folder == "/" else folder,
        "Query": "",
        "File": basename(path),
        "Scheme": target.scheme,
        "Schema": target.scheme,
        "Input": f"{target}{path}",
        **_domain_variables(target.host),
    }
    return {name: value.encode() for name, value in names.items()}


def _domain_variables(host: str) -> dict[str, str]:
    """`www.example.com.cn` is `example` below `com.cn`, with `www` in front."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        labels = host.rstrip(".").split(".")
    else:
        return {"FQDN": host}
    if len(labels) == 1:
        return {"FQDN": host, "RDN": host, "DN": host, "TLD": "", "SD": ""}
    size = 2 if len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVELS else 1
    ending, name, front = ".".join(labels[-size:]), labels[-size - 1], ".".join(labels[: -size - 1])
    return {"FQDN": host, "RDN": f"{name}.{ending}", "DN": name, "TLD": ending, "SD": front}
