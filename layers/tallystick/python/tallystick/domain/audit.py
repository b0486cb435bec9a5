"""What admins did."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """Record who did what to what, when, from where; written once, in the transaction that did it."""

    subject: str
    action: str
    actor_id: str
    at_ms: int
    source_ip: str
    details: Mapping[str, str]
