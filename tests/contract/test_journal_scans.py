"""Pages of accounts and transfers are read as they are sent, not along the SDK's model: it must make no difference."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from tallystick.adapters.dynamo.book import DynamoBook
from tallystick.adapters.dynamo.journal import DynamoJournal
from tallystick.adapters.dynamo.wallets import DynamoWallets
from tallystick.domain.callers import Caller, Role
from tallystick.domain.errors import StoreUnavailable
from tallystick.domain.money import MAX_UNITS
from tallystick.services import movements
from tallystick.services.ledger import Ledger
from tallystick.services.movements import ServiceMovement
from tests.support.scene import account, claim, no_pause
from tests.support.tables import tables

TILL = Caller("till", frozenset({Role.SERVICE}))
LARGEST = f"{MAX_UNITS // 100}.{MAX_UNITS % 100:02d}"


def test_scans_show_what_single_reads_show() -> None:
    with tables() as made:
        journal, book = DynamoJournal(made.connection, consistent=False), DynamoBook(made.connection)
        for number in range(5):
            DynamoWallets().create(account(f"wal_{number}"))
        request = ServiceMovement("wal_1", LARGEST, "stripe:pi_1", {"note": 'größer, "quoted"'})
        ledger = Ledger(book=book, pause=no_pause)
        movements.credit(ledger=ledger, caller=TILL, claim=claim("k", caller=TILL), request=request, now_ms=1000)
        heads = [head for page in _pages(journal, "heads") for head in page]
        assert sorted(head.account_id for head in heads) == [f"wal_{number}" for number in range(5)]
        assert all(head == journal.head(head.account_id) for head in heads)
        assert max(head.balance for head in heads) == MAX_UNITS
        ((key, record),) = [found for page in _pages(journal, "transfers") for found in page]
        assert record == book.record(key)


def test_a_scan_that_is_throttled_is_trouble() -> None:
    with tables() as made, made.refusing("Scan", "ThrottlingException"), pytest.raises(StoreUnavailable):
        DynamoJournal(made.connection, consistent=False).heads(0, 1, None, 10)


def test_a_scan_that_is_throttled_at_every_try_of_the_sdk_is_trouble() -> None:
    with tables() as made, made.sending("Scan", _throttled), pytest.raises(StoreUnavailable):
        DynamoJournal(made.connection, consistent=False).heads(0, 1, None, 10)


def _throttled(**_: object) -> AWSResponse:
    return AWSResponse("", 400, HTTPHeaders(), _Refusal())


class _Refusal:
    def stream(self, **_: object) -> Iterator[bytes]:
        yield b'{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"slow down"}'


def _pages(journal: DynamoJournal, name: str) -> list[list[Any]]:
    pages: list[list[Any]] = []
    after = None
    while True:
        page = getattr(journal, name)(0, 1, after, 2)
        pages.append(page.items)
        after = page.next_key
        if after is None:
            return pages
