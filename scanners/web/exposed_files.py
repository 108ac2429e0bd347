"""Files that a website should not hand out, and directory listings."""

import asyncio
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from scanners.answer import HttpAnswer
from scanners.check import Baseline, Check
from scanners.endings import Blocked, NotApplicable
from scanners.reach import Reach
from scanners.web.intervention import require_own_answer
from secops.model.city import Asset, AssetKind
from secops.model.finding import Severity, Weakness, WeaknessClass
from secops.model.text import Text

_START_BYTES = 4096
_SHOWN_CHARACTERS = 2048
_AT_ONCE = 4
_ASSIGNED = re.compile(r"([=:]\s*)\S[^\r\n]*")


@dataclass(frozen=True, slots=True)
class Exposure:
    """One kind of thing that should not be handed out, and how its content is told from anything else."""

    rule: str
    paths: tuple[str, ...]
    """`{host}` stands for the host name and `{site}` for its first telling label."""
    content: re.Pattern[str]
    """Found in the start of the body, bytes read as Latin-1."""
    severity: Severity
    title: Text
    mend: Text
    clause: str
    secret: bool = False
    """Assigned values are masked before anything is stored."""


_REMOVE = Text("从网站目录中删除,并在服务器上禁止访问。", "Delete it from the web root and deny it in the server.")
_ARCHIVE = r"\A(PK\x03\x04|\x1f\x8b\x08|Rar!\x1a\x07|7z\xbc\xaf\x27\x1c|BZh\d|\xfd7zXZ\x00)"
_LISTING = r"<title>\s*(Index of /|Directory listing for|Directory Listing For)|\[To Parent Directory\]|<h1>Index of /"
_SOURCE = r"<\?php|<\?xml|<%@|<%\s|<web-app|<configuration>|\Ab0VIM"

EXPOSURES = (
    Exposure(
        "version-control",
        ("/.git/HEAD", "/.svn/wc.db", "/.hg/requires", "/.bzr/branch-format"),
        re.compile(r"\Aref: refs/|\A[0-9a-f]{40}\s*\Z|\ASQLite format 3|\Arevlogv1|\ABazaar"),
        Severity.HIGH,
        Text("版本库可被下载", "the version control folder can be downloaded"),
        _REMOVE,
        "8.1.4.2 a",
    ),
    Exposure(
        "environment-file",
        ("/.env", "/.env.local", "/.env.production", "/.env.bak"),
        re.compile(r"^\s*(export\s+)?[A-Z][A-Z0-9_]{2,}\s*=", re.MULTILINE),
        Severity.CRITICAL,
        Text("环境配置文件可被下载", "the environment file can be downloaded"),
        Text("删除该文件并更换其中的全部口令和密钥。", "Delete the file and change every password and key in it."),
        "8.1.4.8 b",
        secret=True,
    ),
    Exposure(
        "backup-archive",
        tuple(
            f"/{name}.{suffix}"
            for name in ("backup", "www", "wwwroot", "web", "{host}", "{site}")
            for suffix in ("zip", "tar.gz", "rar")
        ),
        re.compile(_ARCHIVE),
        Severity.HIGH,
        Text("网站备份包可被下载", "a backup archive of the site can be downloaded"),
        _REMOVE,
        "8.1.4.8 b",
    ),
    Exposure(
        "database-dump",
        ("/backup.sql", "/dump.sql", "/db.sql", "/database.sql", "/data.sql", "/{site}.sql", "/backup.sql.gz"),
        re.compile(r"(?i)CREATE TABLE|INSERT INTO|-- (MySQL|MariaDB|PostgreSQL) (database )?dump|\A\x1f\x8b\x08"),
        Severity.CRITICAL,
        Text("数据库导出文件可被下载", "a database dump can be downloaded"),
        _REMOVE,
        "8.1.4.8 b",
    ),
    Exposure(
        "source-copy",
        (
            *(
                "/index.php.bak",
                "/index.php~",
                "/.index.php.swp",
                "/config.php.bak",
                "/config.php~",
                "/config.inc.php~",
            ),
            *("/wp-config.php.bak", "/web.config.bak", "/index.jsp.bak", "/WEB-INF/web.xml", "/web.xml.bak"),
        ),
        re.compile(_SOURCE),
        Severity.HIGH,
        Text("程序源文件的副本可被下载", "a copy of program source can be downloaded"),
        _REMOVE,
        "8.1.4.8 b",
    ),
    Exposure(
        "page-copy",
        ("/index.html.bak", "/index.html~", "/index.html.old", "/index.htm.bak"),
        re.compile(r"(?i)<html|<!doctype"),
        Severity.LOW,
        Text("页面的旧副本可被访问", "an old copy of a page can be reached"),
        _REMOVE,
        "8.1.4.4 a",
    ),
    Exposure(
        "status-page",
        ("/server-status", "/server-info", "/nginx_status", "/stub_status", "/status?full"),
        re.compile(r"Apache Server (Status|Information)|Active connections: \d+|^pool:\s+\w+", re.MULTILINE),
        Severity.MEDIUM,
        Text("服务器状态页对外开放", "the server's status page is open to all"),
        Text(
            "只允许本机或管理网段访问状态页。", "Allow the status page to this machine or the management network only."
        ),
        "8.1.4.4 c",
    ),
    Exposure(
        "debug-page",
        ("/phpinfo.php", "/info.php", "/actuator/env", "/druid/index.html", "/debug/pprof/"),
        re.compile(r"phpinfo\(\)</title>|\"(activeProfiles|propertySources)\"|Druid Stat Index|/debug/pprof/</title>"),
        Severity.HIGH,
        Text("调试页面对外开放", "a debugging page is open to all"),
        Text("在生产环境关闭调试和监控端点。", "Turn debugging and monitoring endpoints off in production."),
        "8.1.4.4 b",
        secret=True,
    ),
    Exposure(
        "directory-listing",
        ("/", "/backup/", "/data/", "/files/", "/images/", "/logs/", "/static/", "/upload/", "/uploads/"),
        re.compile(_LISTING),
        Severity.MEDIUM,
        Text("目录内容可被列出", "a directory can be listed"),
        Text("关闭目录浏览,如 nginx 的 autoindex off。", "Turn listings off, e.g. autoindex off in nginx."),
        "8.1.4.2 a",
    ),
)


@dataclass(frozen=True, slots=True)
class Handed:
    """One path that was answered with 200."""

    path: str
    rule: str
    """Of the exposure that it was asked for; empty for a control request."""
    content_type: str
    start: str
    """The first characters, bytes read as Latin-1, secrets masked."""
    digest: str
    """SHA-256 of the first 4 KiB."""


@dataclass(frozen=True, slots=True)
class Files:
    """What the site handed out for being asked for it, and what it answers to anything."""

    asked: int
    handed: tuple[Handed, ...]
    controls: tuple[Handed, ...]
    """Paths that cannot exist and were answered with 200 all the same."""


class ExposedFiles(Check[Files]):
    """Asks for paths that should not be there, and for some that cannot be."""

    name = "exposed-files"
    title = Text("暴露的文件与目录列表", "exposed files and directory listings")
    describes = Text(
        "请求版本库、环境配置、备份包、源文件副本、状态页和常见目录,按内容特征判断;"
        "并请求不存在的路径作对照,避免把“一律应答 200”误判为弱点。",
        "Asks for version control folders, environment files, backups, source copies, status pages and listings, and "
        "judges by content. Paths that cannot exist are asked for as a control, so that a site that answers 200 to "
        "everything gives no finding.",
    )
    kinds = frozenset({AssetKind.WEBSITE})
    observed_type = Files

    async def observe(self, asset: Asset, reach: Reach) -> Files:
        """Ask for every path; any one that fails leaves the site untested."""
        if not asset.url:
            raise NotApplicable(Text("资产没有登记网址", "the asset has no URL declared"))
        gate = asyncio.Semaphore(_AT_ONCE)

        async def ask(path: str) -> HttpAnswer:
            async with gate:
                return await reach.get(urljoin(asset.url, path), max_body_bytes=_START_BYTES, truncate=True)

        control_paths = _control_paths(asset)
        # These are read whole, so that a server without an end to its answers is not taken for a site.
        controls = [require_own_answer(await reach.get(urljoin(asset.url, path))) for path in control_paths]
        wanted = [(path, exposure) for exposure in EXPOSURES for path in _paths(exposure, asset.url)]
        answers = await asyncio.gather(*(ask(path) for path, _ in wanted))
        if any(answer.status == 429 for answer in answers):
            raise Blocked(Text("请求被限速(HTTP 429)", "the requests are rate-limited (HTTP 429)"))
        always = tuple(
            _handed(path, "", answer, secret=False)
            for path, answer in zip(control_paths, controls, strict=True)
            if answer.status == 200
        )
        handed = tuple(
            _handed(path, exposure.rule, answer, exposure.secret)
            for (path, exposure), answer in zip(wanted, answers, strict=True)
            if answer.status == 200
        )
        same = {control.digest for control in always}
        return Files(len(wanted), tuple(one for one in handed if one.digest not in same), always)

    def judge(
        self,
        asset: Asset,
        observed: Files,
        baseline: Baseline[Files] | None,
    ) -> Iterable[Weakness]:
        """What was handed out, has the content of what was asked for, and is not the answer to everything."""
        for exposure in EXPOSURES:
            if any(exposure.content.search(control.start) for control in observed.controls):
                continue
            for handed in observed.handed:
                if handed.rule == exposure.rule and exposure.content.search(handed.start):
                    yield _weakness(asset, exposure, handed)


def _paths(exposure: Exposure, url: str) -> list[str]:
    host = urlsplit(url).hostname or ""
    labels = [label for label in host.split(".") if label != "www"]
    named = (path.replace("{host}", host).replace("{site}", labels[0] if labels else host) for path in exposure.paths)
    return list(dict.fromkeys(named))


def _control_paths(asset: Asset) -> tuple[str, ...]:
    """The same for every scan of the asset, and on no site."""
    unlikely = hashlib.sha256(f"control {asset.id}".encode()).hexdigest()[:20]
    return (f"/{unlikely}", f"/{unlikely}/", f"/{unlikely}.zip", f"/.{unlikely}", f"/{unlikely}.php~")


def _handed(path: str, rule: str, answer: HttpAnswer, secret: bool) -> Handed:
    start = answer.body[:_SHOWN_CHARACTERS].decode("latin-1")
    digest = hashlib.sha256(answer.body[:_START_BYTES]).hexdigest()
    shown = _ASSIGNED.sub(r"\1***", start) if secret else start
    return Handed(path, rule, answer.content_type, shown, digest)


def _weakness(asset: Asset, exposure: Exposure, handed: Handed) -> Weakness:
    place = urljoin(asset.url, handed.path)
    return Weakness(
        weakness_class=WeaknessClass.WEB,
        rule=f"exposed-files.{exposure.rule}",
        locator=("GET", handed.path),
        severity=exposure.severity,
        title=exposure.title,
        reason=Text(
            f"{place} 应答 200,内容符合特征,且与不存在路径的应答不同。",
            f"{place} answers 200 with the telling content, unlike paths that do not exist.",
        ),
        mend=exposure.mend,
        evidence={"start": _printable(handed.start)},
        clauses=(exposure.clause,),
    )


def _printable(start: str) -> str:
    return "".join(letter if letter.isprintable() or letter == "\n" else "·" for letter in start)[:120]


EXPOSED_FILES = ExposedFiles()
