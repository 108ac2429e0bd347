"""`secops crawl`: what web sites can be asked, one JSON object a line."""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Group
from rich.live import Live
from rich.spinner import Spinner

from scanners.safety import Safety
from scanners.web.crawl.crawl import CrawlState
from scanners.web.crawl.plan import WHY, Crawled, CrawlPlan
from scanners.web.proxy import proxy_of
from secops.cli.options import ProxyUrl
from secops.cli.tables import console, facts, plain
from secops.execution.secrets import Secrets
from secops.model.text import Text
from secops.service.authorising import authorised_scope
from secops.service.crawling import CrawlWish, crawl_sites, line_of
from secops.service.home import FILE, Home, open_home
from secops.support.errors import BadInput
from secops.support.language import say, tell
from secops.support.system_words import why

verb = typer.Typer(
    name="crawl",
    help=say(
        zh="爬取网站:页面、表单、脚本中的调用、接口描述,每行一个 JSON(url、method、parameters、found_on)。"
        "退出码:3 起点没有应答、登录态丢失或被停止。",
        en="Crawl web sites: pages, forms, calls of scripts, described interfaces; one JSON object a line (url, method, "
        "parameters, found_on). Exit code 3: a start did not answer, the session was lost, or it was stopped.",
    ),
    invoke_without_command=True,
    context_settings={"allow_interspersed_args": True},
)

Urls = Annotated[list[str], typer.Argument(metavar="URL...", help=say(zh="起点网址。", en="Where to start."))]
Output = Annotated[
    Path | None,
    typer.Option(metavar="FILE.jsonl", help=say(zh="写入该文件,而不是标准输出。", en="Write here, not to the output.")),
]
Render = Annotated[
    bool,
    typer.Option(
        "--render",
        help=say(
            zh="脚本生成内容的页面用 Chromium 渲染(需要 Playwright)。",
            en="Show pages that scripts fill in Chromium (needs Playwright).",
        ),
    ),
]
Session = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help=say(zh="会话文件:如何登录。", en="Session file: how to log in.")),
]
MaxPages = Annotated[int, typer.Option(min=1, help=say(zh="最多请求数。", en="Requests at most."))]
MaxSeconds = Annotated[float, typer.Option(min=1, help=say(zh="最长秒数。", en="Seconds at most."))]
Profile = Annotated[
    Safety,
    typer.Option(
        help=say(
            zh="safe 只发 GET 等只读请求;normal 也提交表单(含密码、文件的除外)。",
            en="safe only reads; normal submits forms too, but none with passwords or files.",
        )
    ),
]
Rate = Annotated[float, typer.Option(min=0.1, help=say(zh="每个地址每秒最多请求数。", en="Requests a second at most."))]
ScopeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--scope",
        metavar="NETWORK",
        help=say(zh="没有工作目录时:授权网段。", en="Without a home: a network that may be scanned."),
    ),
]
ApprovedBy = Annotated[
    str, typer.Option(metavar="NAME", help=say(zh="没有工作目录时:谁批准的。", en="Without a home: who approved it."))
]
Journal = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help=say(zh="日志文件;中断后用同一文件可接着爬。", en="Journal; named again after a crash, the crawl goes on."),
    ),
]


@verb.callback()
def crawl(
    urls: Urls,
    output: Output = None,
    render: Render = False,
    session: Session = None,
    max_pages: MaxPages = 5000,
    max_seconds: MaxSeconds = 3600.0,
    profile: Profile = Safety.SAFE,
    rate: Rate = 150.0,
    proxy: ProxyUrl = "",
    scope: ScopeOption = None,
    approved_by: ApprovedBy = "",
    journal: Journal = None,
) -> None:
    """Crawl, write the lines, tell what was left out."""
    home = _home()
    plan = CrawlPlan(tuple(urls), max_pages, max_seconds=max_seconds, submits=profile is not Safety.SAFE)
    wish = CrawlWish(
        plan,
        authorised_scope(home, tuple(scope or ()), approved_by),
        profile,
        rate,
        proxy_of(Secrets(Path()).resolve(proxy)) if proxy else None,
        render,
        session,
        journal,
        home.state / "crawl-audit.jsonl" if home else None,
    )
    with _live() as watch:
        crawled = crawl_sites(wish, watch)
    _write(crawled, output)
    _tell(crawled)
    sys.exit(3 if crawled.failed else 0)


def _home() -> Home | None:
    """The home, when there is one; one that was named must be there."""
    named = os.environ.get("JINDUN_HOME")
    return open_home() if named or Path(FILE).is_file() else None


def _write(crawled: Crawled, output: Path | None) -> None:
    lines = b"".join(orjson.dumps(line_of(entry)) + b"\n" for entry in crawled.entries)
    if output is None:
        sys.stdout.buffer.write(lines)
        sys.stdout.buffer.flush()
        return
    try:
        output.write_bytes(lines)
    except OSError as error:
        said = why(error)
        raise BadInput(Text(f"无法写入 {output}:{said.zh}", f"{output} cannot be written: {said.en}")) from None


def _tell(crawled: Crawled) -> None:
    screen = console(stderr=True)
    kinds = Counter(entry.lead.source.value for entry in crawled.entries)
    found = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
    zh = f"发现 {len(crawled.entries)} 个可请求的位置({found});应答 {crawled.answered} 次"
    en = f"{len(crawled.entries)} requests found ({found}); {crawled.answered} answers"
    screen.print(plain(say(zh=zh, en=en)))
    rows = [
        (tell(WHY[reason]), f"{count}  {say(zh='例如', en='e.g.')} {crawled.examples[reason][0]}")
        for reason, count in sorted(crawled.left_out.items(), key=lambda pair: -pair[1])
    ]
    if rows:
        screen.print(facts(say(zh="未跟进", en="left out"), rows))
    if crawled.failures:
        listed = ", ".join(f"{reason} {count}" for reason, count in sorted(crawled.failures.items()))
        screen.print(plain(say(zh=f"没有应答的原因:{listed}", en=f"why there was no answer: {listed}"), "yellow"))


@contextmanager
def _live() -> Iterator[Callable[[CrawlState], None]]:
    """What goes on, while it goes on, for a terminal."""
    screen = console(stderr=True)
    if not screen.is_terminal:
        yield _unwatched
        return
    spinner = Spinner("dots")
    with Live(spinner, console=screen, transient=True, refresh_per_second=8) as live:

        def watch(state: CrawlState) -> None:
            zh = f"已发 {state.sent} · 等待 {state.waiting} · 发现 {state.found}"
            en = f"sent {state.sent} · waiting {state.waiting} · found {state.found}"
            spinner.update(text=plain(say(zh=zh, en=en), "bold"))
            live.update(Group(spinner, plain(f"  {state.last[:120]}", "dim")))

        yield watch


def _unwatched(_state: CrawlState) -> None:
    """Nobody watches."""
