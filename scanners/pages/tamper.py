"""Hidden links, new external content, changed names and replaced pages, against an approved baseline."""

import asyncio
import re
from collections.abc import Iterable
from urllib.parse import urljoin, urlsplit

from scanners.check import Baseline, Check
from scanners.endings import NotApplicable, Unreachable
from scanners.pages.domains import registrable
from scanners.pages.hiding import WEAK
from scanners.pages.likeness import likeness
from scanners.pages.nesting import extent_of
from scanners.pages.page import ACTIVE, External, Page, read_page
from scanners.reach import Reach
from scanners.web.intervention import require_own_answer
from secops.model.city import Asset, AssetKind
from secops.model.finding import Severity, Weakness, WeaknessClass
from secops.model.text import Text

_REDIRECTS = 5
_REPLACED_TEXT = 0.15
_REPLACED_SHAPE = 0.3
_HARDLY_ANY_TEXT = 0.03
_BLOCK = 3
"""From how many hidden domains on it is a block of sold links, whatever hides it."""
_FORBIDDEN = re.compile(
    r"博彩|赌博|赌场|娱乐城|六合彩|百家乐|时时彩|体育投注|棋牌|老虎机|开元|澳门新葡京|私服|色情|成人(视频|影院)|裸聊|一夜情|办证|代开发票|"
    r"\b(casino|betting|gambling|slots?|poker|porn|viagra|escort)\b",
    re.IGNORECASE,
)
_INTEGRITY = ("8.1.4.7 b",)


class PageTamper(Check[Page]):
    """Fetches a page and compares what can be abused, not its wording."""

    name = "page-tamper"
    title = Text("网页篡改与暗链", "page tampering and hidden links")
    describes = Text(
        "取回页面,提取外部域名、隐藏方式、内嵌脚本、标题关键词和版面特征,与批准的基线比较。"
        "没有基线时只判断隐藏的外部链接。外部样式表和脚本的内容不取回。",
        "Fetches a page and compares external domains, hiding techniques, scripts in the page, title and keywords, and "
        "the likeness of text and layout with an approved baseline. Without one, only hidden external links are "
        "judged. External style sheets and scripts are not fetched.",
    )
    kinds = frozenset({AssetKind.PAGE})
    observed_type = Page
    uses_baseline = True

    async def observe(self, asset: Asset, reach: Reach) -> Page:
        """The page, after redirects within its own domain."""
        if not asset.url:
            raise NotApplicable(Text("资产没有登记网址", "the asset has no URL declared"))
        own = registrable(urlsplit(asset.url).hostname or "")
        url = asset.url
        for _ in range(_REDIRECTS + 1):
            answer = await reach.get(url)
            location = answer.header("location")
            if not (300 <= answer.status < 400 and location):
                break
            url = _next(url, location)
            abroad = registrable(urlsplit(url).hostname or "")
            if abroad != own:
                return Page(asset.url, redirected_to=abroad)
        own_answer = require_own_answer(answer)
        if own_answer.status != 200:
            status = own_answer.status
            raise Unreachable(Text(f"页面不在(HTTP {status})", f"the page is not there (HTTP {status})"))
        html = own_answer.text()
        if extent_of(html).excessive:
            raise Unreachable(Text("页面结构异常庞大,无法判断", "the page is built to be too large to read"))
        # A long page takes a second or two to read; the scan goes on meanwhile.
        return await asyncio.to_thread(read_page, asset.url, html)

    def judge(self, asset: Asset, observed: Page, baseline: Baseline[Page] | None) -> Iterable[Weakness]:
        """Without a baseline hidden links only; with one, everything that was not approved."""
        before = baseline.observed if baseline else None
        yield from _hidden_links(observed, before)
        yield from _redirected(observed, before)
        if before is None or baseline is None or observed.redirected_to:
            return
        yield from _new_external(observed, before)
        yield from _new_scripts(observed, before)
        yield from _new_names(observed, before)
        yield from _replaced(asset, observed, before, baseline.approved_by)


def _next(url: str, location: str) -> str:
    try:
        following = urljoin(url, location)
        valid = urlsplit(following).scheme in ("http", "https") and urlsplit(following).hostname
    except ValueError:
        valid = None
    if not valid:
        raise Unreachable(Text("重定向的地址无效", "the redirect leads to no valid address"))
    return following


def _weakness(
    rule: str,
    place: str,
    severity: Severity,
    title: Text,
    reason: Text,
    evidence: dict[str, str] | None = None,
) -> Weakness:
    return Weakness(
        weakness_class=WeaknessClass.TAMPER,
        rule=f"page-tamper.{rule}",
        locator=(place,),
        severity=severity,
        title=title,
        reason=reason,
        mend=Text(
            "保全证据,从已证明干净的恢复点恢复页面并修补入侵途径;若为授权变更,批准新的基线。",
            "Keep the evidence, restore the page from a point proven clean and close the way in; "
            "if the change was authorised, approve a new baseline.",
        ),
        evidence=evidence or {},
        clauses=_INTEGRITY,
    )


def _by_domain(found: Iterable[External]) -> dict[str, list[External]]:
    domains: dict[str, list[External]] = {}
    for one in found:
        domains.setdefault(one.domain, []).append(one)
    return domains


def _hidden_links(observed: Page, before: Page | None) -> Iterable[Weakness]:
    approved = {one.domain for one in before.external} if before else set()
    hidden = _by_domain(one for one in observed.external if one.hidden and one.domain not in approved)
    for domain, found in hidden.items():
        how = ", ".join(sorted({one.hidden for one in found}))
        count = sum(one.count for one in found)
        words = " ".join(one.text for one in found if one.text)
        since = Text("基线中没有该域名。", " The baseline does not have that domain.") if before else Text("", "")
        yield _weakness(
            "hidden-link",
            domain,
            _severity_of_hidden(found, words, before is not None, len(hidden)),
            Text(f"页面藏有指向 {domain} 的暗链", f"the page hides links to {domain}"),
            Text(
                f"{count} 个指向 {domain} 的链接被隐藏({how})。{since.zh}",
                f"{count} link(s) to {domain} are kept from readers ({how}).{since.en}",
            ),
            {"url": found[0].sample, "text": words[:200]},
        )


def _severity_of_hidden(found: list[External], words: str, compared: bool, domains: int) -> Severity:
    if compared or _FORBIDDEN.search(words):
        return Severity.CRITICAL
    if domains >= _BLOCK or any(one.hidden not in WEAK for one in found):
        return Severity.HIGH
    return Severity.MEDIUM


def _redirected(observed: Page, before: Page | None) -> Iterable[Weakness]:
    """Also without a baseline: nothing of the page itself was seen, so it cannot pass for clean."""
    domain = observed.redirected_to
    if not domain or (before and domain == before.redirected_to):
        return
    yield _weakness(
        "redirected",
        domain,
        Severity.CRITICAL if before else Severity.HIGH,
        Text(f"页面被重定向到 {domain}", f"the page is redirected to {domain}"),
        Text(
            f"服务器不返回页面,而是重定向到 {domain},且未经基线批准。",
            f"The server sends readers to {domain} instead of answering, and no baseline approves of it.",
        ),
    )


def _new_external(observed: Page, before: Page) -> Iterable[Weakness]:
    known = {one.domain for one in before.external}
    known_active = {one.domain for one in before.external if one.tag in ACTIVE}
    in_view = _by_domain(one for one in observed.external if not one.hidden)
    for domain, found in in_view.items():
        active = [one for one in found if one.tag in ACTIVE]
        if active and domain not in known_active:
            yield _foreign(domain, active, "new-active-content", Severity.HIGH)
        elif domain not in known:
            yield _foreign(domain, found, "new-external-link", Severity.MEDIUM)


def _foreign(domain: str, found: list[External], rule: str, severity: Severity) -> Weakness:
    tags = ", ".join(sorted({one.tag for one in found}))
    words = " ".join(one.text for one in found if one.text)
    title = (
        Text(f"页面新引入 {domain} 的活动内容", f"new active content from {domain}")
        if rule == "new-active-content"
        else Text(f"页面新出现指向 {domain} 的链接", f"new link to {domain}")
    )
    return _weakness(
        rule,
        domain,
        Severity.CRITICAL if _FORBIDDEN.search(words) else severity,
        title,
        Text(f"元素 {tags} 指向 {domain},基线中没有。", f"{tags} lead(s) to {domain}; the baseline has none."),
        {"url": found[0].sample, "text": words[:200]},
    )


def _new_scripts(observed: Page, before: Page) -> Iterable[Weakness]:
    known = {script.digest for script in before.scripts}
    new = [script for script in observed.scripts if script.digest not in known]
    if not new:
        return
    risky = sorted({script.risky for script in new if script.risky})
    shown = next((script for script in new if script.risky), new[0])
    able = Text(f",其中用到 {'、'.join(risky)}", f", using {', '.join(risky)}") if risky else Text("", "")
    yield _weakness(
        "new-inline-script",
        "script",
        Severity.HIGH if risky else Severity.MEDIUM,
        Text("页面内嵌脚本有新增", "new scripts in the page"),
        Text(
            f"{len(new)} 段内嵌脚本不在基线中{able.zh}。",
            f"{len(new)} script(s) in the page are not in the baseline{able.en}.",
        ),
        {"start": shown.start},
    )


def _new_names(observed: Page, before: Page) -> Iterable[Weakness]:
    for field, zh in (("title", "标题"), ("keywords", "关键词"), ("description", "描述")):
        now, then = str(getattr(observed, field)), str(getattr(before, field))
        if re.sub(r"\d+", "0", now) == re.sub(r"\d+", "0", then):
            continue
        forbidden = _FORBIDDEN.search(now) and not _FORBIDDEN.search(then)
        yield _weakness(
            "name-changed",
            field,
            Severity.CRITICAL if forbidden else Severity.MEDIUM,
            Text(f"页面{zh}被更改", f"the {field} of the page changed"),
            Text(f"{zh}由“{then[:80]}”变为“{now[:80]}”。", f"The {field} went from “{then[:80]}” to “{now[:80]}”."),
        )


def _replaced(asset: Asset, observed: Page, before: Page, approved_by: str) -> Iterable[Weakness]:
    text = likeness(observed.text_sketch, before.text_sketch)
    shape = likeness(observed.shape_sketch, before.shape_sketch)
    renamed = observed.title != before.title
    if not ((text < _REPLACED_TEXT and shape < _REPLACED_SHAPE) or (text < _HARDLY_ANY_TEXT and renamed)):
        return
    yield _weakness(
        "replaced",
        "page",
        Severity.CRITICAL,
        Text("页面被整体替换", "the page was replaced"),
        Text(
            f"{asset.url} 与 {approved_by} 批准的基线相比,文字相似度 {text:.0%},版面相似度 {shape:.0%}。",
            f"Against the baseline that {approved_by} approved, the text of {asset.url} is {text:.0%} alike "
            f"and its layout {shape:.0%}.",
        ),
        {"title": observed.title},
    )


PAGE_TAMPER = PageTamper()
