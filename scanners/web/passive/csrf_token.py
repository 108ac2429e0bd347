"""Forms that change something and carry nothing that another site could not know."""

from scanners.web.passive.cookie_flags import SESSION_NAME
from scanners.web.probing.check import PassiveCheck
from scanners.web.probing.page import Page
from scanners.web.probing.page_forms import Form, forms_in
from scanners.web.probing.weakness import Verdict, WebClass
from secops.model.finding import Severity
from secops.model.text import Text


class CsrfToken(PassiveCheck):
    """Looks at forms of pages that are part of a session; logins and searches are left out."""

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
        if not page.is_html or page.status != 200 or not _in_session(page):
            return []
        return [_lacking(form) for form in forms_in(page.text, page.request.target) if _needs(form)]


def _in_session(page: Page) -> bool:
    sent = [value for name, value in page.request.headers if name.lower() == "cookie"]
    return any(SESSION_NAME.search(cookie) for cookie in (*sent, *page.headers("set-cookie")))


def _needs(form: Form) -> bool:
    return form.method == "POST" and not form.token and not form.logs_in and bool(form.fields)


def _lacking(form: Form) -> Verdict:
    names = ", ".join(field.name for field in form.fields)[:120]
    because = Text(
        f"提交到 {form.path} 的表单(字段 {names})没有令牌", f"the form to {form.path} (fields {names}) has no token"
    )
    return Verdict(because, rule="missing", place=form.path.partition("?")[0])


CSRF_TOKEN = CsrfToken()
