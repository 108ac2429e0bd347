"""`secops scan web`: templates and our own checks against web sites, with a ledger of what was tested."""

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import orjson
import typer
from rich.console import Group
from rich.live import Live
from rich.spinner import Spinner

from scanners.safety import Safety
from scanners.web.campaign.found import Found
from scanners.web.proxy import proxy_of
from secops.cli.options import AsJson, ProxyUrl
from secops.cli.tables import console, plain, print_json
from secops.cli.web_scan_views import plan_as_json, show_plan, show_scanned
from secops.execution.secrets import Secrets
from secops.model.city import Asset
from secops.model.text import Text
from secops.service.authorising import authorised_scope
from secops.service.home import FILE, Home, open_home
from secops.service.web_jobs import read_jobs
from secops.service.web_recording import assets_by_site, record
from secops.service.web_scanning import plan_web, scan_web
from secops.service.web_wish import WebScanned, WebState, WebWish, untold, unwatched
from secops.store.event import Recorded
from secops.support.clock import now
from secops.support.errors import BadInput
from secops.support.language import say
from secops.support.system_words import why

HELP = say(
    zh="扫描网站:模板(nuclei 格式)、爬取、主动与被动检查。每个(目标,检查)都有结论,测得太少即为未完成。"
    "退出码:0 无发现,1 有发现,2 输入有误,3 未完成。",
    en="Scan web sites: templates (nuclei's format), crawl, active and passive checks. Every (target, check) ends; too "
    "little tested is incomplete. Exit codes: 0 nothing found, 1 something found, 2 bad input, 3 incomplete.",
)
_NAME = re.compile(r"[A-Za-z_][\w-]*")
Urls = Annotated[list[str] | None, typer.Argument(metavar="URL...", help=say(zh="目标网址。", en="The targets."))]
Targets = Annotated[
    Path | None, typer.Option(metavar="FILE", help=say(zh="目标文件,每行一个网址。", en="File of targets, one a line."))
]
Templates = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="DIR",
        help=say(
            zh="模板目录、文件或归档,另加自带模板。",
            en="Directory, file or archive of templates, beside the shipped ones.",
        ),
    ),
]
Jobs = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help=say(
            zh='每行一个 {"template": 路径, "url": 网址}:只对各自目标执行各自模板。',
            en='One {"template": path, "url": address} a line: each template against its own target, nothing else.',
        ),
    ),
]
Profile = Annotated[
    Safety,
    typer.Option(
        help=say(
            zh="safe 只发 GET、HEAD、OPTIONS;normal 也提交;intrusive 可写入、上传、试口令。",
            en="safe: GET, HEAD, OPTIONS only; normal submits too; intrusive may write, upload, try passwords.",
        )
    ),
]
Rate = Annotated[
    float | None,
    typer.Option(
        min=0.1,
        help=say(
            zh="每个地址每秒最多请求数,从一开始就用;缺省为由慢到 150。",
            en="Requests a second to one address, from the start on; by default slow at first, up to 150.",
        ),
    ),
]
Connections = Annotated[
    int, typer.Option(min=1, max=256, help=say(zh="每个地址的连接数。", en="Connections to one address."))
]
SessionFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--session",
        metavar="FILE",
        help=say(
            zh="会话文件:如何登录;再给一个,即以第二人检查越权。",
            en="Session file: how to log in; a second one is another person, to tell whose objects are whose.",
        ),
    ),
]
Render = Annotated[
    bool,
    typer.Option(
        "--render",
        help=say(
            zh="爬取时用 Chromium 渲染由脚本生成的页面(需要 Playwright)。",
            en="When crawling, show pages that scripts make in Chromium (needs Playwright).",
        ),
    ),
]
Variables = Annotated[
    list[str] | None,
    typer.Option(
        "--var",
        metavar="NAME=VALUE",
        help=say(
            zh="模板变量的值,如 username=…;值可为 ${env:X}、${file:x} 引用。可重复。",
            en="Value of a variable of templates, as username=…; it may be a reference: ${env:X}, ${file:x}. Repeatable.",
        ),
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.jsonl",
        help=say(
            zh="发现写入该文件,每行一个 JSON;缺省写入存储。",
            en="Write findings here, one JSON a line, not to the store.",
        ),
    ),
]
Plan = Annotated[
    bool,
    typer.Option(
        "--plan", help=say(zh="只显示将发送什么、为什么、节省多少。", en="Only tell what would be sent, and why.")
    ),
]
NoGating = Annotated[
    bool,
    typer.Option(
        "--no-gating",
        help=say(zh="也测试没有迹象表明存在的产品。", en="Test templates of products that nothing tells of, too."),
    ),
]
NoChecks = Annotated[
    bool,
    typer.Option(
        "--no-checks",
        help=say(zh="只执行模板,不爬取、不做自带检查。", en="Templates only: no crawl, no checks of ours."),
    ),
]
NoShipped = Annotated[
    bool, typer.Option("--no-shipped", help=say(zh="不用自带模板。", en="Without the shipped templates."))
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume", help=say(zh="接着做被中断的同一扫描。", en="Go on with the same scan, which was cut off.")
    ),
]
Since = Annotated[
    str,
    typer.Option(
        metavar="SCAN",
        help=say(
            zh="只做自该扫描以来新的或改过的模板和检查,以及有变化的站点和页面。",
            en="Only templates and checks that are new or changed since that scan, and targets and pages that look different.",
        ),
    ),
]
JournalFile = Annotated[
    Path | None,
    typer.Option(
        "--journal",
        metavar="FILE",
        help=say(zh="日志文件;缺省在工作目录中。", en="Journal; by default in the home."),
    ),
]
ListenAt = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS",
        help=say(
            zh="带外监听地址,目标须能访问;空则不监听。",
            en="Where calls from the targets are heard; they must be able to reach it. Empty: nowhere.",
        ),
    ),
]
Seed = Annotated[str, typer.Option(help=say(zh="随机数种子。", en="Seed of everything random."))]
Enough = Annotated[
    float,
    typer.Option(
        min=0.0, max=1.0, help=say(zh="适用项中须测试的比例。", en="Share of what applies that must be tested.")
    ),
]
MaxPages = Annotated[int, typer.Option(min=1, help=say(zh="每站最多爬取请求数。", en="Requests of a crawl at most."))]
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


def web(
    urls: Urls = None,
    targets: Targets = None,
    templates: Templates = None,
    jobs: Jobs = None,
    profile: Profile = Safety.NORMAL,
    rate: Rate = None,
    connections: Connections = 8,
    session: SessionFiles = None,
    proxy: ProxyUrl = "",
    render: Render = False,
    var: Variables = None,
    output: Output = None,
    plan: Plan = False,
    no_gating: NoGating = False,
    no_checks: NoChecks = False,
    no_shipped: NoShipped = False,
    resume: Resume = False,
    since: Since = "",
    journal: JournalFile = None,
    listen_at: ListenAt = "127.0.0.1",
    seed: Seed = "1",
    enough: Enough = 0.95,
    max_pages: MaxPages = 2000,
    scope: ScopeOption = None,
    approved_by: ApprovedBy = "",
    as_json: AsJson = False,
) -> None:
    """Scan, record or write, tell."""
    with ExitStack() as stack:
        home = _home(stack)
        named = (*(urls or ()), *_targets(targets))
        chosen = read_jobs(jobs) if jobs else ()
        if bool(named) == bool(chosen):
            raise BadInput(Text("须给出目标网址,或用 --jobs 给出任务", "name targets, or jobs with --jobs; not both"))
        wish = WebWish(
            scope=authorised_scope(home, tuple(scope or ()), approved_by),
            urls=named,
            jobs=chosen,
            templates=tuple(templates or ()),
            shipped=not no_shipped,
            checks=not no_checks,
            profile=profile,
            rate=rate,
            connections=connections,
            gating=not no_gating,
            proxy=proxy_of(Secrets(Path()).resolve(proxy)) if proxy else None,
            render=render,
            sessions=tuple(session or ()),
            variables=_variables(var or ()),
            seed=seed,
            enough=enough,
            listens_at=listen_at,
            max_pages=max_pages,
            journal=journal,
            journals=home.state / "web-scans" if home else None,
            resume=resume,
            since=since,
            audit=home.state / "web-audit.jsonl" if home else None,
            cache=home.state / "templates" if home else _user_cache(),
            kill_file=home.state / "stop-scans" if home else None,
            processes=len(os.sched_getaffinity(0)),
        )
        if plan:
            planned = plan_web(wish)
            print_json(plan_as_json(planned)) if as_json else show_plan(planned)
            return
        sys.exit(_scan(home, wish, output, as_json))


def _scan(home: Home | None, wish: WebWish, output: Path | None, as_json: bool) -> int:
    """The exit code."""
    assets = _assets(home, wish) if output is None else {}
    file = _Lines(_opened(output)) if output else None
    started = now()
    with _live(quiet=as_json) as watch:
        scanned = scan_web(wish, watch, file.tell if file else untold)
    recorded = Recorded()
    lines = [found.line() for _, found in scanned.ledger.found]
    if file is not None:
        file.settle(lines)
    elif home is not None and assets:
        settle = home.reviewer()
        recorded = record(home.store, home.inventory, scanned, assets, started)
        settle()
        home.reviewer()()
    loose = [line for line, (entry, _) in zip(lines, scanned.ledger.found, strict=True) if entry.site not in assets]
    if as_json:
        print_json(_as_json(scanned, recorded, lines))
    else:
        if file is None:
            sys.stdout.buffer.write(b"".join(orjson.dumps(line) + b"\n" for line in loose))
            sys.stdout.buffer.flush()
        show_scanned(scanned, recorded if assets else None)
    if not scanned.ledger.complete:
        return 3
    return 1 if scanned.ledger.found else 0


class _Lines:
    """The output: a line as soon as something is found, so that a scan that is killed leaves them; in the end what holds."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._told = set[bytes]()

    def tell(self, found: Found) -> None:
        """One line, once; a pipe, from which nothing can be taken back, gets them in the end."""
        line = orjson.dumps(found.line()) + b"\n"
        if line not in self._told and self._file.seekable():
            self._told.add(line)
            self._file.write(line)
            self._file.flush()

    def settle(self, lines: Iterable[dict[str, Any]]) -> None:
        """Everything, in the order of the ledger."""
        with self._file as file:
            if self._told:
                file.seek(0)
                file.truncate()
            file.write(b"".join(orjson.dumps(line) + b"\n" for line in lines))


def _assets(home: Home | None, wish: WebWish) -> dict[str, Asset]:
    """Where findings of each site go; sites that no asset holds are told on the output instead."""
    sites = dict.fromkeys((*wish.urls, *(job.url for job in wish.jobs)))
    return assets_by_site(home.inventory, sites) if home is not None else {}


def _home(stack: ExitStack) -> Home | None:
    """The home, when there is one; one that was named must be there."""
    named = os.environ.get("JINDUN_HOME")
    return stack.enter_context(open_home()) if named or Path(FILE).is_file() else None


def _user_cache() -> Path:
    """Where read templates are kept when there is no home."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jindun" / "templates"


def _variables(written: Iterable[str]) -> dict[str, str]:
    """Raises BadInput for what is no NAME=VALUE, and for secrets that cannot be had."""
    resolve = Secrets(Path()).resolve
    given = {}
    for one in written:
        name, sign, value = one.partition("=")
        if not sign or not _NAME.fullmatch(name):
            # What was typed may hold a password: it is not repeated.
            raise BadInput(Text("--var 须写为 名称=值", "--var is written NAME=VALUE"))
        given[name] = resolve(value)
    return given


def _targets(path: Path | None) -> list[str]:
    if path is None:
        return []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise BadInput(Text(f"{path} 不是 UTF-8 文本", f"{path} is no UTF-8 text")) from None
    except OSError as error:
        said = why(error)
        raise BadInput(Text(f"无法读取 {path}:{said.zh}", f"{path} cannot be read: {said.en}")) from None
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _opened(path: Path) -> BinaryIO:
    """Opened before anything is sent: a scan of hours must not end without a place for what it found."""
    try:
        return path.open("wb")
    except OSError as error:
        said = why(error)
        raise BadInput(Text(f"无法写入 {path}:{said.zh}", f"{path} cannot be written: {said.en}")) from None


def _as_json(scanned: WebScanned, recorded: Recorded, lines: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "scan": scanned.id,
        "complete": scanned.ledger.complete,
        "requests": scanned.tally.sent + scanned.tally.others,
        "targets": [
            {"url": one.site, "share": round(one.share, 4), **{outcome.value: n for outcome, n in one.counts.items()}}
            for one in scanned.ledger.coverage()
        ],
        "untested": [
            {"outcome": outcome, "reason": reason, "count": count}
            for (outcome, reason), count in scanned.ledger.reasons.most_common()
        ],
        "refused_templates": len(scanned.refused),
        "recorded": recorded,
        "findings": lines,
    }


@contextmanager
def _live(quiet: bool) -> Iterator[Callable[[WebState], None]]:
    """What goes on, while it goes on, for a terminal."""
    screen = console(stderr=True)
    if quiet or not screen.is_terminal:
        yield unwatched
        return
    spinner = Spinner("dots")
    with Live(spinner, console=screen, transient=True, refresh_per_second=4) as live:

        def watch(state: WebState) -> None:
            phases = {"templates": ("模板", "templates"), "crawl": ("爬取", "crawl"), "checks": ("检查", "checks")}
            zh, en = phases[state.phase]
            spinner.update(text=plain(say(zh=zh, en=en), "bold"))
            zh = f"请求 {state.sent} · 每秒 {state.rate:.0f} · 发现 {state.found} · 结论 {state.ended}/{state.total}"
            en = f"{state.sent} requests · {state.rate:.0f}/s · {state.found} found · {state.ended}/{state.total} ended"
            covered = say(zh=f"已测 {state.share:.1%}", en=f"{state.share:.1%} tested")
            live.update(Group(spinner, plain(f"  {say(zh=zh, en=en)} · {covered}", "dim")))

        yield watch
