"""Crawls: the client, the session, the journal and the browser put together for one call."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from scanners.audit import AuditLog
from scanners.safety import Safety
from scanners.scope import Guard, Scope
from scanners.web.browser.rendering import open_browser
from scanners.web.client import Client
from scanners.web.crawl.crawl import CrawlState, crawl
from scanners.web.crawl.journal import CrawlJournal
from scanners.web.crawl.plan import Crawled, CrawlPlan, Entry
from scanners.web.pace import Pace
from scanners.web.proxy import Proxy
from scanners.web.sessions.keeper import SessionKeeper
from scanners.web.sessions.session_file import load_session
from scanners.web.urls import resolve
from secops.execution.secrets import Secrets
from secops.model.text import Text
from secops.support.errors import BadInput


@dataclass(frozen=True, slots=True)
class CrawlWish:
    """What somebody wants crawled, and how."""

    plan: CrawlPlan
    scope: Scope
    profile: Safety = Safety.SAFE
    """Above safe, forms are sent."""
    rate: float = 150.0
    """Requests a second to one address, at most."""
    proxy: Proxy | None = None
    """By which everything goes."""
    render: bool = False
    session: Path | None = None
    journal: Path | None = None
    audit: Path | None = None


def crawl_sites(wish: CrawlWish, watch: Callable[[CrawlState], None]) -> Crawled:
    """Crawl. Raises BadInput for what cannot be used: addresses, session and journal files, a missing browser."""
    for seed in wish.plan.seeds:
        if not resolve(seed, seed):
            raise BadInput(Text(f"“{seed}”不是网址", f"“{seed}” is not a web address like https://host/"))
    return asyncio.run(_crawl(wish, watch))


def line_of(entry: Entry) -> dict[str, object]:
    """An entry as one line of output."""
    return {
        "url": entry.lead.url,
        "method": entry.lead.method,
        "parameters": list(dict.fromkeys(name for name, _ in entry.parameters)),
        "found_on": entry.lead.found_on,
        "fields": [{"name": name, "in": place} for name, place in entry.parameters],
        "source": entry.lead.source.value,
        "status": entry.status,
    }


async def _crawl(wish: CrawlWish, watch: Callable[[CrawlState], None]) -> Crawled:
    session = load_session(wish.session) if wish.session else None
    async with AsyncExitStack() as stack:
        journal = stack.enter_context(CrawlJournal(wish.journal, wish.plan)) if wish.journal else None
        audit = stack.enter_context(AuditLog(wish.audit)) if wish.audit else None
        guard = Guard(wish.scope, audit=audit.record) if audit else Guard(wish.scope)
        # Logging in is what the user asked for by the session file; the crawl itself keeps to its profile.
        profile = max(wish.profile, Safety.NORMAL if session else Safety.SAFE, key=list(Safety).index)
        pace = Pace(most=wish.rate, start=min(wish.rate, Pace().start))
        client = await stack.enter_async_context(Client(guard, profile=profile, pace=pace, proxy=wish.proxy))
        browser = None
        if wish.render or (session and session.browser):
            browser = await stack.enter_async_context(open_browser(client))
        keeper = None
        if session and wish.session:
            folder = wish.session.resolve().parent
            secret = Secrets(folder).resolve
            keeper = SessionKeeper(client, session, folder=folder, resolve_secret=secret, browser=browser)
        if keeper and not await keeper.before():
            raise BadInput(keeper.trouble or Text("无法登录", "logging in failed"))
        shows = browser if wish.render else None
        return await crawl(client, wish.plan, journal=journal, keeper=keeper, browser=shows, watch=watch)
