"""Session cookies that can be guessed."""

import math
import re
from collections.abc import Sequence
from itertools import pairwise

from scanners.web.message import Request
from scanners.web.passive.cookie_flags import SESSION_NAME
from scanners.web.probing.check import PageCheck
from scanners.web.probing.page import Page
from scanners.web.probing.trial import Probing, Purpose, Session, Trial
from scanners.web.probing.weakness import Verdict, WebClass
from secops.model.finding import Severity
from secops.model.text import Text

_SAMPLES = 6
_LEAST_BITS = 64
_LARGEST_STEP = 10_000_000
_ALPHABETS = (
    (r"\d+", 10),
    (r"[0-9a-f]+|[0-9A-F]+", 16),
    (r"[a-z0-9]+|[A-Z0-9]+", 36),
    (r"[A-Za-z0-9]+", 62),
    (r".*", 64),
)


class PredictableSession(PageCheck):
    """Takes a few sessions as a stranger, and looks at how their numbers follow one another."""

    name = "predictable-session"
    title = Text("会话标识可预测", "sessions can be guessed")
    weakness = WebClass.SECURECOOKIE
    severity = Severity.HIGH
    cwe = 330
    clauses = ("8.1.4.1 a", "8.1.4.4 d")
    mend = Text(
        "用密码学安全的随机数生成至少 128 位的会话标识。",
        "Make session ids of 128 random bits from a secure generator.",
    )

    def fits(self, request: Request, page: Page) -> bool:
        """Pages that give a session to whoever has none."""
        return request.method == "GET" and any(
            SESSION_NAME.search(_name(value)) for value in page.headers("set-cookie")
        )

    def probe(self, page: Page, trial: Trial) -> Probing:
        """Always the same number of requests."""
        bare = tuple(pair for pair in page.request.headers if pair[0].lower() != "cookie")
        request = Request("GET", page.request.target, bare)
        samples: dict[str, list[str]] = {}
        for _ in range(_SAMPLES):
            seen = yield from trial.ask(request, Purpose.LOOK, session=Session.NOBODY)
            for cookie in seen.headers("set-cookie"):
                samples.setdefault(_name(cookie), []).append(cookie.partition(";")[0].partition("=")[2].strip('"'))
        for name, values in samples.items():
            if SESSION_NAME.search(name) and len(values) == _SAMPLES and (why := weakness_of(values)):
                return Verdict(
                    why, {"cookie": name, "samples": ", ".join(_masked(value) for value in values)}, place=name
                )
        return None


def weakness_of(values: Sequence[str]) -> Text | None:
    """Why values that were given one after another can be guessed; None when they cannot."""
    if len(set(values)) < 2:
        return None
    for base, pattern in ((10, r"\d{1,24}"), (16, r"[0-9a-fA-F]{1,16}")):
        if all(re.fullmatch(pattern, value) for value in values):
            numbers = [int(value, base) for value in values]
            steps = [later - earlier for earlier, later in pairwise(numbers)]
            if all(0 < step <= _LARGEST_STEP for step in steps):
                return Text(
                    f"连续 {len(values)} 个会话标识递增,最大步长 {max(steps)}",
                    f"{len(values)} sessions in a row only grow, by {max(steps)} at most",
                )
    bits = max(len(value) for value in values) * math.log2(_alphabet(values))
    if bits < _LEAST_BITS:
        return Text(f"会话标识至多 {bits:.0f} 位信息", f"the sessions hold {bits:.0f} bits at most")
    return None


def _alphabet(values: Sequence[str]) -> int:
    return next(size for pattern, size in _ALPHABETS if all(re.fullmatch(pattern, value) for value in values))


def _name(cookie: str) -> str:
    return cookie.partition("=")[0].strip()


def _masked(value: str) -> str:
    return value if len(value) <= 12 else f"{value[:4]}…{value[-6:]}"


PREDICTABLE_SESSION = PredictableSession()
