"""Session cookies that can be guessed."""

import base64
import hashlib
import math
import re
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from urllib.parse import unquote

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
_HASHED_NUMBERS = 100_000
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
    as_stranger = True
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
    if hashed := _hashed(values):
        return Text(
            f"会话标识是小整数或时间的散列({hashed})", f"the sessions are hashes of small numbers or times ({hashed})"
        )
    for readable in (list(values), _decoded(values)):
        for numbers in _series(readable) if readable else ():
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


def _series(values: Sequence[str]) -> Iterator[list[int]]:
    """The numbers that values of one build hold, when nothing else changes in them."""
    if all(re.fullmatch(r"[0-9a-fA-F]{1,16}", value) for value in values):
        yield [int(value, 16) for value in values]
    builds = {re.sub(r"\d+", "#", value) for value in values}
    parts = [re.findall(r"\d+", value) for value in values]
    if len(builds) == 1 and parts[0]:
        changing = [column for column in zip(*parts, strict=True) if len(set(column)) > 1]
        if len(changing) == 1 and max(map(len, changing[0])) <= 24:
            yield [int(number) for number in changing[0]]


def _decoded(values: Sequence[str]) -> list[str]:
    """What base64 or percent-encoding hides; nothing when it is no text."""
    try:
        plain = [unquote(value) for value in values]
        return [base64.b64decode(value + "=" * (-len(value) % 4), validate=True).decode("ascii") for value in plain]
    except ValueError:
        return []


def _hashed(values: Sequence[str]) -> str:
    """Which hash of which number one of the values is; empty when it is none."""
    wanted = {value.lower() for value in values if re.fullmatch(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{40}", value)}
    if not wanted:
        return ""
    present = int(time.time())
    for number in (*range(_HASHED_NUMBERS), *range(present - 600, present + 600)):
        text = str(number).encode()
        for algorithm in (hashlib.md5, hashlib.sha1):
            if algorithm(text, usedforsecurity=False).hexdigest() in wanted:
                return f"{algorithm.__name__.removeprefix('openssl_')}({number})"
    return ""


def _alphabet(values: Sequence[str]) -> int:
    return next(size for pattern, size in _ALPHABETS if all(re.fullmatch(pattern, value) for value in values))


def _name(cookie: str) -> str:
    return cookie.partition("=")[0].strip()


def _masked(value: str) -> str:
    return value if len(value) <= 12 else f"{value[:4]}…{value[-6:]}"


PREDICTABLE_SESSION = PredictableSession()
