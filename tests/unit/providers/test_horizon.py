import json
from typing import Any

import pytest

from tallystick.adapters.providers.stellar.horizon import HorizonPayments
from tallystick.domain.errors import ProviderUnavailable
from tallystick.domain.webhooks import Paid, Provider
from tests.support.sandbox import RunningSandbox
from tests.unit.providers.world import ANCHOR, HORIZON_RECORDS, OUR_ACCOUNT, read, setting

RECORD = HORIZON_RECORDS[0]
STRANGER = RECORD["from"]

FIRST = 113_928_152_169_844_737


def payments(sandbox: RunningSandbox, **changes: Any) -> HorizonPayments:  # noqa: ANN401 (any member)
    return HorizonPayments(setting(Provider.STELLAR, sandbox.url("stellar"), **changes))


def put(sandbox: RunningSandbox, number: int, **members: object) -> str:
    token = str(FIRST + number)
    sandbox.put("stellar", token, **{**RECORD, "id": token, "paging_token": token, **members})
    return token


def test_an_account_that_is_not_funded_has_no_payments(sandbox: RunningSandbox) -> None:
    assert payments(sandbox).after(None) == []


def test_payments_come_in_order_with_their_transactions(sandbox: RunningSandbox) -> None:
    tokens = [put(sandbox, number) for number in (2, 0, 1)]
    arrivals = payments(sandbox).after(None)
    assert [arrival.cursor for arrival in arrivals] == sorted(tokens)
    assert [arrival.external_id for arrival in arrivals] == sorted(tokens)
    (paid,) = read(Provider.STELLAR, arrivals[0].body).facts
    assert isinstance(paid, Paid)
    assert paid.payment_id == arrivals[0].external_id


def test_a_list_goes_on_behind_its_cursor(sandbox: RunningSandbox) -> None:
    tokens = [put(sandbox, number) for number in range(5)]
    listed = payments(sandbox)
    first = listed.after(None, limit=2)
    assert [arrival.cursor for arrival in first] == tokens[:2]
    assert [arrival.cursor for arrival in listed.after(first[-1].cursor)] == tokens[2:]
    assert listed.after(tokens[-1]) == []


def test_only_what_arrives_is_ours(sandbox: RunningSandbox) -> None:
    put(sandbox, 0)
    put(sandbox, 1, to=STRANGER, **{"from": OUR_ACCOUNT})
    put(sandbox, 2, transaction_successful=False)
    put(sandbox, 3, type="account_merge", into=OUR_ACCOUNT, amount=None)
    assert [arrival.to_us for arrival in payments(sandbox).after(None)] == [True, False, False, True]


def test_what_cannot_be_read_is_kept_for_a_person(sandbox: RunningSandbox) -> None:
    put(sandbox, 0, created_at=None)
    (arrival,) = payments(sandbox).after(None)
    assert arrival.to_us


def test_what_has_no_id_stops_the_list(sandbox: RunningSandbox) -> None:
    put(sandbox, 0, id=None)
    with pytest.raises(ProviderUnavailable):
        payments(sandbox).after(None)


def test_several_addresses_make_one_list(sandbox: RunningSandbox) -> None:
    tokens = [put(sandbox, number, to=(OUR_ACCOUNT, ANCHOR)[number % 2]) for number in range(6)]
    both = put(sandbox, 6, to=OUR_ACCOUNT, **{"from": ANCHOR})
    listed = payments(sandbox, addresses={"USDC": OUR_ACCOUNT, "XLM": ANCHOR})
    assert [arrival.cursor for arrival in listed.after(None, limit=3)] == tokens[:3]
    assert [arrival.cursor for arrival in listed.after(tokens[2])] == [*tokens[3:], both]


def test_a_list_is_named_by_its_addresses(sandbox: RunningSandbox) -> None:
    assert payments(sandbox).name == f"stellar:{OUR_ACCOUNT}"
    two = payments(sandbox, addresses={"USDC": OUR_ACCOUNT, "XLM": ANCHOR, "*": OUR_ACCOUNT})
    assert two.name == f"stellar:{OUR_ACCOUNT}+{ANCHOR}"


def test_horizon_is_asked_for_whole_transactions(sandbox: RunningSandbox) -> None:
    payments(sandbox).after("17")
    (call,) = sandbox.calls("stellar")
    assert call["path"] == f"/accounts/{OUR_ACCOUNT}/payments"
    assert call["query"] == {"order": "asc", "limit": "200", "join": "transactions", "cursor": "17"}


def test_a_record_is_kept_as_it_came(sandbox: RunningSandbox) -> None:
    put(sandbox, 0)
    (arrival,) = payments(sandbox).after(None)
    assert json.loads(arrival.body) == sandbox.things("stellar")[arrival.external_id]


def test_horizon_that_is_busy_is_asked_later(sandbox: RunningSandbox) -> None:
    sandbox.fail("stellar", status=429, times=3)
    with pytest.raises(ProviderUnavailable):
        payments(sandbox).after(None)
