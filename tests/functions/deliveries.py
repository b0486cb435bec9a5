"""Calls of providers: the genuine cases, their forgeries, and what tests sign; and what the inbox keeps of them."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from tallystick.domain.inbox import InboxEvent
from tallystick.domain.webhooks import Provider
from tallystick.wiring import webhooks
from tests.functions import cloud, orders, providers
from tests.functions.world import Answer, answer
from tests.unit.webhooks.cases import Case, cases

CASES: Final = list(cases())
FORGED: Final = [case for case in CASES if case.expected != "genuine"]
NAMED: Final = {case.name: case for case in CASES}
EVENT: Final = orders.stripe_event(
    "evt_new", "payment_intent.succeeded", orders.payment("dep_open", 1200), providers.SIGNED_AT_MS
)
"""Stripe says that dep_open is paid; the world's own event, which says so too, was not processed yet."""


def called(
    case: Case,
    spell: Callable[[str], str] = str,
    *,
    encoded: bool = False,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    source_ip: str | None = None,
    query: str = "",
) -> Answer:
    """Send a case, with its headers in some spelling, or with other ones, or another body."""
    given = case.call.headers if headers is None else headers
    event = providers.call(
        case.call.provider,
        case.call.body if body is None else body,
        {spell(name): value for name, value in given.items()},
        path=case.call.path if case.call.provider is Provider.TRUELAYER else None,
        encoded=encoded,
        source_ip=source_ip,
        query=query,
    )
    return answer("webhooks", event)


def genuine(provider: Provider) -> Case:
    """Give the case that says that an order is paid."""
    return NAMED[f"{provider}-valid_deposit_completed"]


def sent(body: bytes = EVENT, provider: Provider = Provider.STRIPE, *, number: int = 7) -> Answer:
    """Send something that is signed."""
    return answer("webhooks", providers.signed(provider, body, providers.SIGNED_AT_MS, number=number))


def stored(external_id: str | None = None) -> dict[str, InboxEvent]:
    """Give the events of the inbox by their keys: all, or those with the provider's id."""
    rows = [row for row in cloud.rows("inbox") if external_id in {None, row["external_id"]["S"]}]
    keys = [row["inbox_key"]["S"] for row in rows]
    return {key: event for key in keys if (event := webhooks.inbox().get(key))}


def stored_as(external_id: str) -> list[InboxEvent]:
    """Give the events with the provider's id."""
    return list(stored(external_id).values())


def problem_of(answered: Answer) -> tuple[int, str]:
    """Give the status and the type of a problem."""
    problem: dict[str, Any] = json.loads(answered["body"])
    return answered["statusCode"], problem["type"].rpartition(":")[2]
