"""How many calls each step of a withdrawal takes, and what they cost; what indexes cost is not in it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest

from tallystick.domain.breaker import THRESHOLD, Breaker, BreakerState
from tallystick.domain.errors import LimitExceeded
from tallystick.domain.payouts import Outcome
from tallystick.domain.withdrawals import Withdrawal, WithdrawalState
from tallystick.services import reviews, withdrawals
from tallystick.services.sweeping import sweep
from tallystick.services.withdrawals import WithdrawalRequest
from tests.contract.leaving import ADMIN, BANK, FREE, OTHER_BANK, OWNER, Leaving
from tests.contract.test_dynamo_calls import consistency, operations
from tests.support.leaving import RULES
from tests.support.scene import NOW_MS
from tests.support.tables import Tables, item_bytes

READ, SEVERAL_READ, QUERIED = "GetItem", "BatchGetItem", "Query"
POSTED, PUT, UPDATED = "TransactWriteItems", "PutItem", "UpdateItem"


class Steps:
    """Bring a withdrawal to where a step is taken, and take it: in a warm Lambda, or in a cold one."""

    def hold_cold(self, leaving: Leaving) -> None:
        leaving.ask()

    def hold_cold_to_a_known_destination(self, leaving: Leaving) -> None:
        leaving.ask(2)
        leaving.restart()
        leaving.ask()

    def hold_warm(self, leaving: Leaving) -> None:
        leaving.ask(2, OTHER_BANK)
        leaving.warm()
        leaving.ask()

    def hold_warm_to_a_known_destination(self, leaving: Leaving) -> None:
        leaving.ask(2)
        leaving.warm()
        leaving.ask()

    def hold_warm_without_a_quota(self, leaving: Leaving) -> None:
        leaving.rules = FREE
        self.hold_warm(leaving)

    def hold_warm_to_a_known_destination_without_a_quota(self, leaving: Leaving) -> None:
        leaving.rules = FREE
        self.hold_warm_to_a_known_destination(leaving)

    def hold_for_review_warm_to_a_known_destination(self, leaving: Leaving) -> None:
        leaving.ask(2)
        leaving.warm()
        leaving.ask(amount="60.00")

    def hold_replayed(self, leaving: Leaving) -> None:
        leaving.ask()
        leaving.warm()
        leaving.ask()

    def hold_refused_by_the_quota(self, leaving: Leaving) -> None:
        leaving.rules = replace(RULES, daily_count=1)
        leaving.ask(2)
        leaving.warm()
        with pytest.raises(LimitExceeded):
            leaving.ask()

    def hold_over_more_than_a_whole_day(self, leaving: Leaving) -> None:
        leaving.rules = replace(RULES, daily_units=2000)
        with pytest.raises(LimitExceeded):
            leaving.ask()

    def approve(self, leaving: Leaving) -> None:
        asked = leaving.ask(amount="60.00")
        leaving.restart()
        leaving.approve(asked)

    def cancel_warm(self, leaving: Leaving) -> None:
        asked = leaving.ask()
        leaving.warm()
        leaving.cancel(asked)

    def cancel_cold(self, leaving: Leaving) -> None:
        asked = leaving.ask()
        leaving.restart()
        leaving.cancel(asked)

    def cancel_cold_without_a_quota(self, leaving: Leaving) -> None:
        leaving.rules = FREE
        self.cancel_cold(leaving)

    def reject_cold(self, leaving: Leaving) -> None:
        asked = leaving.ask(amount="60.00")
        leaving.restart()
        leaving.reject(asked)

    def submit_and_send_pending(self, leaving: Leaving) -> None:
        leaving.work(self._asked(leaving))

    def submit_and_send_paid_at_once(self, leaving: Leaving) -> None:
        leaving.payer.pays_at_once = True
        leaving.work(self._asked(leaving))

    def submit_a_draft_and_send_paid_at_once(self, leaving: Leaving) -> None:
        leaving.payer.signs = True
        self.submit_and_send_paid_at_once(leaving)

    def submit_and_send_refused(self, leaving: Leaving) -> None:
        leaving.payer.refuses = "no"
        leaving.work(self._asked(leaving))

    def submit_and_send_no_answer(self, leaving: Leaving) -> None:
        leaving.payer.away = True
        leaving.work(self._asked(leaving))

    def submit_and_send_after_a_failure(self, leaving: Leaving) -> None:
        leaving.dynamo.ports.breakers.save(Breaker("stripe").failed(NOW_MS))
        leaving.work(self._asked(leaving))

    def submit_and_send_as_a_probe(self, leaving: Leaving) -> None:
        self._open(leaving, until_ms=NOW_MS - 1)
        leaving.work(self._asked(leaving))

    def submit_while_the_breaker_is_open(self, leaving: Leaving) -> None:
        self._open(leaving, until_ms=NOW_MS + 1)
        leaving.work(self._asked(leaving))

    def look_up_pending(self, leaving: Leaving) -> None:
        leaving.work(self._sent(leaving))

    def look_up_no_answer(self, leaving: Leaving) -> None:
        sent = self._sent(leaving)
        leaving.payer.away = True
        leaving.work(sent)

    def look_up_paid(self, leaving: Leaving) -> None:
        sent = self._sent(leaving)
        leaving.end(sent)
        leaving.work(sent)

    def look_up_failed(self, leaving: Leaving) -> None:
        sent = self._sent(leaving)
        leaving.end(sent, Outcome.FAILED)
        leaving.work(sent)

    def look_up_failed_without_a_quota(self, leaving: Leaving) -> None:
        leaving.rules = FREE
        self.look_up_failed(leaving)

    def event_of_a_payout_that_was_paid(self, leaving: Leaving) -> None:
        sent = self._sent(leaving)
        leaving.handle(leaving.told(sent, Outcome.PAID, by=sent.flow_id))

    def event_that_names_the_payout_by_its_providers_name(self, leaving: Leaving) -> None:
        leaving.handle(leaving.told(self._sent(leaving), Outcome.PAID, by="stripe:po_1"))

    def event_of_a_payout_that_failed(self, leaving: Leaving) -> None:
        sent = self._sent(leaving)
        leaving.handle(leaving.told(sent, Outcome.FAILED, by=sent.flow_id))

    def event_of_a_payout_that_was_returned(self, leaving: Leaving) -> None:
        sent = self._sent(leaving)
        leaving.end(sent)
        leaving.work(sent)
        leaving.restart()
        leaving.handle(leaving.told(sent, Outcome.FAILED, by=sent.flow_id))

    def event_of_what_is_known(self, leaving: Leaving) -> None:
        sent = self._sent(leaving)
        leaving.end(sent)
        leaving.work(sent)
        leaving.handle(leaving.told(sent, Outcome.PAID, by=sent.flow_id))

    def sweep_of_one(self, leaving: Leaving) -> None:
        self._asked(leaving)
        flows = leaving.dynamo.ports.flows
        sweep(agenda=flows, queue=leaving.queue, names=("APPROVED", "SUBMITTED"), now_ms=NOW_MS + 1, grace_ms=1)

    def get(self, leaving: Leaving) -> None:
        asked = self._asked(leaving)
        withdrawals.get(flows=leaving.dynamo.ports.flows, caller=OWNER, flow_id=asked.flow_id)

    def list_of_an_owner(self, leaving: Leaving) -> None:
        self._asked(leaving)
        withdrawals.list_owned(flows=leaving.dynamo.ports.flows, caller=OWNER, limit=5, after=None)

    def list_of_a_state(self, leaving: Leaving) -> None:
        self._asked(leaving)
        flows = leaving.dynamo.ports.flows
        reviews.list_open(flows=flows, admin=ADMIN, state=WithdrawalState.APPROVED, limit=5, after=None)

    def quote_for_a_known_destination(self, leaving: Leaving) -> None:
        self._asked(leaving)
        withdrawals.quote(
            window=leaving.window,
            wallets=leaving.dynamo.ports.wallets,
            caller=OWNER,
            request=WithdrawalRequest(leaving.wallet_id, "5.00", BANK),
            now_ms=NOW_MS,
        )

    def _asked(self, leaving: Leaving) -> Withdrawal:
        asked = leaving.ask()
        leaving.restart()
        return asked

    def _sent(self, leaving: Leaving) -> Withdrawal:
        sent = leaving.work(leaving.ask())
        leaving.restart()
        return sent

    def _open(self, leaving: Leaving, until_ms: int) -> None:
        opened = Breaker("stripe", BreakerState.OPEN, THRESHOLD, until_ms, version=1)
        leaving.dynamo.ports.breakers.save(opened)


STEPS: Final = Steps()
FLOW_READ, NAME_READ, BREAKER_READ, EVENT_READ, ACCOUNT_READ, KEY_READ = (READ,) * 6
Step = Callable[[Leaving], None]
COSTS: Final[tuple[tuple[Step, list[str], int, float], ...]] = (
    (STEPS.hold_cold, [NAME_READ, ACCOUNT_READ, POSTED], 16, 2),
    (STEPS.hold_cold_to_a_known_destination, [NAME_READ, FLOW_READ, ACCOUNT_READ, POSTED], 14, 3),
    (STEPS.hold_warm, [NAME_READ, POSTED], 16, 1),
    (STEPS.hold_warm_to_a_known_destination, [NAME_READ, FLOW_READ, POSTED], 14, 2),
    (STEPS.hold_warm_without_a_quota, [NAME_READ, POSTED], 14, 1),
    (STEPS.hold_warm_to_a_known_destination_without_a_quota, [NAME_READ, FLOW_READ, POSTED], 12, 2),
    (STEPS.hold_for_review_warm_to_a_known_destination, [NAME_READ, FLOW_READ, POSTED], 14, 2),
    (STEPS.hold_replayed, [NAME_READ, FLOW_READ, POSTED, FLOW_READ], 14, 3),
    (STEPS.hold_refused_by_the_quota, [NAME_READ, FLOW_READ, POSTED, KEY_READ], 14, 3),
    (STEPS.hold_over_more_than_a_whole_day, [NAME_READ, ACCOUNT_READ, READ, KEY_READ], 0, 4),
    (STEPS.approve, [FLOW_READ, POSTED], 6, 1),
    (STEPS.cancel_warm, [FLOW_READ, POSTED], 14, 1),
    (STEPS.cancel_cold, [FLOW_READ, SEVERAL_READ, POSTED], 14, 3),
    (STEPS.cancel_cold_without_a_quota, [FLOW_READ, SEVERAL_READ, POSTED], 12, 3),
    (STEPS.reject_cold, [FLOW_READ, SEVERAL_READ, POSTED], 18, 3),
    (STEPS.submit_and_send_pending, [FLOW_READ, ACCOUNT_READ, BREAKER_READ, POSTED, POSTED], 10, 3),
    (STEPS.submit_and_send_paid_at_once, [FLOW_READ, ACCOUNT_READ, BREAKER_READ, POSTED, ACCOUNT_READ, POSTED], 18, 4),
    (
        STEPS.submit_a_draft_and_send_paid_at_once,
        [FLOW_READ, ACCOUNT_READ, BREAKER_READ, POSTED, ACCOUNT_READ, POSTED],
        20,
        4,
    ),
    (STEPS.submit_and_send_refused, [FLOW_READ, ACCOUNT_READ, BREAKER_READ, POSTED, SEVERAL_READ, POSTED], 20, 5),
    (
        STEPS.submit_and_send_no_answer,
        [FLOW_READ, ACCOUNT_READ, BREAKER_READ, POSTED, BREAKER_READ, PUT, FLOW_READ, POSTED],
        9,
        5,
    ),
    (
        STEPS.submit_and_send_after_a_failure,
        [FLOW_READ, ACCOUNT_READ, BREAKER_READ, POSTED, POSTED, BREAKER_READ, PUT],
        11,
        4,
    ),
    (
        STEPS.submit_and_send_as_a_probe,
        [FLOW_READ, ACCOUNT_READ, BREAKER_READ, PUT, POSTED, POSTED, BREAKER_READ, PUT],
        12,
        4,
    ),
    (STEPS.submit_while_the_breaker_is_open, [FLOW_READ, ACCOUNT_READ, BREAKER_READ, POSTED], 2, 3),
    (STEPS.look_up_pending, [FLOW_READ, BREAKER_READ, POSTED], 4, 2),
    (STEPS.look_up_no_answer, [FLOW_READ, BREAKER_READ, BREAKER_READ, PUT, FLOW_READ, POSTED], 5, 4),
    (STEPS.look_up_paid, [FLOW_READ, BREAKER_READ, ACCOUNT_READ, POSTED], 12, 3),
    (STEPS.look_up_failed, [FLOW_READ, BREAKER_READ, SEVERAL_READ, POSTED], 16, 4),
    (STEPS.look_up_failed_without_a_quota, [FLOW_READ, BREAKER_READ, SEVERAL_READ, POSTED], 14, 4),
    (STEPS.event_of_a_payout_that_was_paid, [EVENT_READ, FLOW_READ, ACCOUNT_READ, POSTED, UPDATED], 13, 3),
    (
        STEPS.event_that_names_the_payout_by_its_providers_name,
        [EVENT_READ, NAME_READ, FLOW_READ, ACCOUNT_READ, POSTED, UPDATED],
        13,
        4,
    ),
    (STEPS.event_of_a_payout_that_failed, [EVENT_READ, FLOW_READ, SEVERAL_READ, POSTED, UPDATED], 17, 4),
    (STEPS.event_of_a_payout_that_was_returned, [EVENT_READ, FLOW_READ, ACCOUNT_READ, POSTED, UPDATED], 11, 3),
    (STEPS.event_of_what_is_known, [EVENT_READ, FLOW_READ, UPDATED], 1, 2),
    (STEPS.sweep_of_one, [QUERIED, UPDATED, QUERIED], 1, 1.0),
    (STEPS.get, [FLOW_READ], 0, 1),
    (STEPS.list_of_an_owner, [QUERIED, SEVERAL_READ], 0, 1.5),
    (STEPS.list_of_a_state, [QUERIED, SEVERAL_READ], 0, 1.5),
    (STEPS.quote_for_a_known_destination, [ACCOUNT_READ, NAME_READ, FLOW_READ, READ], 0, 4),
)
"""What each takes: its calls, write units and read units."""


@pytest.mark.parametrize(
    ("step", "calls", "write_units", "read_units"), COSTS, ids=[cost[0].__name__.replace("_", " ") for cost in COSTS]
)
def test_a_step_takes_so_many_calls_and_units(
    dynamo: Tables, step: Step, calls: list[str], write_units: int, read_units: float
) -> None:
    step(Leaving(dynamo))
    assert operations(dynamo) == calls
    assert (dynamo.write_units(), dynamo.read_units()) == (write_units, read_units)
    reads = {consistency(call.operation, call.body) for call in dynamo.calls} - {None}
    assert reads <= {"GetItem", "BatchGetItem", "Query of the index"}


def test_every_step_is_weighed() -> None:
    assert {cost[0].__name__ for cost in COSTS} == {name for name in vars(Steps) if not name.startswith("_")}


def test_a_hold_asks_for_the_images_of_all_that_may_stand_in_the_way(dynamo: Tables) -> None:
    STEPS.hold_cold(Leaving(dynamo))
    parts = [part for outer in dynamo.calls[-1].body["TransactItems"] for part in outer.values()]
    told = {(part["TableName"], part.get("ReturnValuesOnConditionCheckFailure")) for part in parts}
    assert told == {(name, "ALL_OLD") for name in ("accounts", "flows", "operations", "transfers")} | {
        ("entries", None)
    }
    assert all(part["ConditionExpression"] for part in parts)


def test_an_item_is_weighed_by_names_and_values() -> None:
    item: dict[str, dict[str, Any]] = {
        "é": {"S": "é"},
        "n": {"N": "-12345"},
        "b": {"BOOL": True},
        "l": {"L": [{"M": {"x": {"N": "1"}}}]},
        "z": {"B": "AAECAw=="},
    }
    assert item_bytes(item) == (2 + 2) + (1 + 5) + (1 + 1) + (1 + 3 + 1 + 3 + 1 + 2 + 1) + (1 + 4)
