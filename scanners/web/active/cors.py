"""Answers that any other site may read with the visitor's cookies."""

from collections.abc import Iterator
from dataclasses import replace

from scanners.web.message import Request
from scanners.web.probing.check import PageCheck
from scanners.web.probing.page import Page
from scanners.web.probing.trial import Probing, Purpose, Trial
from scanners.web.probing.weakness import Verdict, WebClass
from secops.model.finding import Severity
from secops.model.text import Text


class Cors(PageCheck):
    """Asks in the name of foreign origins. Without credentials nothing private can be read, and nothing is reported."""

    name = "cors"
    title = Text("跨域策略过宽(CORS)", "too wide a cross-origin policy (CORS)")
    weakness = WebClass.CORS
    severity = Severity.MEDIUM
    cwe = 942
    clauses = ("8.1.4.2 f", "8.1.4.11 b")
    mend = Text(
        "Access-Control-Allow-Origin 只允许逐一列出的来源,不要回显请求中的 Origin,也不要允许 null。",
        "Allow listed origins only; never echo the Origin of a request, and never allow null.",
    )

    def fits(self, request: Request, page: Page) -> bool:
        """What is read."""
        return request.method == "GET" and 200 <= page.status < 400

    def probe(self, page: Page, trial: Trial) -> Probing:
        """Four requests where nothing is allowed."""
        for origin in _origins(trial):
            seen = yield from trial.ask(_from(page.request, origin))
            if not _allowed(seen, origin):
                continue
            again = yield from trial.ask(_from(page.request, origin), Purpose.AGAIN)
            if _allowed(again, origin):
                because = Text(
                    f"来源 {origin} 可以携带用户凭据读取应答",
                    f"the origin {origin} may read the answer with credentials",
                )
                return Verdict(because, {"origin": origin, "allowed": again.header("access-control-allow-origin")})
        return None


def _origins(trial: Trial) -> Iterator[str]:
    stranger = f"{trial.mark()}.example"
    yield f"https://{stranger}"
    yield "null"
    yield f"{trial.target.scheme}://{trial.target.host}.{stranger}"
    yield f"{trial.target.scheme}://{trial.mark()}{trial.target.host}"


def _from(request: Request, origin: str) -> Request:
    headers = tuple(pair for pair in request.headers if pair[0].lower() != "origin")
    return replace(request, headers=(*headers, ("Origin", origin)))


def _allowed(page: Page, origin: str) -> bool:
    allowed = page.header("access-control-allow-origin").strip()
    return allowed == origin and page.header("access-control-allow-credentials").strip().lower() == "true"


CORS = Cors()
