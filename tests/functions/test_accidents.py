"""Kill the processor before and after each call to AWS, or let that call fail, and hand it the event again.

In the short profile one in three of these: the simulator, too, puts every fault to every call.
"""

from collections.abc import Callable
from itertools import product
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from tallystick.domain.webhooks import Provider
from tests.functions import books, cloud, orders, providers
from tests.functions.deliveries import sent, stored_as
from tests.functions.world import Clock, answer
from tests.support.events import http_event
from tests.support.moto import Snapshot
from tests.support.profiles import some

HOUR_MS: Final = 3_600_000
SITUATIONS: Final = {
    "paid": [("deposit", 2599)],
    "refunded before": [("deposit", 2599), ("refund", 1000)],
    "charged back": [("deposit", 2599), ("chargeback", 2599)],
    "too little": [],
    "of a closed wallet": [("deposit", 2599)],
}
"""What is moved for the order in the end."""

Accident = Callable[[], BaseException]
ACCIDENTS: Final[dict[str, Accident]] = {
    "killed": cloud.Killed,
    "no answer": lambda: ReadTimeoutError(endpoint_url="https://dynamodb.us-east-1.amazonaws.com"),
    "denied": lambda: ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "Any"),
}

pytestmark = [
    pytest.mark.usefixtures("small_world", "when_cases_were_signed"),
    pytest.mark.filterwarnings("ignore:No application metrics"),
]


@pytest.mark.parametrize("accident", ACCIDENTS.values(), ids=ACCIDENTS.keys())
@pytest.mark.parametrize("situation", SITUATIONS)
def test_an_accident_at_any_call_changes_nothing_in_the_end(situation: str, accident: Accident, clock: Clock) -> None:
    record = cloud.message(_delivered(situation))
    start, now_ms = Snapshot.take(), clock.now_ms
    with cloud.watched() as calls:
        assert cloud.process(record) == []
    expected = _outcome()
    assert expected["moved"] == SITUATIONS[situation]
    assert 3 < len(calls) < 40
    for position, moment in some([*product(range(len(calls)), ("before", "after"))]):
        start.restore()
        cloud.reset()
        _restart(clock, now_ms)
        _suffer(record, **{moment: cloud.at(position, accident)})
        _restart(clock, now_ms + HOUR_MS)
        assert cloud.process(record) == []
        assert _outcome() == expected, f"{moment} {calls[position]}, call {position}"


def _delivered(situation: str) -> str:
    """Bring about a situation, and give the key of the event that is to be processed in it."""
    wallet_id = "wal_cora_closed" if situation == "of a closed wallet" else "wal_cora_usd"
    orders.place(orders.order("dep_1", Provider.STRIPE, wallet_id, "25.99", references=("stripe:pi_1",)))
    units = 2598 if situation == "too little" else 2599
    paid = _deliver("evt_paid_now", "payment_intent.succeeded", orders.payment("dep_1", units))
    if situation == "refunded before":
        refund = orders.taken_back("re_now", "dep_1", 1000, "succeeded")
        cloud.process(cloud.message(_deliver("evt_re_now", "refund.created", refund)))
    if situation != "charged back":
        return paid
    cloud.process(cloud.message(paid))
    _spend("80.00")
    dispute = orders.taken_back("dp_now", "dep_1", 2599, "needs_response")
    return _deliver("evt_dp_now", "charge.dispute.created", dispute)


def _deliver(event_id: str, kind: str, thing: dict[str, Any]) -> str:
    assert sent(orders.stripe_event(event_id, kind, thing, providers.SIGNED_AT_MS))["statusCode"] == 200
    return stored_as(event_id)[0].inbox_key


def _spend(amount: str) -> None:
    path = "/v1/wallets/wal_cora_usd/debit"
    spent = answer("debit", http_event("POST", path, {"amount": amount}, caller="till", groups="[SERVICE]", key="s"))
    assert spent["statusCode"] == 201


def _suffer(record: dict[str, Any], **hooks: cloud.Operation) -> None:
    try:
        with cloud.watched(**hooks):
            cloud.process(record)
    except cloud.Killed:
        pass


def _restart(clock: Clock, now_ms: int) -> None:
    cloud.forget_ledger()
    clock.now_ms = now_ms


def _outcome() -> dict[str, Any]:
    """Say all that matters in the end."""
    events = [event for name in ("evt_paid_now", "evt_dp_now", "evt_re_now") for event in stored_as(name)]
    found = books.check()
    return {
        "moved": found.of_deposit("dep_1"),
        "transfers": {transfer.transfer_id for transfer in found.transfers},
        "wallet": orders.balance("wal_cora_usd"),
        "owed": found.side("external:receivable:USD"),
        "provider": found.side("external:stripe:USD"),
        "states": [(event.state, event.transfers) for event in events],
        "alerts": {alert["kind"] for alert in cloud.alerts()},
    }
