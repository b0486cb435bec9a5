"""What repairing an account needs of the store."""

from typing import Protocol

from tallystick.domain.audit import AuditRecord
from tallystick.domain.repairing import Rederive


class Repairs(Protocol):
    """Put accounts right; every repair stands in the audit, written with it."""

    def rederive(self, remedy: Rederive, audit: AuditRecord) -> bool:
        """Change an account if it is exactly as it was seen; the next run of reconciliation examines it whole."""
