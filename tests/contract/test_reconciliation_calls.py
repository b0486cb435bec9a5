"""How many calls reconciliation makes for a page of one wallet, or of transfers; `pytest -s` prints the table."""

from collections import Counter
from collections.abc import Callable
from typing import Final

import pytest

from tallystick.adapters.dynamo.checkpoints import DynamoCheckpoints
from tallystick.adapters.dynamo.flows import DynamoFlows
from tallystick.adapters.dynamo.journal import DynamoJournal
from tallystick.adapters.dynamo.runs import DynamoSuspects
from tallystick.adapters.dynamo.tallies import DynamoTallies
from tallystick.domain.runs import Mode, Run
from tallystick.services.covering import Cover, cover_accounts, cover_transfers
from tallystick.services.examining import Desk as Examiner
from tallystick.services.ledger import Ledger
from tests.support.fake_store import FakeStore
from tests.support.fake_webhooks import FakeAlerts
from tests.support.reconciling import never
from tests.support.scene import NOW_MS, Desk, account, no_pause
from tests.support.tables import Tables

RUN: Final = Run("run_1", Mode.CHANGED, "test", NOW_MS + 200_000, NOW_MS + 100_000, 1)
FULL: Final = Run("run_2", Mode.FULL, "test", NOW_MS + 200_000, NOW_MS + 100_000, 1)


class Office:
    """Move money in one wallet, and go through it."""

    def __init__(self, made: Tables) -> None:
        """Open the wallet and look at it once."""
        self.made = made
        self.desk = Desk(Ledger(made.ports.book, no_pause))
        quick, exact = (DynamoJournal(made.connection, consistent=consistent) for consistent in (False, True))
        examiner = Examiner(quick, exact, DynamoCheckpoints(made.connection), no_pause)
        flows, tallies = DynamoFlows(made.connection), DynamoTallies(made.connection)
        self.cover = Cover(examiner, flows, tallies, DynamoSuspects(), FakeAlerts(FakeStore()), 100)
        made.ports.wallets.create(account())
        self.credits(1)
        self.accounts(RUN)

    def credits(self, count: int) -> None:
        """Move money in."""
        for _ in range(count):
            self.desk.credit(f"c{len(self.made.calls)}", "1.00")

    def accounts(self, run: Run) -> None:
        """Go through the accounts."""
        cover_accounts(cover=self.cover, run=run, number=0, after=None, is_time_up=never)

    def transfers(self) -> None:
        """Go through the transfers."""
        cover_transfers(cover=self.cover, run=FULL, number=0, after=None, is_time_up=never)


def accounts(run: Run, credited: int) -> tuple[int, Callable[[Office], None]]:
    return credited, lambda office: office.accounts(run)


OTHER: Final = Run("run_3", Mode.CHANGED, "test", NOW_MS + 200_000, NOW_MS + 100_000, 1)
CHANGED_CALLS: Final = {
    "Scan accounts": 1,
    "Query audit": 1,
    "Query entries": 1,
    "BatchGetItem transfers": 1,
    "TransactWriteItems": 1,
    "UpdateItem accounts": 1,
}
"""Of a changed wallet, however many credits changed it: its checkpoint, its entries, their transfers, a checkpoint."""

TABLE: Final[dict[str, tuple[int, Callable[[Office], None], dict[str, int]]]] = {
    "changed run, unchanged wallet": (*accounts(OTHER, 0), {"Scan accounts": 1}),
    "changed run, 1 credit": (*accounts(OTHER, 1), CHANGED_CALLS),
    "changed run, 10 credits": (*accounts(OTHER, 10), CHANGED_CALLS),
    "full run, 10 credits": (*accounts(FULL, 10), CHANGED_CALLS | {"Query audit": 2}),
}


def calls_of(made: Tables) -> dict[str, int]:
    names = (
        f"{call.operation} {call.body.get('TableName') or ' '.join(call.body.get('RequestItems', ()))}".strip()
        for call in made.calls
    )
    return dict(Counter(names))


@pytest.mark.parametrize("name", TABLE)
def test_calls_for_a_page_of_one_wallet(name: str, dynamo: Tables) -> None:
    credited, act, expected = TABLE[name]
    office = Office(dynamo)
    office.credits(credited)
    dynamo.calls.clear()
    act(office)
    print(f"{name}: {calls_of(dynamo)}")  # noqa: T201 (for the notes of a release)
    assert calls_of(dynamo) == expected


@pytest.mark.parametrize("credited", [1, 10])
def test_calls_for_a_page_of_transfers(credited: int, dynamo: Tables) -> None:
    """Each transfer's entry is read, the account once, and what the stream has lost is added at once."""
    office = Office(dynamo)
    office.credits(credited - 1)
    office.transfers()
    dynamo.calls.clear()
    office.transfers()
    print(f"full run, {credited} transfers: {calls_of(dynamo)}")  # noqa: T201 (for the notes of a release)
    expected = {"Scan transfers": 1, "Query entries": credited, "GetItem accounts": 1, "BatchGetItem operations": 1}
    assert calls_of(dynamo) == expected
