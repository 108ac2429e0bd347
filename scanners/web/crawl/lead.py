"""What pages say can be asked, and what was read of one answer."""

from dataclasses import dataclass, field
from enum import StrEnum

from scanners.web.charset import DEFAULT
from scanners.web.message import Headers, Request, Target
from scanners.web.urls import request_target_of, target_of


class Source(StrEnum):
    """What told of it."""

    SEED = "seed"
    LINK = "link"
    FORM = "form"
    FRAME = "frame"
    REDIRECT = "redirect"
    RESOURCE = "resource"
    """Scripts, styles and pictures that a page is made of."""
    API = "api"
    """A description of an interface."""
    CALL = "call"
    """A script that was read, or seen to send it."""
    SITEMAP = "sitemap"
    ROBOTS = "robots"
    HEADER = "header"
    TEXT = "text"
    """A string in a script, a comment or an answer that looks like an address."""
    PROBE = "probe"
    """A place where many sites have something."""
    MISS = "miss"
    """A random place where nothing can be, to know how the site says so."""

    @property
    def is_guess(self) -> bool:
        """It may well not exist."""
        return self in (Source.TEXT, Source.PROBE, Source.ROBOTS)


@dataclass(frozen=True, slots=True)
class Lead:
    """One request that can be sent, and who told of it."""

    url: str
    """Absolute, ASCII, without fragment."""
    source: Source
    found_on: str = ""
    method: str = "GET"
    headers: Headers = ()
    body: bytes = b""
    charset: str = DEFAULT
    """Of the page that told of it."""
    text: str = ""
    """What a person would read there: the words of a link or button."""
    names: tuple[str, ...] = ()
    """Names of fields and headers used near it, to be tried as headers and cookies."""
    needs_care: bool = False
    """It takes a password or a file: known, but never sent by itself."""

    @property
    def target(self) -> Target:
        """The origin it goes to."""
        return target_of(self.url)

    @property
    def request(self) -> Request:
        """What is sent."""
        return Request(self.method, request_target_of(self.url), self.headers, self.body)


@dataclass(frozen=True, slots=True)
class Reading:
    """What one answer gave."""

    status: int = 0
    """0: there was no answer."""
    kind: str = ""
    """html, script, style, json, xml, text or binary."""
    charset: str = DEFAULT
    shape: str = ""
    """Two pages with one shape can be asked the same things."""
    gist: str = ""
    """A digest of its text, without the address that was asked for and without numbers."""
    leads: tuple[Lead, ...] = ()
    names: tuple[str, ...] = ()
    """Fields, headers and cookies that the page and its scripts use."""
    grows: bool = False
    """Its scripts make more of it: a browser would see more."""
    scripted: bool = False
    """There are scripts in it."""
    unseen: bool = False
    """It should have been shown in the browser, and was not, or not to its end."""
    failure: str = ""
    """Why there is no answer."""


@dataclass(slots=True)
class Harvest:
    """Leads and names while a page is read; the limits keep a hostile page small."""

    page: str
    charset: str = DEFAULT
    most: int = 4000
    leads: dict[Lead, None] = field(default_factory=dict)
    names: dict[str, None] = field(default_factory=dict)

    def add(self, lead: Lead) -> None:
        """Keep it once."""
        if len(self.leads) < self.most:
            self.leads.setdefault(lead)

    def name(self, name: str) -> None:
        """Keep the name of a field, header or cookie, if it is like one."""
        name = name.strip()
        if 0 < len(name) <= 64 and len(self.names) < 200:
            self.names.setdefault(name)
