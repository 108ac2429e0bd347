"""What runs, their entries and their safety are called."""

from playbooks.action import Touches
from secops.execution.executor import How
from secops.execution.journal import Kind, Mode
from secops.model.text import Text

MODES = {
    Mode.REAL: Text("执行", "real"),
    Mode.DRILL: Text("演练", "drill"),
    Mode.REHEARSAL: Text("预演", "rehearsal"),
}
ENTRIES = {
    Kind.STARTED: Text("开始", "started"),
    Kind.INTENT: Text("意图", "intent"),
    Kind.OUTCOME: Text("结果", "outcome"),
    Kind.STEP: Text("步骤", "step"),
    Kind.APPROVAL: Text("批准", "approval"),
    Kind.DECISION: Text("判定", "decision"),
    Kind.STATE: Text("状态", "state"),
}
HOWS = {
    How.PERFORMED: Text("已执行", "performed"),
    How.ALREADY_DONE: Text("已经如此", "already done"),
    How.FOUND_DONE: Text("续行时已完成", "found done"),
    How.ASSUMED: Text("预演假定", "assumed"),
    How.DECIDED: Text("人工判定", "decided"),
}
TOUCHES = {
    Touches.READS: Text("只读", "reads"),
    Touches.ADDS: Text("新增", "adds"),
    Touches.RETIRES: Text("清理", "retires"),
    Touches.CHANGES: Text("改变", "changes"),
    Touches.FENCES: Text("隔离", "fences"),
}
