"""Recognises an answer that is not the site's own: a firewall page, a login, a rate limit, a gateway's error."""

import re

from scanners.answer import HttpAnswer
from scanners.endings import Blocked, Unreachable
from secops.model.text import Text

_STATUS = {
    401: Text("需要登录(HTTP 401)", "a login is asked for (HTTP 401)"),
    403: Text("拒绝访问(HTTP 403)", "access is denied (HTTP 403)"),
    405: Text("拒绝访问(HTTP 405)", "access is denied (HTTP 405)"),
    407: Text("代理要求登录(HTTP 407)", "a proxy asks for a login (HTTP 407)"),
    418: Text("被防护设备拦截(HTTP 418)", "a firewall stepped in (HTTP 418)"),
    429: Text("请求被限速(HTTP 429)", "the requests are rate-limited (HTTP 429)"),
    451: Text("被拦截(HTTP 451)", "the page is withheld (HTTP 451)"),
}
_TITLE = re.compile(r"<title[^>]*>(.{0,300}?)</title", re.IGNORECASE | re.DOTALL)
FIREWALL_TITLE = re.compile(
    r"网站防火墙|访问被?(拦截|阻断|拒绝)|安全(拦截|验证)|人机验证|WAF|Web应用防火墙|"
    r"access denied|request (blocked|rejected)|attention required|just a moment|are you a robot|captcha",
    re.IGNORECASE,
)
_LOGIN_PATH = re.compile(r"/(login|signin|sso|cas|passport|oauth2?)\b", re.IGNORECASE)
# A firewall's page is short. A long page with such a title is the site's own, or an intruder's, and must be judged.
SHORT_BYTES = 16 * 1024


def require_own_answer(answer: HttpAnswer) -> HttpAnswer:
    """The answer, if the site itself gave it. Raises Blocked or Unreachable."""
    if answer.status in _STATUS:
        raise Blocked(_STATUS[answer.status])
    if answer.status >= 500:
        raise Unreachable(
            Text(f"服务器出错(HTTP {answer.status})", f"the server answered with an error (HTTP {answer.status})")
        )
    if answer.redirects and _LOGIN_PATH.search(answer.url):
        raise Blocked(Text(f"被重定向到登录页 {answer.url}", f"redirected to a login at {answer.url}"))
    title = _TITLE.search(answer.text()) if len(answer.body) <= SHORT_BYTES else None
    if title and FIREWALL_TITLE.search(title.group(1)):
        shown = title.group(1).strip()[:80]
        raise Blocked(Text(f"防护设备代为应答:“{shown}”", f"a firewall answered instead: “{shown}”"))
    return answer
