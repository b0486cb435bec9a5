"""Read MoonPay's newest purchases, and say so when there may be more."""

import json
from decimal import Decimal
from typing import Any, Final

import pytest

from tallystick.adapters.providers import registry
from tallystick.adapters.providers.moonpay import records
from tallystick.domain.errors import ProviderUnavailable
from tallystick.domain.money import DEFAULT_ASSETS, Amount
from tallystick.domain.provider_records import Direction, ProviderRecord, Unusable, Wanted
from tallystick.domain.webhooks import Paid, Provider
from tallystick.services.ports.provider_records import ProviderRecords
from tests.support.sandbox import RunningSandbox
from tests.unit.providers.world import NOW_MS, PUBLIC_URL, SECRETS, SETTINGS, gateway, setting

HOUR_MS: Final = 3_600_000
ADDRESS: Final = SETTINGS[Provider.MOONPAY]["addresses"]["ETH"]
AT: Final = "2026-01-01T00:00:00.000Z"


@pytest.fixture
def moonpay(sandbox: RunningSandbox) -> ProviderRecords:
    chosen = setting(Provider.MOONPAY, sandbox.url("moonpay"))
    made = registry.records(Provider.MOONPAY, chosen, lambda: SECRETS[Provider.MOONPAY], DEFAULT_ASSETS, PUBLIC_URL)
    assert made is not None
    return made


def buy(sandbox: RunningSandbox, number: int, **members: Any) -> None:  # noqa: ANN401 (JSON)
    made = {
        "status": "completed",
        "externalTransactionId": f"dep_{number}",
        "walletAddress": ADDRESS,
        "baseCurrency": {"code": "eur"},
        "baseCurrencyAmount": 295.45,
        "currency": {"code": "eth"},
        "quoteCurrencyAmount": 0.1819,
        "createdAt": AT,
        "updatedAt": "2026-01-01T00:10:00.000Z",
    }
    sandbox.put("moonpay", f"purchase-{number}", **{**made, **members})


def listed(moonpay: ProviderRecords, since_ms: int = NOW_MS - HOUR_MS) -> list[ProviderRecord]:
    return [record for page in moonpay.listed(since_ms, NOW_MS + HOUR_MS) for record in page]


def test_what_was_bought_is_listed_with_its_order(moonpay: ProviderRecords, sandbox: RunningSandbox) -> None:
    buy(sandbox, 1)
    buy(sandbox, 2, status="pending")
    buy(sandbox, 3, createdAt="2025-12-31T22:59:59.000Z")
    told = Paid("purchase-1", Amount(Decimal("0.1819"), "ETH"), Amount(Decimal("295.45"), "EUR"))
    record = ProviderRecord(Provider.MOONPAY, "purchase-1", ("dep_1",), told, NOW_MS + 600_000)
    assert listed(moonpay) == [record]
    assert moonpay.retrieve(Wanted(Direction.PAYMENT, "purchase-1", ())) == record
    assert moonpay.retrieve(Wanted(Direction.PAYMENT, "purchase-9", ())) is None


def test_what_did_not_come_to_us_is_told_of(moonpay: ProviderRecords, sandbox: RunningSandbox) -> None:
    buy(sandbox, 1, walletAddress="0x" + "1" * 40)
    assert [record.told for record in listed(moonpay)] == [Unusable("address-mismatch")]


def test_more_than_a_page_holds_is_no_list(
    moonpay: ProviderRecords, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "PAGE", 3)
    for number in range(3):
        buy(sandbox, number, createdAt=f"2026-01-01T00:0{number}:00.000Z")
    assert len(listed(moonpay, NOW_MS + 1)) == 2
    with pytest.raises(ProviderUnavailable, match="more than one page"):
        listed(moonpay, NOW_MS)


def test_what_is_fetched_is_read_as_the_event_is(moonpay: ProviderRecords, sandbox: RunningSandbox) -> None:
    buy(sandbox, 1, feeAmount=1e-7, quoteCurrencyAmount=0.1)
    (record,) = listed(moonpay)
    event = moonpay.event_for(record)
    assert event.external_id == "fetched:purchase-1:paid"
    notice = gateway(Provider.MOONPAY).read(event.body, event.query)
    assert (notice.references, notice.facts) == (record.references, (record.told,))


def test_amounts_are_written_to_the_last_digit() -> None:
    exact = Decimal("12345678901234567890.123456789012345678")
    text = json.dumps({"amount": exact, "fee": Decimal("1E-7"), "id": "1"}, default=records._number)  # noqa: SLF001
    assert records._NUMBER.sub(r"\1", text) == (  # noqa: SLF001
        '{"amount": 12345678901234567890.123456789012345678, "fee": 0.0000001, "id": "1"}'
    )


@pytest.mark.parametrize("page", [{}, {"items": []}])
def test_an_answer_that_is_no_list_is_none(
    moonpay: ProviderRecords, sandbox: RunningSandbox, page: dict[str, Any]
) -> None:
    sandbox.fail("moonpay", status=200, body=page)
    with pytest.raises(ProviderUnavailable, match="not document"):
        listed(moonpay)
