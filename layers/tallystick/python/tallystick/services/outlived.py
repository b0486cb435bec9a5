"""End alerts that have outlived what they tell of."""

from typing import Final

from tallystick.domain.inbox import DEAD_LETTER_PREFIX
from tallystick.services.alerting import KeptAlerts
from tallystick.services.following import PAYOUT_UNCLEAR
from tallystick.services.ports.flows import Flows
from tallystick.services.ports.inbox import Inbox
from tallystick.services.processing import WEBHOOK_FAILURE
from tallystick.services.steps import find_withdrawal

MAX_LISTED: Final = 100
"""The newest alerts of each kind that one run looks at; the next one follows in a minute."""


def end_outlived(*, alerts: KeptAlerts, inbox: Inbox, flows: Flows) -> int:
    """End open alerts about events and payouts that are at their end; answer how many there were.

    Whoever raised one may not have known of that end, and whoever knew may have died before taking it back.

    Raises:
        TooMuchContention, StoreUnavailable: not now.
    """

    def is_processed(subject: str) -> bool:
        event = inbox.get(subject.removeprefix(DEAD_LETTER_PREFIX)) if subject.startswith(DEAD_LETTER_PREFIX) else None
        return event is not None and event.is_over

    def is_paid_or_not(subject: str) -> bool:
        withdrawal = find_withdrawal(flows, subject)
        return withdrawal is not None and not withdrawal.is_open

    over = [
        alert
        for kind, is_over in ((WEBHOOK_FAILURE, is_processed), (PAYOUT_UNCLEAR, is_paid_or_not))
        for alert in alerts.store.unresolved(kind, MAX_LISTED, None).items
        if is_over(alert.subject)
    ]
    for alert in over:
        alerts.end_alert(alert.kind, alert.subject)
    return len(over)
