"""Who acts as an admin, from where and when."""

from dataclasses import dataclass

from tallystick.domain.audit import AuditRecord
from tallystick.domain.callers import Caller


@dataclass(frozen=True, slots=True)
class Admin:
    """Say who acts, from where and when."""

    caller: Caller
    source_ip: str
    now_ms: int

    def record(self, subject: str, action: str, **details: str) -> AuditRecord:
        """Describe an action for the audit."""
        return AuditRecord(subject, action, self.caller.caller_id, self.now_ms, self.source_ip, details)
