"""Forms that change something and carry nothing that another site could not know."""

import re

from scanners.web.passive.cookie_flags import SESSION_NAME
from scanners.web.probing.check import PassiveCheck
from scanners.web.probing.page import Page
from scanners.web.probing.page_forms import Form, forms_in
from scanners.web.probing.weakness import Verdict, WebClass
from secops.model.finding import Severity
from secops.model.text import Text

_ACCOUNT = re.compile(
    r"e?mail|phone|mobile|amount|money|transfer|payee|new_?pass|role|邮箱|手机|金额|转账", re.IGNORECASE
)


class CsrfToken(PassiveCheck):
    """Looks at forms of pages that are part of a session, and at what changes an account; logins are left out."""

    name = "csrf-token"
    title = Text("表单缺少防跨站请求伪造令牌", "forms carry no token against request forgery")
    weakness = WebClass.CSRF
    severity = Severity.MEDIUM
    cwe = 352
    clauses = ("8.1.4.4 d",)
    mend = Text(
        "为改变状态的表单加入与会话绑定的随机令牌并在服务端校验,Cookie 设置 SameSite。",
        "Put a random token bound to the session into forms that change something, check it on the server, and set "
        "SameSite on cookies.",
    )

    def judge(self, url: str, page: Page) -> list[Verdict]:
        """One for each form."""
        if not page.is_html or page.status != 200:
            return []
        forms = [form for form in forms_in(page.text, page.request.target) if _needs(form)]
        return [_lacking(form) for form in forms if _in_session(page) or _matters(form)]


def _in_session(page: Page) -> bool:
    sent = [value for name, value in page.request.headers if name.lower() == "cookie"]
    return any(SESSION_NAME.search(cookie) for cookie in (*sent, *page.headers("set-cookie")))


def _matters(form: Form) -> bool:
    """It changes an account or moves something, whatever the session looks like."""
    return any(_ACCOUNT.search(field.name) or field.kind == "password" for field in form.fields)


def _needs(form: Form) -> bool:
    return form.method == "POST" and not form.token and not form.logs_in and bool(form.fields)


def _lacking(form: Form) -> Verdict:
    names = ", ".join(field.name for field in form.fields)[:120]
    because = Text(
        f"提交到 {form.path} 的表单(字段 {names})没有令牌", f"the form to {form.path} (fields {names}) has no token"
    )
    return Verdict(because, rule="missing", place=form.path.partition("?")[0])


CSRF_TOKEN = CsrfToken()
