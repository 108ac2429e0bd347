"""What a site looks like from outside, as one mark that stays the same until the site is changed."""

import hashlib
import re

from scanners.web.client import Client
from scanners.web.message import Request
from scanners.web.redirects import Follow, Redirects
from scanners.web.templates.site import Site

_TOLD = ("server", "x-powered-by", "x-generator", "x-aspnet-version", "via", "www-authenticate")
_TITLE = re.compile(rb"<title[^>]*>(.{0,200}?)</title", re.IGNORECASE | re.DOTALL)
_PARTS = re.compile(rb"(?:src|href)\s*=\s*[\"']([^\"'#]{1,200})|name=[\"']generator[\"'][^>]{0,200}", re.IGNORECASE)
_LOOKED_AT_BYTES = 256 * 1024


async def fingerprint(client: Client, site: Site) -> str:
    """The mark of the start page: what the server says of itself, title, scripts and styles; empty without an answer."""
    answer = await client.exchange(
        site.target, Request("GET", site.path or "/"), redirects=Redirects(Follow.SAME_HOST, 5), urgent=True
    )
    response = answer.response
    if response is None or answer.failure is not None:
        return ""
    body = response.body[:_LOOKED_AT_BYTES]
    title = _TITLE.search(body)
    cookies = sorted(value.partition("=")[0] for name, value in response.headers if name.lower() == "set-cookie")
    parts = sorted({found.group().split(b"?")[0] for found in _PARTS.finditer(body)})
    told = [str(response.status), *(response.header(name) for name in _TOLD), *cookies]
    digest = hashlib.blake2b("\0".join(told).encode("utf-8", "replace"), digest_size=12)
    for part in [title[1].strip() if title else b"", *parts]:
        digest.update(b"\0" + part)
    return digest.hexdigest()
