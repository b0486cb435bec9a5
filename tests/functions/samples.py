"""The sample events of `events/`, and what each of them is answered.

A file is named `<status>-<case>.json`. For functions that nobody calls over HTTP the number is that of the alerts
(`ledger_guard`, `tally`), of the messages that stay in the queue (`webhook_processor`, `payout_worker`, `reconciler`),
of what is queued, or of jobs that are late (`watchdog`).
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

EVENTS: Final = Path(__file__).parents[2] / "events"
PROBLEM_TYPES: Final = (
    (r"400-.*body-", "malformed-body"),
    (r"400-.*key-missing", "idempotency-key-missing"),
    (r"400-.*key-", "idempotency-key-invalid"),
    (r"401-(moonpay|paystack|ramp|stellar|stripe|truelayer)-", "webhook-refused"),
    (r"401-(confirm|login|refresh)-", "invalid-credentials"),
    (r"401-", "unauthenticated"),
    (r"403-.*service-limit", "service-limit-exceeded"),
    (r"403-login-unconfirmed", "email-not-confirmed"),
    (r"403-login-challenged", "login-step-required"),
    (r"403-", "forbidden"),
    (r"404-", "not-found"),
    (r"409-.*key-voided", "idempotency-key-voided"),
    (r"409-void-committed", "idempotency-key-committed"),
    (r"409-.*already-reversed", "already-reversed"),
    (r"409-reverse-a-reversal", "not-reversible"),
    (r"409-.*insufficient-funds", "insufficient-funds"),
    (r"409-.*balance-limit", "balance-limit-exceeded"),
    (r"409-close-not-empty", "wallet-not-empty"),
    (r"409-limit-exceeded", "limit-exceeded"),
    (r"409-(approve|cancel|fetch|redrive|reject|resolve)-", "illegal-transition"),
    (r"409-register", "email-registered"),
    (r"409-.*(frozen|closed)", "account-not-active"),
    (r"422-.*amount-(given|missing)", "invalid-request"),
    (r"422-.*amount-", "invalid-amount"),
    (r"422-.*key-reused", "idempotency-key-reused"),
    (r"422-.*provider-refused", "provider-refused"),
    (r"422-.*(asset-mismatch|unknown-asset)", "asset-mismatch"),
    (r"422-", "invalid-request"),
    (r"429-", "too-many-requests"),
    (r"503-provider-", "provider-unavailable"),
    (r"503-", "store-unavailable"),
)
"""What a refused case is called and the problem that it is answered; the first one that fits counts."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Find one sample event by its function and the name of its file."""

    function: str
    name: str

    @property
    def number(self) -> int:
        """Tell the status, or the number of whatever else, that is expected."""
        return int(self.name.partition("-")[0])

    @property
    def problem_type(self) -> str:
        """Tell the type of the problem that is expected."""
        return next(problem for pattern, problem in PROBLEM_TYPES if re.match(pattern, self.name))

    @property
    def event(self) -> dict[str, Any]:
        """Read the event."""
        event: dict[str, Any] = json.loads((EVENTS / self.function / f"{self.name}.json").read_text())
        return event

    def __str__(self) -> str:
        """Name the file."""
        return f"{self.function}/{self.name}"


def samples_of(*functions: str) -> list[Sample]:
    """List the samples of some functions."""
    return [
        Sample(function, path.stem) for function in functions for path in sorted((EVENTS / function).glob("*.json"))
    ]


def functions() -> list[str]:
    """List the functions that have samples."""
    return sorted(path.name for path in EVENTS.iterdir() if path.is_dir())
