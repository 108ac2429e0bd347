"""What states, severities and outcomes are called, and their colours."""

from rich.text import Text as Shown

from secops.cli.tables import plain
from secops.model.finding import Severity, State
from secops.model.outcome import Outcome
from secops.model.text import Text
from secops.support.language import tell

SEVERITIES = {
    Severity.INFO: (Text("提示", "info"), "dim"),
    Severity.LOW: (Text("低", "low"), "cyan"),
    Severity.MEDIUM: (Text("中", "medium"), "yellow"),
    Severity.HIGH: (Text("高", "high"), "red"),
    Severity.CRITICAL: (Text("严重", "critical"), "bold white on red"),
}
STATES = {
    State.NEW: Text("新发现", "new"),
    State.TRIAGED: Text("已研判", "triaged"),
    State.IN_PROGRESS: Text("整改中", "in progress"),
    State.PENDING_VERIFICATION: Text("待复测", "pending verification"),
    State.RESOLVED: Text("已解决", "resolved"),
    State.FALSE_POSITIVE: Text("误报", "false positive"),
    State.RISK_ACCEPTED: Text("接受风险", "risk accepted"),
    State.OUT_OF_SCOPE: Text("不在范围", "out of scope"),
    State.REOPENED: Text("重新打开", "reopened"),
}
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
}
_CHANGES = {
    "seen": Text("首次发现", "first seen"),
    "reopened": Text("再次发现,重新打开", "seen again, reopened"),
    "resolved": Text("复测未见,已解决", "no longer found, resolved"),
    "severity": Text("严重程度", "severity"),
    "state": Text("人工改状态", "moved by hand"),
}


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


def value_word(value: str) -> Shown | str:
    """The value of a field as it is shown: states and severities by name, all else as it is."""
    if isinstance(value, Severity):
        return severity_word(value)
    return state_word(value) if isinstance(value, State) else value


def change_words(change: str) -> str:
    """The change of an event (`state: new → triaged`) in the reader's language."""
    kind, _, values = change.partition(": ")
    words = tell(_CHANGES[kind]) if kind in _CHANGES else kind
    return f"{words}: {' → '.join(map(_value_word, values.split(' → ')))}" if values else words


def _value_word(value: str) -> str:
    names = {state.value: tell(name) for state, name in STATES.items()}
    names |= {severity.value: tell(name) for severity, (name, _) in SEVERITIES.items()}
    return names.get(value, value)
