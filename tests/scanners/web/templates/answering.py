"""Templates run against answers that a test writes down."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from scanners.web.message import Answer, Hop, Request, Response, Target, Timings
from scanners.web.templates.model import Refused, Template
from scanners.web.templates.out_of_band import Interaction, Listen
from scanners.web.templates.page import Page, pages_of
from scanners.web.templates.plan import Outcome, Send
from scanners.web.templates.reading import read_template
from scanners.web.templates.running import run
from scanners.web.templates.site import Site, site_of
from scanners.web.templates.sources import Unreadable

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
SITE = site_of("http://site.test:8080")
Headers = Iterable[tuple[str, str]]


def response(
    status: int = 200, body: bytes = b"", headers: Headers = (), first_byte: float = 0.01, reason: str = "OK"
) -> Response:
    """An answer of a server."""
    timings = Timings(0, 0, 0, first_byte, first_byte)
    return Response(status, reason, "1.1", tuple(headers), b"", body, timings, None, "192.0.2.7", False, False)


def pages(exchange: Send, *responses: Response) -> tuple[Page, ...]:
    """The pages of an exchange; several responses are a chain of redirects."""
    return pages_of(Answer(tuple(Hop(exchange.target, exchange.request, one) for one in responses)))


def page(status: int = 200, body: bytes = b"", headers: Headers = ()) -> Page:
    """One page of nowhere in particular."""
    exchange = Send(Target("http", "site.test", 8080), Request("GET", "/"))
    return pages(exchange, response(status, body, headers))[0]


class Listener:
    """Names addresses as a listener would."""

    def address(self, token: str) -> str:
        return f"{token}.oob.test"


class Played:
    """A run that is over: what was sent, and what came of it."""

    def __init__(self, outcome: Outcome, sent: list[Send], listened: list[Listen]) -> None:
        self.outcome, self.sent, self.listened = outcome, sent, listened

    @property
    def lines(self) -> list[str]:
        """The request lines without version."""
        return [f"{one.request.method} {one.request.target}" for one in self.sent]


Answering = Callable[[Send], Sequence[Response]]


def play(
    template: Template,
    answer: Answering,
    site: Site = SITE,
    *,
    seed: str = "seed",
    listener: Listener | None = None,
    heard: Callable[[Listen], Sequence[Interaction]] = lambda listen: (),
    given: Mapping[str, str] | None = None,
) -> Played:
    """Run a template to its end."""
    running = run(template, site, seed, NOW, listener, given)
    sent: list[Send] = []
    listened: list[Listen] = []
    try:
        wanted = next(running)
        while True:
            if isinstance(wanted, Listen):
                listened.append(wanted)
                wanted = running.send(tuple(heard(wanted)))
            else:
                sent.append(wanted)
                wanted = running.send(pages(wanted, *answer(wanted)))
    except StopIteration as end:
        return Played(end.value, sent, listened)


def template_of(text: str, path: str = "made.yaml", files: Mapping[str, bytes] | None = None) -> Template:
    """A template that a test writes; it must be one that can be run."""
    found = read(text, path, files)
    assert isinstance(found, Template), found
    return found


def read(text: str, path: str = "made.yaml", files: Mapping[str, bytes] | None = None) -> Template | Refused | None:
    """What the reader makes of a text."""

    def payload_file(name: str) -> bytes:
        if files is None or name not in files:
            raise Unreadable("payload-file", name)
        return files[name]

    return read_template(text.encode(), path, payload_file)


def block_template(block: str, head: str = "") -> Template:
    """A template with one block, written as YAML indented by four spaces."""
    return template_of(f"id: made\ninfo:\n  name: Made\n  severity: low\n{head}http:\n  -\n{block}")


def corpus() -> Path | None:
    """A public set of templates that lies in a folder `corpora` beside the repository, when there is one."""
    for folder in Path(__file__).resolve().parents:
        found = sorted(folder.glob("*/corpora/*templates*.tar*"))
        if found:
            return found[0]
    return None
