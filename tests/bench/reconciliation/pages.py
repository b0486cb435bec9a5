"""Answer a checker's scans at once with pages of accounts that say they are unchanged, as DynamoDB would send them.

What is measured so is the checker alone: signing, parsing, hashing and adding up, without network or store.
"""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from tallystick.domain.alerts import Priority
from tallystick.domain.chain import digest, genesis
from tallystick.domain.reconciliation import Head
from tallystick.domain.runs import Mode, Run, Sums
from tests.support.reconciling import never
from tests.support.tables import READ_UNIT_BYTES, item_bytes

if TYPE_CHECKING:
    from tallystick.services.covering import Cover

PAGE: Final = 200
DISTINCT: Final = 25
"""Pages that differ from each other; after them the first comes again."""

RUN: Final = Run("run_of_bench", Mode.CHANGED, "bench", started_at_ms=10**12, cut_ms=10**12, segments=1)


class Answers:
    """Stand in for DynamoDB's scan of so many accounts."""

    def __init__(self, accounts: int) -> None:
        """Write the pages down beforehand."""
        distinct = [[_item(page * PAGE + number) for number in range(PAGE)] for page in range(DISTINCT)]
        self.item_bytes = item_bytes(distinct[0][0])
        self.units_a_page = -(-sum(map(item_bytes, distinct[0])) // READ_UNIT_BYTES) / 2
        self._bodies = [_body(items, is_last=False) for items in distinct]
        self._last = _body(distinct[-1], is_last=True)
        self._left = accounts // PAGE

    def __call__(self, **_: Any) -> AWSResponse:  # noqa: ANN401 (what botocore tells)
        """Answer one call."""
        self._left -= 1
        body = self._bodies[self._left % DISTINCT] if self._left else self._last
        return AWSResponse("", 200, HTTPHeaders(), _Raw(body))


class _Raw:
    """Be read as botocore reads an answer."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: Any) -> Iterator[bytes]:  # noqa: ANN401 (how much at once)
        yield self._body


def enter() -> None:
    """Let this process use `tallystick.wiring` without a cloud."""
    tables = {f"TALLYSTICK_{name}_TABLE": name for name in _TABLES}
    credentials = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_REGION": "us-east-1"}
    topics = {f"TALLYSTICK_ALERTS_TOPIC_{priority}_ARN": "arn:bench" for priority in Priority}
    os.environ |= tables | credentials | topics | {"TALLYSTICK_STAGE": "local"}


def cpu_s(accounts: int) -> float:
    """Measure a worker that goes through so many unchanged accounts."""
    from tallystick.wiring import _connection
    from tallystick.wiring.reconciliation import cover

    answers = Answers(accounts)
    events: Any = _connection().client.meta.events
    events.register_first("before-send.dynamodb.Scan", answers)
    started = time.process_time()
    sums = passed_through(cover(), RUN)
    took_s = time.process_time() - started
    events.unregister("before-send.dynamodb.Scan", answers)
    if (sums.counted.accounts, sums.counted.checked) != (accounts, 0):
        raise AssertionError(f"unexpected: {sums.counted}")
    return took_s


def passed_through(cover: "Cover", run: Run) -> Sums:
    """Go through all accounts, page by page."""
    from tallystick.services.covering import cover_accounts

    sums, after = Sums(), None
    while True:
        page, after = cover_accounts(cover=cover, run=run, number=0, after=after, is_time_up=never)
        sums += page
        if after is None:
            return sums


_TABLES: Final = ("ACCOUNTS", "ENTRIES", "TRANSFERS", "FLOWS", "AUDIT", "OPERATIONS")


def head(number: int) -> Head:
    """Describe a wallet of some age that was checked."""
    account_id = f"wal_{digest('bench', str(number))[:32]}"
    unchecked = Head(
        account_id=account_id,
        owner_id=digest("owner", str(number))[:36],
        kind="user",
        asset="USD",
        scale=2,
        balance=1_234_567,
        version=142,
        head_hash=genesis(account_id, "USD"),
        head_time_ms=999_000_000_000 + number,
    )
    return replace(unchecked, checked=unchecked.mark, checked_in="run_0123456789abcdef01234567")


def item_of(found: Head) -> dict[str, dict[str, Any]]:
    """Store it as the product does."""
    texts = ("account_id", "owner_id", "kind", "asset", "head_hash", "checked", "checked_in")
    numbers = ("scale", "balance", "held", "version", "head_time_ms")
    return {
        **{name: {"S": getattr(found, name)} for name in texts},
        **{name: {"N": str(getattr(found, name))} for name in numbers},
        "needs_reconciliation": {"BOOL": False},
        "status": {"S": "ACTIVE"},
        "created_at": {"S": "2026-01-01T00:00:00.000Z"},
    }


def _item(number: int) -> dict[str, dict[str, Any]]:
    return item_of(head(number))


def _body(items: list[dict[str, dict[str, Any]]], *, is_last: bool) -> bytes:
    following = {} if is_last else {"LastEvaluatedKey": {"account_id": items[-1]["account_id"]}}
    return json.dumps({"Items": items, "Count": len(items), "ScannedCount": len(items), **following}).encode()
