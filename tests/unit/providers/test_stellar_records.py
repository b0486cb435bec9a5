"""Read from the chain what was paid to us, and nothing else."""

from typing import Any

import pytest

from tallystick.adapters.providers import listing, registry
from tallystick.adapters.providers.stellar import records
from tallystick.adapters.providers.stellar.horizon import HorizonPayments
from tallystick.domain.errors import ProviderUnavailable
from tallystick.domain.money import DEFAULT_ASSETS
from tallystick.domain.provider_records import Direction, ProviderRecord, Unusable, Wanted
from tallystick.domain.times import from_rfc3339
from tallystick.domain.webhooks import Paid, Provider
from tallystick.services.ports.provider_records import ProviderRecords
from tests.support.sandbox import RunningSandbox
from tests.unit.providers.test_horizon import FIRST, RECORD, STRANGER, put
from tests.unit.providers.world import OUR_ACCOUNT, PUBLIC_URL, SECRETS, gateway, setting

AT_MS = from_rfc3339(RECORD["created_at"])
HOUR_MS = 3_600_000


@pytest.fixture
def stellar(sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> ProviderRecords:
    monkeypatch.setattr(listing, "PAUSE_S", 0)
    provider = Provider.STELLAR
    chosen = setting(provider, sandbox.url("stellar"))
    made = registry.records(provider, chosen, lambda: SECRETS[provider], DEFAULT_ASSETS, PUBLIC_URL)
    assert made is not None
    return made


def listed(
    stellar: ProviderRecords, since_ms: int = AT_MS - HOUR_MS, until_ms: int = AT_MS + 1
) -> list[ProviderRecord]:
    return [record for page in stellar.listed(since_ms, until_ms) for record in page]


def test_an_account_that_is_not_funded_has_no_payments(stellar: ProviderRecords) -> None:
    assert listed(stellar) == []


def test_what_was_paid_to_us_is_listed_with_its_order(stellar: ProviderRecords, sandbox: RunningSandbox) -> None:
    token = put(sandbox, 0)
    put(sandbox, 1, to=STRANGER, **{"from": OUR_ACCOUNT})
    put(sandbox, 2, transaction_successful=False)
    put(sandbox, 3, created_at="2019-01-01T00:00:00Z")
    put(sandbox, 4, created_at="2030-01-01T00:00:00Z")
    (record,) = listed(stellar)
    assert isinstance(record.told, Paid)
    assert (record.record_id, record.told.payment_id, record.at_ms) == (token, token, AT_MS)
    assert record.references == (f"stellar:{RECORD['transaction']['memo']}",)
    assert stellar.retrieve(Wanted(Direction.PAYMENT, token, ())) == record


def test_every_page_is_read_until_it_is_too_old(
    stellar: ProviderRecords, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "PAGE", 2)
    old = [put(sandbox, number, created_at="2019-01-01T00:00:00Z") for number in range(5)]
    tokens = [put(sandbox, 10 + number) for number in range(5)]
    assert {record.record_id for record in listed(stellar)} == set(tokens)
    assert len(sandbox.calls("stellar")) == 3
    assert not {record.record_id for record in listed(stellar, until_ms=AT_MS)} & {*old, *tokens}


def test_money_that_is_not_taken_is_told_of(stellar: ProviderRecords, sandbox: RunningSandbox) -> None:
    put(sandbox, 0, type="account_merge", into=OUR_ACCOUNT, to=None)
    assert [record.told for record in listed(stellar)] == [Unusable("unsupported-operation")]


def test_what_is_not_there_is_nothing(stellar: ProviderRecords) -> None:
    assert stellar.retrieve(Wanted(Direction.PAYMENT, str(FIRST), ())) is None


def test_what_is_fetched_is_the_very_event_that_the_poller_brings(
    stellar: ProviderRecords, sandbox: RunningSandbox
) -> None:
    put(sandbox, 0)
    (arrival,) = HorizonPayments(setting(Provider.STELLAR, sandbox.url("stellar"))).after(None)
    (record,) = listed(stellar)
    event = stellar.event_for(record)
    assert (event.external_id, event.body) == (arrival.external_id, arrival.body)
    assert gateway(Provider.STELLAR).read(event.body, event.query).facts == (record.told,)


@pytest.mark.parametrize(
    "page",
    [
        {},
        {"_embedded": {"records": [{}]}},
        {"_embedded": {"records": [{**RECORD, "created_at": "today"}]}},
        {"_embedded": {"records": [{**RECORD, "transaction": None}]}},
    ],
)
def test_a_page_that_is_not_documented_is_no_page(
    stellar: ProviderRecords, sandbox: RunningSandbox, page: dict[str, Any]
) -> None:
    sandbox.fail("stellar", status=200, body=page)
    with pytest.raises(ProviderUnavailable, match="not document"):
        listed(stellar)
