"""What a person calls the states and severities of findings, in both languages: for sentences of every layer."""

from secops.model.finding import Severity, State
from secops.model.text import Text

SEVERITY_NAMES = {
    Severity.INFO: Text("提示", "info"),
    Severity.LOW: Text("低", "low"),
    Severity.MEDIUM: Text("中", "medium"),
    Severity.HIGH: Text("高", "high"),
    Severity.CRITICAL: Text("严重", "critical"),
}
STATE_NAMES = {
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


def both(name: State) -> str:
    """For a Chinese sentence that says what to type: the name, and the word behind it."""
    return f"{STATE_NAMES[name].zh}({name.value})"
