"""Security headers and cookie flags of a website."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from scanners.check import Baseline, Check
from scanners.endings import NotApplicable
from scanners.reach import Reach
from scanners.web.intervention import require_own_answer
from scanners.web.origin import origin_place
from secops.model.city import Asset, AssetKind
from secops.model.finding import Severity, Weakness, WeaknessClass
from secops.model.text import Text

_HALF_A_YEAR_SECONDS = 180 * 86400
_REDIRECTS = 5
_MAX_AGE = re.compile(r"max-age\s*=\s*\"?(\d{1,12})", re.IGNORECASE)
_VERSION = re.compile(r"\d\.\d")
_SESSION_COOKIE = re.compile(r"sess|token|auth|sid$|login|jwt", re.IGNORECASE)
_TALKATIVE = ("Server", "X-Powered-By", "X-AspNet-Version", "X-AspNetMvc-Version", "X-Generator")


@dataclass(frozen=True, slots=True)
class Headers:
    """The headers of the first page."""

    url: str
    """After redirects."""
    status: int
    content_type: str
    headers: tuple[tuple[str, str], ...]
    """Names in lower case; values of cookies are left out."""

    def values(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for key, value in self.headers if key == name.lower()]

    def value(self, name: str) -> str:
        """The values of a header joined, empty when there is none."""
        return ", ".join(self.values(name))


class HttpHeaders(Check[Headers]):
    """Asks for the first page of a site."""

    name = "http-headers"
    title = Text("HTTP 安全响应头", "HTTP security headers")
    describes = Text(
        "请求网站首页,检查内容安全策略、强制 HTTPS、类型嗅探、页面嵌套、来源信息、版本泄露和 Cookie 属性。",
        "Asks for the first page and looks at content security policy, forced HTTPS, type sniffing, framing, referrer, "
        "version banners and the flags of cookies.",
    )
    kinds = frozenset({AssetKind.WEBSITE})
    observed_type = Headers

    async def observe(self, asset: Asset, reach: Reach) -> Headers:
        """The headers after redirects inside the scope."""
        if not asset.url:
            raise NotApplicable(Text("资产没有登记网址", "the asset has no URL declared"))
        answer = require_own_answer(await reach.get(asset.url, follow=_REDIRECTS))
        kept = tuple((name.lower(), _without_secret(name, value)) for name, value in answer.headers)
        return Headers(answer.url, answer.status, answer.content_type, kept)

    def judge(
        self,
        asset: Asset,
        observed: Headers,
        baseline: Baseline[Headers] | None,
    ) -> Iterable[Weakness]:
        """One weakness per header, or per cookie, of the origin."""
        if observed.content_type in ("text/html", "application/xhtml+xml", ""):
            yield from _policy(observed)
            yield from _framing(observed)
            yield from _referrer(observed)
        yield from _sniffing(observed)
        yield from _forced_https(observed)
        yield from _banners(observed)
        yield from _cookies(observed)


def _without_secret(name: str, value: str) -> str:
    if name.lower() != "set-cookie":
        return value
    pair, *flags = value.split(";")
    return ";".join([f"{pair.split('=')[0].strip()}=***", *flags])


def _weakness(
    observed: Headers,
    rule: str,
    header: str,
    severity: Severity,
    title: Text,
    reason: Text,
    mend: Text,
    clause: str,
    *place: str,
) -> Weakness:
    return Weakness(
        weakness_class=WeaknessClass.WEB,
        rule=f"http-headers.{rule}",
        locator=(*origin_place(observed.url), header, *place),
        severity=severity,
        title=title,
        reason=reason,
        mend=mend,
        evidence={header: observed.value(header)[:300]} if observed.value(header) else {},
        clauses=(clause,),
    )


def _absent(observed: Headers, header: str) -> Text:
    return Text(f"{observed.url} 的应答中没有 {header}。", f"The answer of {observed.url} carries no {header}.")


def _policy(observed: Headers) -> Iterable[Weakness]:
    header = "content-security-policy"
    policy = observed.value(header).lower()
    if not policy:
        yield _weakness(
            observed,
            "csp-missing",
            header,
            Severity.MEDIUM,
            Text("未设置内容安全策略(CSP)", "no content security policy (CSP)"),
            _absent(observed, "Content-Security-Policy"),
            Text(
                "设置 Content-Security-Policy,只允许可信来源的脚本。",
                "Send a Content-Security-Policy that admits scripts of trusted sources only.",
            ),
            "8.1.4.4 d",
        )
    elif weak := _weak_source(policy):
        yield _weakness(
            observed,
            "csp-weak",
            header,
            Severity.LOW,
            Text("内容安全策略过宽", "the content security policy is too wide"),
            Text(
                f"脚本来源允许 {weak},策略起不到作用。",
                f"Scripts may come from {weak}, so that the policy stops little.",
            ),
            Text("去掉该来源,改用 nonce 或 hash。", "Take that source out; use nonces or hashes."),
            "8.1.4.4 d",
        )


def _weak_source(policy: str) -> str:
    """The source that makes the script policy useless; empty when there is none."""
    directives = {words[0]: words[1:] for part in policy.split(";") if (words := part.split())}
    sources = directives.get("script-src", directives.get("default-src", ["*"]))
    guarded = any(source.startswith(("'nonce-", "'sha256-", "'sha384-", "'sha512-")) for source in sources)
    if "'unsafe-inline'" in sources and not guarded:
        return "'unsafe-inline'"
    return next((source for source in sources if source in ("*", "http:", "https:", "data:")), "")


def _framing(observed: Headers) -> Iterable[Weakness]:
    if observed.value("x-frame-options") or "frame-ancestors" in observed.value("content-security-policy").lower():
        return
    yield _weakness(
        observed,
        "frame-protection-missing",
        "x-frame-options",
        Severity.MEDIUM,
        Text("页面可被其他网站嵌套", "the page can be framed by other sites"),
        Text(
            "没有 X-Frame-Options,CSP 中也没有 frame-ancestors。",
            "There is no X-Frame-Options, and no frame-ancestors in the CSP.",
        ),
        Text(
            "设置 X-Frame-Options: SAMEORIGIN 或 CSP frame-ancestors。",
            "Send X-Frame-Options: SAMEORIGIN or frame-ancestors.",
        ),
        "8.1.4.4 d",
    )


def _referrer(observed: Headers) -> Iterable[Weakness]:
    if observed.value("referrer-policy"):
        return
    yield _weakness(
        observed,
        "referrer-policy-missing",
        "referrer-policy",
        Severity.LOW,
        Text("未设置来源信息策略", "no referrer policy"),
        _absent(observed, "Referrer-Policy"),
        Text(
            "设置 Referrer-Policy: strict-origin-when-cross-origin。",
            "Send Referrer-Policy: strict-origin-when-cross-origin.",
        ),
        "8.1.4.11 b",
    )


def _sniffing(observed: Headers) -> Iterable[Weakness]:
    if observed.value("x-content-type-options").lower().strip() == "nosniff":
        return
    yield _weakness(
        observed,
        "content-type-options-missing",
        "x-content-type-options",
        Severity.LOW,
        Text("未禁止内容类型嗅探", "content type sniffing is not forbidden"),
        _absent(observed, "X-Content-Type-Options: nosniff"),
        Text("设置 X-Content-Type-Options: nosniff。", "Send X-Content-Type-Options: nosniff."),
        "8.1.4.4 d",
    )


def _forced_https(observed: Headers) -> Iterable[Weakness]:
    header = "strict-transport-security"
    if origin_place(observed.url)[0] != "https":
        return
    value = observed.value(header)
    age = _MAX_AGE.search(value)
    mend = Text(
        "设置 Strict-Transport-Security: max-age=31536000; includeSubDomains。",
        "Send Strict-Transport-Security: max-age=31536000; includeSubDomains.",
    )
    if not value:
        title = Text("未强制使用 HTTPS(HSTS)", "HTTPS is not forced (HSTS)")
        reason = _absent(observed, "Strict-Transport-Security")
        yield _weakness(observed, "hsts-missing", header, Severity.MEDIUM, title, reason, mend, "8.1.4.8 a")
    elif not age or int(age.group(1)) < _HALF_A_YEAR_SECONDS:
        title = Text("HSTS 有效期过短", "HSTS lasts too short")
        days = int(age.group(1)) // 86400 if age else 0
        reason = Text(f"有效期 {days} 天,应不少于 180 天。", f"It lasts {days} days; it should last 180 at least.")
        yield _weakness(observed, "hsts-short", header, Severity.LOW, title, reason, mend, "8.1.4.8 a")


def _banners(observed: Headers) -> Iterable[Weakness]:
    for header in _TALKATIVE:
        banner = observed.value(header)
        if not _VERSION.search(banner):
            continue
        yield _weakness(
            observed,
            "version-banner",
            header.lower(),
            Severity.LOW,
            Text(f"{header} 泄露软件版本", f"{header} tells the version of the software"),
            Text(f"应答头 {header} 为 {banner[:120]}。", f"The header {header} is {banner[:120]}."),
            Text(
                "关闭版本显示,如 nginx 的 server_tokens off。", "Turn the banner off, e.g. server_tokens off in nginx."
            ),
            "8.1.4.4 e",
        )


def _cookies(observed: Headers) -> Iterable[Weakness]:
    https = origin_place(observed.url)[0] == "https"
    for value in observed.values("set-cookie"):
        name, *flags = (part.split("=")[0].strip() for part in value.split(";"))
        wanted = ["HttpOnly", "SameSite", *(["Secure"] if https else [])]
        given = {flag.lower() for flag in flags}
        lacking = ", ".join(flag for flag in wanted if flag.lower() not in given)
        if not lacking:
            continue
        yield _weakness(
            observed,
            "cookie-flags",
            "set-cookie",
            Severity.MEDIUM if _SESSION_COOKIE.search(name) else Severity.LOW,
            Text(f"Cookie {name} 缺少安全属性", f"cookie {name} lacks protective flags"),
            Text(f"Cookie {name} 没有 {lacking}。", f"Cookie {name} has no {lacking}."),
            Text(f"为该 Cookie 加上 {lacking}。", f"Set {lacking} on the cookie."),
            "8.1.4.8 a",
            name,
        )


HTTP_HEADERS = HttpHeaders()
