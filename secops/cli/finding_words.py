"""What states, severities and outcomes are called, and their colours."""

from rich.text import Text as Shown

from secops.cli.tables import plain
from secops.model.finding import Severity, State
from secops.model.finding_names import SEVERITY_NAMES, STATE_NAMES
from secops.model.outcome import Outcome
from secops.model.text import Text
from secops.support.language import say, tell

SEVERITIES = {
    severity: (SEVERITY_NAMES[severity], style)
    for severity, style in zip(Severity, ("dim", "cyan", "yellow", "red", "bold white on red"), strict=True)
}
STATES = STATE_NAMES
OUTCOMES: dict[Outcome | None, tuple[Text, str]] = {
    Outcome.TESTED_CLEAN: (Text("已测无问题", "tested clean"), "green"),
    Outcome.FOUND: (Text("有发现", "found"), "red"),
    Outcome.PARTIAL: (Text("部分(外部导入)", "in part (imported)"), "yellow"),
    Outcome.BLOCKED: (Text("被拦截", "blocked"), "yellow"),
    Outcome.UNREACHABLE: (Text("不可达", "unreachable"), "yellow"),
    Outcome.SKIPPED: (Text("跳过", "skipped"), "dim"),
    Outcome.ERROR: (Text("程序缺陷", "error"), "magenta"),
    None: (Text("从未测过", "never tested"), "magenta"),
}
FIELD_NAMES = {
    "severity": Text("程度", "severity"),
    "state": Text("状态", "state"),
    "system": Text("系统", "system"),
    "asset": Text("资产", "asset"),
    "check": Text("检查", "check"),
    "rule": Text("规则", "rule"),
    "class": Text("类别", "class"),
    "deadline": Text("期限", "deadline"),
    "acceptance": Text("风险接受", "acceptance"),
    "part_of": Text("并入", "part of"),
    "exploited": Text("被利用", "exploited"),
}
DEADLINES = {
    "none": Text("无期限", "no deadline"),
    "running": Text("期限内", "in time"),
    "near": Text("将到期", "due soon"),
    "overdue": Text("已逾期", "overdue"),
    "paused": Text("计时暂停", "stands still"),
    "resumed": Text("恢复计时", "runs again"),
    "stale": Text("待重算", "to be worked out"),
}
_YES_OR_NO = {"yes": Text("是", "yes"), "no": Text("否", "no")}
_CHANGES = {
    "seen": Text("首次发现", "first seen"),
    "reopened": Text("再次发现,重新打开", "seen again, reopened"),
    "resolved": Text("复测未见,已解决", "no longer found, resolved"),
    "severity": Text("严重程度", "severity"),
    "exploited": Text("已知被攻击者利用", "attackers are known to use it"),
    "exploited no more": Text("不再已知被利用", "attackers are no longer known to use it"),
    "acceptance ended": Text("风险接受终止,重新打开", "acceptance ended, open again"),
    "accepted": Text("接受风险", "risk accepted"),
    "part changed": Text("并入的发现有变", "a part of it changed"),
    "merged": Text("并入了", "merged into this one"),
    "merged into": Text("并入", "merged into"),
    "split off": Text("拆出了", "split off"),
    "split from": Text("拆出自", "split from"),
    "rekeyed from": Text("新标识,承接自", "new identity of"),
    "rekeyed to": Text("新标识为", "new identity"),
    "taken back from": Text("撤销改标识,承接自", "identity taken back from"),
    "given back to": Text("撤销改标识,还给", "identity given back to"),
    "deadline": Text("整改时间已过", "time passed"),
    "state": Text("人工改状态", "moved by hand"),
}


def kept_here(number: int) -> str:
    """What is said while the store is away, of results that are not merged into findings yet."""
    results = "1 result is" if number == 1 else f"{number} results are"
    return say(
        zh=f"存储不可达:{number} 项结果已保存在本机,恢复后写入(secops store ship)",
        en=f"the store is away: {results} kept on this machine and written when it is back (secops store ship)",
    )


def severity_word(severity: Severity) -> Shown:
    """The severity in its colour."""
    text, style = SEVERITIES[severity]
    return plain(tell(text), style)


def state_word(state: State) -> Shown:
    """The state; closed ones dimmed."""
    return plain(tell(STATES[state]), "" if state.open else "dim")


def outcome_word(outcome: Outcome | None) -> Shown:
    """The outcome in its colour; None: never tested."""
    text, style = OUTCOMES[outcome]
    return plain(tell(text), style)


def deadline_word(standing: str) -> Shown:
    """How a deadline stands, in its colour."""
    style = {"near": "yellow", "overdue": "bold red"}.get(standing, "")
    return plain(tell(DEADLINES[standing]), style)


def value_word(field: str, value: str) -> Shown | str:
    """The value of a field as it is shown: what has a name by its name, all else as it is."""
    if isinstance(value, Severity):
        return severity_word(value)
    if field == "deadline":
        return deadline_word(value)
    if field == "exploited":
        return tell(_YES_OR_NO[value])
    return state_word(value) if isinstance(value, State) else value or "-"


def of_findings(number: int) -> str:
    """So many findings."""
    return say(zh=f"{number} 个发现", en=f"{number} finding" if number == 1 else f"{number} findings")


def change_words(change: str) -> str:
    """The change of an event (`state: new → triaged`) in the reader's language."""
    kind, _, values = change.partition(": ")
    words = tell(_CHANGES[kind]) if kind in _CHANGES else kind
    return f"{words}: {' → '.join(map(_value_word, values.split(' → ')))}" if values else words


def _value_word(value: str) -> str:
    names = {state.value: tell(name) for state, name in STATES.items()}
    names |= {severity.value: tell(name) for severity, (name, _) in SEVERITIES.items()}
    return names.get(value, value)
