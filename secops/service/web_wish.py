"""What is wished of a scan of web sites, what is told of it on the way, and what comes of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scanners.safety import Safety
from scanners.scope import Scope
from scanners.web.campaign.campaign import Tally
from scanners.web.campaign.forecast import Forecast
from scanners.web.campaign.found import Found
from scanners.web.campaign.ledger import ENOUGH, Entry, Ledger
from scanners.web.proxy import Proxy
from scanners.web.templates.model import Refused


@dataclass(frozen=True, slots=True)
class Job:
    """One template against one URL."""

    template: Path
    url: str


@dataclass(frozen=True, slots=True)
class WebWish:
    """What somebody wants scanned, and how."""

    scope: Scope
    urls: tuple[str, ...] = ()
    jobs: tuple[Job, ...] = ()
    """Instead of URLs: these templates alone, and nothing else."""
    templates: tuple[Path, ...] = ()
    """Beside the shipped ones."""
    shipped: bool = True
    checks: bool = True
    """Crawl, and our own checks on what is found."""
    profile: Safety = Safety.NORMAL
    rate: float | None = None
    """Requests a second to one address from the start on; None: careful, growing to 150."""
    connections: int = 8
    """To one address."""
    gating: bool = True
    proxy: Proxy | None = None
    """By which everything goes."""
    render: bool = False
    """Show pages that scripts make in a browser, too."""
    sessions: tuple[Path, ...] = ()
    """How the first person logs in, and a second one."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """What templates leave to the user to say, as a name and a password to log in with."""
    seed: str = "1"
    enough: float = ENOUGH
    """Share of what applies that must be tested."""
    listens_at: str = "127.0.0.1"
    """Where calls from the sites are heard; empty: nowhere."""
    late_seconds: float = 5.0
    """How long such calls are waited for after the last bait."""
    max_pages: int = 2000
    journal: Path | None = None
    journals: Path | None = None
    """Folder of journals, for those without a name of their own."""
    resume: bool = False
    """Go on where a killed scan of the same was."""
    since: str = ""
    """An earlier scan, by the name of its journal or its id: what has not changed since is left out."""
    audit: Path | None = None
    cache: Path | None = None
    kill_file: Path | None = None
    processes: int = 1
    """That share the sites, at most; with jobs, sessions or a browser it is always one."""


@dataclass(frozen=True, slots=True)
class WebState:
    """Where a scan is, for whoever watches."""

    phase: str
    """`templates`, `crawl` or `checks`."""
    sent: int
    rate: float
    """Requests a second, of late."""
    found: int
    ended: int
    total: int
    """Of (target, check)."""
    share: float
    """Tested, of what applied so far."""


@dataclass(frozen=True, slots=True)
class WebScanned:
    """A scan that has ended."""

    id: str
    ledger: Ledger
    tally: Tally
    refused: tuple[Refused, ...]
    """Templates that are not run, with their reasons."""
    entries: tuple[Entry, ...]


Watch = Callable[[WebState], None]
OnFound = Callable[[Found], None]


def unwatched(_state: WebState) -> None:
    """Nobody watches."""


def untold(_found: Found) -> None:
    """Nobody wants to know before the end."""


@dataclass(frozen=True, slots=True)
class WebPlan:
    """What a scan would do."""

    sites: tuple[tuple[str, Forecast], ...]
    excluded: int
    """Templates that the profile leaves out by their tags."""
    refused: tuple[Refused, ...]
    checks: int = 0
    """Of our own, on all that a crawl finds."""
