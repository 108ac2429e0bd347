"""What is audited of each thing that people and policies do, in the same words by every store."""

from datetime import datetime
from hashlib import sha256

from secops.model.acceptance import Acceptance
from secops.model.text import Text
from secops.store.event import Event
from secops.store.finding_store import AuditEntry


def edit_audited(event: Event) -> AuditEntry:
    """Of a finding that was changed."""
    return AuditEntry(event.at, event.actor, "edit", event.finding, event.change, event.reason)


def acceptance_audited(acceptance: Acceptance, actor: str, action: str, at: datetime) -> AuditEntry:
    """Of an acceptance that was requested, approved or ended."""
    reason = acceptance.ended_because or acceptance.reason
    return AuditEntry(at, actor, "acceptance", acceptance.id, action, Text(reason, reason))


def baseline_audited(asset: str, check: str, observation: bytes, approved_by: str, at: datetime) -> AuditEntry:
    """Of an observation that was made the baseline."""
    detail = f"approved: {sha256(observation).hexdigest()}"
    return AuditEntry(at, approved_by, "baseline", f"{asset} {check}", detail, Text("", ""))
