"""Read the books of providers that are played: every page of them, and nothing that they do not document."""

import json
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Final

import pytest

from tallystick.adapters.providers import http, listing, registry
from tallystick.domain.errors import ProviderRefused, ProviderUnavailable
from tallystick.domain.money import DEFAULT_ASSETS
from tallystick.domain.payouts import Outcome, Report
from tallystick.domain.provider_records import Direction, ProviderRecord, Wanted
from tallystick.domain.webhooks import Failed, Notice, Paid, Pending, Provider, TakenBack
from tallystick.services.ports.provider_records import ProviderRecords
from tests.support.sandbox import RunningSandbox
from tests.unit.providers.world import NOW_MS, PUBLIC_URL, SECRETS, amount, gateway, setting

HOUR_MS: Final = 3_600_000
AT_S: Final = NOW_MS // 1000
AT: Final = "2026-01-01T00:00:00.000Z"
ACCOUNT: Final = "e83c4c20-0000-4000-8000-000000000001"


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAUSE_S", 0)


def books(provider: Provider, sandbox: RunningSandbox) -> ProviderRecords:
    chosen = setting(provider, sandbox.url(provider))
    made = registry.records(provider, chosen, lambda: SECRETS[provider], DEFAULT_ASSETS, PUBLIC_URL)
    assert made is not None
    return made


def listed(books: ProviderRecords, since_ms: int = NOW_MS - HOUR_MS, until_ms: int = NOW_MS + HOUR_MS) -> list[Any]:
    return [record for page in books.listed(since_ms, until_ms) for record in page]


def fetched(books: ProviderRecords, record: ProviderRecord) -> Notice:
    """Read the event that is made of a record as the processor does."""
    event = books.event_for(record)
    assert event.external_id == f"fetched:{record.name}:{record.status}"
    return gateway(record.provider).read(event.body, event.query)


def unavailable(act: Callable[[], object]) -> str:
    with pytest.raises(ProviderUnavailable) as caught:
        act()
    assert "sk_test" not in repr(caught.value)
    return caught.value.detail


def test_who_has_no_books_has_none() -> None:
    chosen = setting(Provider.RAMP)
    assert registry.records(Provider.RAMP, chosen, dict, DEFAULT_ASSETS, PUBLIC_URL) is None


def intent(sandbox: RunningSandbox, number: int, **members: Any) -> None:  # noqa: ANN401 (JSON)
    made = {
        "amount": 2500,
        "amount_received": 2500,
        "currency": "usd",
        "status": "succeeded",
        "livemode": False,
        "metadata": {"deposit_id": f"dep_{number}"},
        "paid_at": AT_S,
    }
    sandbox.put("stripe", f"pi_{number}", **{**made, **members})


class TestStripe:
    @pytest.fixture
    def stripe(self, sandbox: RunningSandbox) -> ProviderRecords:
        return books(Provider.STRIPE, sandbox)

    def test_what_moved_money_is_listed_by_when_it_did(self, stripe: ProviderRecords, sandbox: RunningSandbox) -> None:
        intent(sandbox, 1)
        intent(sandbox, 2, status="processing")
        refund = {"payment_intent": "pi_1", "amount": 500, "currency": "usd", "status": "succeeded"}
        sandbox.put("stripe", "re_1", **refund, paid_at=AT_S + 1)
        dispute = {"payment_intent": "pi_1", "amount": 2000, "currency": "usd", "status": "needs_response"}
        sandbox.put("stripe", "dp_1", **dispute, paid_at=AT_S + 2)
        payout = {
            "amount": 700,
            "currency": "usd",
            "status": "failed",
            "created": AT_S + 3,
            "failure_code": "no_account",
        }
        sandbox.put("stripe", "po_1", **payout, metadata={"withdrawal_id": "wdr_1"}, paid_at=AT_S + 4)
        failed = Report(Outcome.FAILED, "po_1", amount("7.00", "USD"), "no_account")
        order, withdrawal = ("dep_1", "stripe:pi_1"), ("wdr_1", "stripe:po_1")
        assert sorted(listed(stripe), key=lambda record: record.at_ms) == [
            ProviderRecord(Provider.STRIPE, "pi_1", order, Paid("pi_1", amount("25.00", "USD")), NOW_MS),
            ProviderRecord(
                *(Provider.STRIPE, "re_1", order[1:]),
                *(TakenBack("re_1", "refund", amount("5.00", "USD"), payment_id="pi_1"), NOW_MS + 1000),
            ),
            ProviderRecord(
                *(Provider.STRIPE, "dp_1", order[1:]),
                *(TakenBack("dp_1", "chargeback", amount("20.00", "USD"), payment_id="pi_1"), NOW_MS + 2000),
            ),
            ProviderRecord(Provider.STRIPE, "po_1", withdrawal, failed, NOW_MS + 3000),
            ProviderRecord(Provider.STRIPE, "po_1", withdrawal, failed, NOW_MS + 4000),
        ]

    def test_a_window_has_its_first_second_and_not_its_last(
        self, stripe: ProviderRecords, sandbox: RunningSandbox
    ) -> None:
        for number in range(4):
            intent(sandbox, number, paid_at=AT_S + number)
        found = listed(stripe, NOW_MS + 1000, NOW_MS + 3000)
        assert {record.record_id for record in found} == {"pi_1", "pi_2"}

    def test_every_page_is_read(self, stripe: ProviderRecords, sandbox: RunningSandbox) -> None:
        for number in range(205):
            intent(sandbox, number, paid_at=AT_S + number % 7)
        assert {record.record_id for record in listed(stripe)} == {f"pi_{number}" for number in range(205)}
        assert len(sandbox.calls("stripe")) == 3

    def test_a_payment_is_asked_for_with_what_is_left_of_it(
        self, stripe: ProviderRecords, sandbox: RunningSandbox
    ) -> None:
        intent(sandbox, 1)
        wanted = Wanted(Direction.PAYMENT, "pi_1", ())
        paid = Paid("pi_1", amount("25.00", "USD"))
        assert stripe.retrieve(wanted) == ProviderRecord(
            Provider.STRIPE, "pi_1", ("dep_1", "stripe:pi_1"), paid, 0, given_back=False
        )
        refund = {"payment_intent": "pi_1", "amount": 2500, "currency": "usd", "status": "succeeded"}
        sandbox.put("stripe", "re_1", **refund)
        found = stripe.retrieve(wanted)
        assert found is not None
        assert found.given_back
        assert listed(stripe)[0].given_back

    @pytest.mark.parametrize("direction", [Direction.PAYMENT, Direction.REFUND])
    def test_what_is_not_there_is_nothing(self, stripe: ProviderRecords, direction: Direction) -> None:
        assert stripe.retrieve(Wanted(direction, "x_1", ())) is None

    def test_a_refund_is_asked_for(self, stripe: ProviderRecords, sandbox: RunningSandbox) -> None:
        refund = {"payment_intent": "pi_1", "amount": 500, "currency": "usd"}
        sandbox.put("stripe", "re_1", **refund, status="failed")
        sandbox.put("stripe", "re_2", **refund, status="requires_action")
        found = stripe.retrieve(Wanted(Direction.REFUND, "re_1", ()))
        assert found is not None
        assert found.told == TakenBack("re_1", "refund", amount("5.00", "USD"), undone=True, payment_id="pi_1")
        assert stripe.retrieve(Wanted(Direction.REFUND, "re_2", ())) is None

    def test_what_is_fetched_is_read_as_the_event_is(self, stripe: ProviderRecords, sandbox: RunningSandbox) -> None:
        intent(sandbox, 1)
        refund = {"payment_intent": "pi_1", "amount": 500, "currency": "usd", "status": "succeeded"}
        sandbox.put("stripe", "re_1", **refund, paid_at=AT_S)
        sandbox.put("stripe", "dp_1", **{**refund, "status": "lost"}, paid_at=AT_S)
        sandbox.put("stripe", "dp_2", **{**refund, "status": "won"}, paid_at=AT_S)
        payout = {
            "amount": 700,
            "currency": "usd",
            "status": "paid",
            "created": AT_S,
            "metadata": {"withdrawal_id": "wdr_1"},
        }
        sandbox.put("stripe", "po_1", **payout)
        records = listed(stripe)
        assert len(records) == 5
        for record in records:
            notice = fetched(stripe, record)
            assert (notice.payout or notice.facts[0], notice.environment) == (record.told, "test")
            assert notice.references == record.references

    def test_what_is_not_there_cannot_be_fetched(self, stripe: ProviderRecords) -> None:
        told = Paid("pi_9", amount("1.00", "USD"))
        with pytest.raises(ProviderRefused):
            stripe.event_for(ProviderRecord(Provider.STRIPE, "pi_9", (), told, 0))

    @pytest.mark.parametrize(
        "page",
        [
            {},
            {"data": []},
            {"data": [{"id": "txn_1"}], "has_more": False},
            {"data": [{"id": "txn_1", "type": "charge", "created": 1}], "has_more": False},
            {"data": [{"id": "txn_1", "type": "charge", "created": 1, "source": "ch_1"}], "has_more": False},
            {"data": [{"id": "txn_1", "type": "payout", "created": 1, "source": {"id": "po_1"}}], "has_more": False},
            {"data": [{"id": "txn_1", "type": "refund", "created": -1, "source": {}}], "has_more": False},
        ],
    )
    def test_a_page_that_is_not_documented_is_no_page(
        self, stripe: ProviderRecords, sandbox: RunningSandbox, page: dict[str, Any]
    ) -> None:
        sandbox.fail("stripe", status=200, body=page)
        assert "not document" in unavailable(lambda: listed(stripe))

    def test_what_is_of_no_order_s_money_is_left_out(self, stripe: ProviderRecords, sandbox: RunningSandbox) -> None:
        other = {"created": AT_S, "source": {"object": "topup"}}
        waiting = {"id": "re_1", "amount": 1, "currency": "usd", "status": "requires_action", "payment_intent": "pi_1"}
        charge = {"id": "ch_1", "amount": 100, "currency": "usd", "status": "pending"}
        data = [
            {"id": "txn_1", "type": "stripe_fee", **other},
            {"id": "txn_2", "type": "adjustment", **other},
            {"id": "txn_3", "type": "refund", "created": AT_S, "source": waiting},
            {"id": "txn_4", "type": "refund", "created": AT_S, "source": {**waiting, "payment_intent": None}},
            {"id": "txn_5", "type": "payment", "created": AT_S, "source": charge},
            {"id": "txn_6", "type": "payment", "created": AT_S, "source": {**charge, "id": "ch_2", "status": "failed"}},
        ]
        sandbox.fail("stripe", status=200, body={"data": data, "has_more": False})
        assert [(record.record_id, record.told) for record in listed(stripe)] == [
            ("ch_1", Pending()),
            ("ch_2", Failed("failed")),
        ]

    def test_a_list_that_leads_to_itself_ends(self, stripe: ProviderRecords, sandbox: RunningSandbox) -> None:
        body = {"data": [{"id": "txn_1", "type": "stripe_fee", "created": AT_S}], "has_more": True}
        sandbox.fail("stripe", times=3, status=200, body=body)
        assert "more than can be read" in unavailable(lambda: listed(stripe))

    def test_a_list_without_end_ends(
        self, stripe: ProviderRecords, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(listing, "MAX_PAGES", 2)
        for number in range(201):
            intent(sandbox, number)
        assert "more than can be read" in unavailable(lambda: listed(stripe))

    def test_a_page_that_comes_too_often_is_waited_for(
        self, stripe: ProviderRecords, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        waits: list[float] = []
        monkeypatch.setattr(http, "time", SimpleNamespace(sleep=waits.append, monotonic=time.monotonic))
        intent(sandbox, 1)
        sandbox.fail("stripe", times=3, status=429)
        assert len(listed(stripe)) == 1
        assert waits == [1, 1, 1]

    def test_patience_has_an_end(
        self, stripe: ProviderRecords, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        waits: list[float] = []
        monkeypatch.setattr(http, "time", SimpleNamespace(sleep=waits.append, monotonic=time.monotonic))
        sandbox.fail("stripe", times=200, status=429)
        assert unavailable(lambda: listed(stripe)) == "stripe answered 429; try again."
        assert sum(waits) <= 3 * listing.PATIENCE_S


def transaction(sandbox: RunningSandbox, number: int, **members: Any) -> None:  # noqa: ANN401 (JSON)
    made = {
        "id": 4_000_000_000 + number,
        "domain": "test",
        "status": "success",
        "reference": f"dep-{number}",
        "amount": 985_000,
        "currency": "NGN",
        "createdAt": AT,
        "paid_at": AT,
    }
    sandbox.put("paystack", f"dep-{number}", **{**made, **members})


def transfer(sandbox: RunningSandbox, number: int, status: str = "success", **members: Any) -> None:  # noqa: ANN401 (JSON)
    made = {
        "id": 5_000_000_000 + number,
        "domain": "test",
        "status": status,
        "reference": f"wdr-{number}",
        "amount": 500_000,
        "currency": "NGN",
        "transfer_code": f"TRF_{number}",
        "createdAt": AT,
        "updatedAt": AT,
    }
    sandbox.put("paystack", f"transfer/wdr-{number}", **{**made, **members})


class TestPaystack:
    @pytest.fixture
    def paystack(self, sandbox: RunningSandbox) -> ProviderRecords:
        return books(Provider.PAYSTACK, sandbox)

    def test_transactions_and_transfers_are_listed(self, paystack: ProviderRecords, sandbox: RunningSandbox) -> None:
        transaction(sandbox, 1)
        transaction(sandbox, 2, status="abandoned", gateway_response="The transaction was not completed", paid_at=None)
        transaction(sandbox, 3, status="reversed")
        transfer(sandbox, 1)
        transfer(sandbox, 2, "reversed", reference="house-1", updatedAt="2026-01-01T00:00:01.000Z")
        money = amount("9850.00", "NGN")
        assert sorted(listed(paystack), key=lambda record: record.name) == [
            ProviderRecord(
                *(Provider.PAYSTACK, "4000000001", ("dep_1", "paystack:dep-1")),
                *(Paid("4000000001", money), NOW_MS),
            ),
            ProviderRecord(
                *(Provider.PAYSTACK, "4000000002", ("dep_2", "paystack:dep-2")),
                *(Failed("The transaction was not completed"), NOW_MS),
            ),
            ProviderRecord(
                *(Provider.PAYSTACK, "4000000003", ("dep_3", "paystack:dep-3")),
                *(Paid("4000000003", money), NOW_MS),
                given_back=True,
            ),
            ProviderRecord(
                *(Provider.PAYSTACK, "TRF_1", ("wdr_1", "paystack:TRF_1")),
                *(Report(Outcome.PAID, "TRF_1", amount("5000.00", "NGN")), NOW_MS),
            ),
            ProviderRecord(
                *(Provider.PAYSTACK, "TRF_2", ("paystack:TRF_2",)),
                *(Report(Outcome.FAILED, "TRF_2", amount("5000.00", "NGN"), "reversed"), NOW_MS + 1000),
            ),
        ]

    def test_every_page_of_both_is_read(self, paystack: ProviderRecords, sandbox: RunningSandbox) -> None:
        for number in range(101):
            transaction(sandbox, number)
        for number in range(205):
            transfer(sandbox, number)
        assert len({record.name for record in listed(paystack)}) == 306
        assert len(sandbox.calls("paystack")) == 2 + 3

    def test_what_was_made_outside_of_the_window_is_not_listed(
        self, paystack: ProviderRecords, sandbox: RunningSandbox
    ) -> None:
        transaction(sandbox, 1, createdAt="2025-12-31T22:59:59.999Z")
        assert listed(paystack) == []

    @pytest.mark.parametrize("references", [("dep_1",), ("dep_1", "paystack:dep-1"), ("paystack:dep-1",)])
    def test_a_transaction_is_asked_for_by_its_reference(
        self, paystack: ProviderRecords, sandbox: RunningSandbox, references: tuple[str, ...]
    ) -> None:
        transaction(sandbox, 1)
        found = paystack.retrieve(Wanted(Direction.PAYMENT, "4000000001", references))
        assert found is not None
        assert found.told == Paid("4000000001", amount("9850.00", "NGN"))

    def test_another_transaction_under_the_reference_is_not_it(
        self, paystack: ProviderRecords, sandbox: RunningSandbox
    ) -> None:
        transaction(sandbox, 1)
        assert paystack.retrieve(Wanted(Direction.PAYMENT, "4000000009", ("dep_1",))) is None
        assert paystack.retrieve(Wanted(Direction.PAYMENT, "4000000002", ("dep_2",))) is None
        assert paystack.retrieve(Wanted(Direction.PAYMENT, "4000000002", ())) is None

    def test_what_is_fetched_is_read_as_the_event_is(self, paystack: ProviderRecords, sandbox: RunningSandbox) -> None:
        transaction(sandbox, 1)
        transfer(sandbox, 1)
        transfer(sandbox, 2, "reversed")
        for record in listed(paystack):
            notice = fetched(paystack, record)
            assert (notice.payout or notice.facts[0], notice.environment) == (record.told, "test")
            assert notice.references == record.references

    @pytest.mark.parametrize(
        "page", [{}, {"data": {}}, {"data": [{}]}, {"data": [{"id": 1}]}, {"data": [], "meta": {"next": 7}}]
    )
    def test_a_page_that_is_not_documented_is_no_page(
        self, paystack: ProviderRecords, sandbox: RunningSandbox, page: dict[str, Any]
    ) -> None:
        sandbox.fail("paystack", status=200, body=page)
        assert "not document" in unavailable(lambda: listed(paystack))
        sandbox.fail("paystack", status=200, body={"data": []})
        sandbox.fail("paystack", status=200, body=page)
        assert "not document" in unavailable(lambda: listed(paystack))


class TestTrueLayer:
    @pytest.fixture
    def truelayer(self, sandbox: RunningSandbox) -> ProviderRecords:
        return books(Provider.TRUELAYER, sandbox)

    def settled(self, sandbox: RunningSandbox, thing_id: str = "pay-1", **members: Any) -> None:  # noqa: ANN401 (JSON)
        made = {"status": "settled", "amount_in_minor": 1234, "currency": "GBP", "settled_at": AT}
        sandbox.put("truelayer", thing_id, **{**made, **members})

    def refunded(self, sandbox: RunningSandbox, status: str = "executed") -> None:
        made = {"payment_id": "pay-1", "amount_in_minor": 34, "currency": "GBP", "executed_at": AT}
        sandbox.put("truelayer", "ref-1", **made, status=status)

    def paid_out(self, sandbox: RunningSandbox) -> None:
        made = {
            "merchant_account_id": ACCOUNT,
            "status": "executed",
            "amount_in_minor": 700,
            "currency": "GBP",
            "created_at": AT,
            "beneficiary": {"account_identifier": {}},
        }
        sandbox.put("truelayer", "out-1", **made)

    def test_what_came_and_went_is_listed(self, truelayer: ProviderRecords, sandbox: RunningSandbox) -> None:
        self.settled(sandbox)
        self.refunded(sandbox)
        self.paid_out(sandbox)
        order = ("truelayer:pay-1",)
        refund = TakenBack("ref-1", "refund", amount("0.34", "GBP"), payment_id="pay-1")
        assert sorted(listed(truelayer), key=lambda record: record.name) == [
            ProviderRecord(Provider.TRUELAYER, "pay-1", order, Paid("pay-1", amount("12.34", "GBP")), NOW_MS),
            ProviderRecord(
                *(Provider.TRUELAYER, "out-1", ("truelayer:out-1",)),
                *(Report(Outcome.PAID, "out-1", amount("7.00", "GBP")), NOW_MS),
            ),
            ProviderRecord(Provider.TRUELAYER, "ref-1", order, refund, NOW_MS),
        ]

    def test_every_page_is_read(self, truelayer: ProviderRecords, sandbox: RunningSandbox) -> None:
        sandbox.put("truelayer", "page", size=2)
        for number in range(5):
            self.settled(sandbox, f"pay-{number}")
        assert len(listed(truelayer)) == 5

    def test_who_pays_without_an_order_is_listed_too(self, truelayer: ProviderRecords, sandbox: RunningSandbox) -> None:
        external = {"type": "external_payment", "id": "ext-1", "amount_in_minor": 5, "currency": "GBP"}
        items = [{**external, "status": "executed", "settled_at": AT}, {**external, "type": "interest"}]
        listed(truelayer)  # gets a token
        sandbox.fail("truelayer", status=200, body={"items": items})
        (record,) = listed(truelayer)
        assert (record.references, record.told) == ((), Paid("ext-1", amount("0.05", "GBP")))

    def test_payments_and_refunds_are_asked_for(self, truelayer: ProviderRecords, sandbox: RunningSandbox) -> None:
        self.settled(sandbox)
        self.refunded(sandbox, "failed")
        payment = truelayer.retrieve(Wanted(Direction.PAYMENT, "pay-1", ()))
        refund = truelayer.retrieve(Wanted(Direction.REFUND, "ref-1", ("dep_1", "truelayer:pay-0", "truelayer:pay-1")))
        assert payment is not None
        assert refund is not None
        assert payment.told == Paid("pay-1", amount("12.34", "GBP"))
        assert refund.told == TakenBack("ref-1", "refund", amount("0.34", "GBP"), undone=True, payment_id="pay-1")
        assert truelayer.retrieve(Wanted(Direction.PAYMENT, "pay-2", ())) is None
        assert truelayer.retrieve(Wanted(Direction.REFUND, "ref-2", ("truelayer:pay-1",))) is None
        self.refunded(sandbox, "pending")
        assert truelayer.retrieve(Wanted(Direction.REFUND, "ref-1", ("truelayer:pay-1",))) is None

    def test_what_is_fetched_asks_the_provider_when_it_is_processed(self, truelayer: ProviderRecords) -> None:
        paid = ProviderRecord(Provider.TRUELAYER, "pay-1", ("truelayer:pay-1",), Paid("pay-1", amount("1", "GBP")), 0)
        notice = fetched(truelayer, paid)
        assert (notice.confirm, notice.references, notice.details) == (True, paid.references, {"payment": "pay-1"})
        for undone in (False, True):
            told = TakenBack("ref-1", "refund", amount("1", "GBP"), undone, "pay-1")
            notice = fetched(truelayer, ProviderRecord(Provider.TRUELAYER, "ref-1", ("truelayer:pay-1",), told, 0))
            assert (notice.confirm, notice.details) == (True, {"payment": "pay-1", "refund": "ref-1"})
            assert notice.event == ("refund_failed" if undone else "refund_executed")

    @pytest.mark.parametrize("outcome", [Outcome.PAID, Outcome.FAILED])
    @pytest.mark.parametrize("ours", [("wdr_1",), ()])
    def test_a_payout_that_is_fetched_is_named(
        self, truelayer: ProviderRecords, outcome: Outcome, ours: tuple[str, ...]
    ) -> None:
        record = ProviderRecord(Provider.TRUELAYER, "out-1", (*ours, "truelayer:out-1"), Report(outcome, "out-1"), 0)
        notice = fetched(truelayer, record)
        assert notice.payout is not None
        assert (notice.payout.outcome, notice.references) == (outcome, record.references)

    @pytest.mark.parametrize(
        "item",
        [
            {},
            {"type": "payout", "id": "x", "status": "executed", "amount_in_minor": 1, "currency": "GBP"},
            {"type": "merchant_account_payment", "id": "x", "status": "settled", "payment_id": "p"},
            {"type": "merchant_account_payment", "id": "x", "payment_id": "p", "settled_at": "yesterday"},
        ],
    )
    def test_an_item_that_is_not_documented_is_none(
        self, truelayer: ProviderRecords, sandbox: RunningSandbox, item: dict[str, Any]
    ) -> None:
        listed(truelayer)
        sandbox.fail("truelayer", status=200, body={"items": [item]})
        assert "not document" in unavailable(lambda: listed(truelayer))


def test_a_time_to_wait_is_read_in_seconds() -> None:
    assert json.dumps([http._seconds(text) for text in (None, "0", "7", "9999", "Wed, 21 Oct", "1.5")]) == (  # noqa: SLF001
        "[1, 1, 7, 9999, 1, 1]"
    )
