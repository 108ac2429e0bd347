"""What a pack tells, counted while it is read."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from secops.evidence.chain import Kind, Linked
from secops.model.finding import State

_CLOSED = {state.value for state in State if not state.open}


@dataclass(slots=True)
class Summary:
    """Filled record by record with `add`; all of it may come from a stranger, so show it as text and nothing else."""

    run: str = ""
    product: str = ""
    city: dict[str, object] = field(default_factory=dict)
    fingerprint: str = ""
    begun: str = ""
    sealed: str = ""
    """Empty when no seal was reached."""
    kinds: Counter[str] = field(default_factory=Counter)
    """How many records of each kind."""
    before: Counter[str] = field(default_factory=Counter)
    """Open findings before, by severity."""
    after: Counter[str] = field(default_factory=Counter)
    timing: dict[str, object] = field(default_factory=dict)
    """The body of the last `timing` record."""
    tools: dict[str, str] = field(default_factory=dict)
    attachments: set[str] = field(default_factory=set)

    def add(self, linked: Linked) -> None:
        """Take one more record into account."""
        self.kinds[linked.kind] += 1
        match linked.kind:
            case Kind.HEADER:
                self._add_header(linked)
            case Kind.FINDING_BEFORE if _is_open(linked.body):
                self.before[_severity(linked.body)] += 1
            case Kind.FINDING_AFTER if _is_open(linked.body):
                self.after[_severity(linked.body)] += 1
            case Kind.TIMING:
                self.timing = linked.body
            case Kind.TOOLS:
                self.tools |= {name: str(version) for name, version in linked.body.items()}
            case Kind.ATTACHMENT:
                self.attachments.add(str(linked.body.get("name", "")))
            case Kind.SEAL:
                self.sealed = linked.at

    def _add_header(self, linked: Linked) -> None:
        self.run = str(linked.body.get("run", ""))
        self.product = str(linked.body.get("product", ""))
        self.city = _mapping(linked.body.get("city"))
        self.fingerprint = str(linked.body.get("fingerprint", ""))
        self.begun = linked.at


def summarise(records: Iterable[Linked], into: Summary) -> Summary:
    """Add every record; what was added before `records` raises stays in `into`."""
    for linked in records:
        into.add(linked)
    return into


def _is_open(body: Mapping[str, object]) -> bool:
    """What is of no state that we know counts as open: nothing is closed by being strange."""
    return str(body.get("state")) not in _CLOSED


def _severity(body: Mapping[str, object]) -> str:
    """Of a finding as the model writes it; `unknown` for anything else."""
    severity = _mapping(body.get("weakness")).get("severity", body.get("severity"))
    return severity if isinstance(severity, str) else "unknown"


def _mapping(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}
