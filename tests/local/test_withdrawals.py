"""Money leaves the deployed system: once, or it is back; by every provider that pays out, whatever goes wrong."""

import json
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import httpx
import pytest

from cli.local.deployment import Deployment
from cli.webhooks.keys import signing_key, stellar_account
from cli.webhooks.samples import SAMPLES, Order
from cli.webhooks.sending import Target, deliver
from tallystick.domain.webhooks import Provider
from tests.local.callers import Caller, Cast, cast, new_key, outcome
from tests.local.changes import run, without_consumer
from tests.local.waiting import wait_for
from tests.support.sandbox import RunningSandbox

BANK: Final = {"type": "stripe", "external_account": "ba_1MtFgV2eZvKYlo2C"}
DESTINATIONS: Final[dict[str, dict[str, str]]] = {
    "stripe": BANK,
    "paystack": {
        "type": "nuban",
        "bank_code": "044",
        "account_number": "0000000000",
        "account_holder_name": "Ada Lovelace",
    },
    "truelayer": {"type": "iban", "iban": "GB53 CLRB 0406 6200 0027 23", "account_holder_name": "Ada Lovelace"},
    "stellar": {"type": "stellar", "address": stellar_account("customer"), "memo": "42", "memo_type": "id"},
}
PAID_EVENTS: Final = {"stripe": "payout.paid", "paystack": "transfer.success", "truelayer": "payout_executed"}
PAID: Final = {"stripe": "paid", "paystack": "success", "truelayer": "executed"}
BUSY: Final = frozenset({502, 503})


@pytest.fixture(scope="module")
def people(deployment: Deployment) -> Iterator[Cast]:
    with cast(deployment) as people:
        yield people


@dataclass(frozen=True, slots=True)
class Teller:
    """Withdraw ada's money."""

    deployment: Deployment
    people: Cast
    sandbox: RunningSandbox

    def wallet(self, amount: str, asset: str = "USD") -> str:
        wallet_id = self.people.ada.open_wallet(asset)
        patiently(lambda: self.people.service.post(f"/v1/wallets/{wallet_id}/credit", {"amount": amount}, wallet_id))
        return wallet_id

    def ask(self, wallet_id: str, amount: str, provider: str = "stripe", key: str | None = None) -> httpx.Response:
        key = key or new_key()
        order = {"wallet_id": wallet_id, "provider": provider, "amount": amount, "destination": DESTINATIONS[provider]}
        return patiently(lambda: self.people.ada.post("/v1/withdrawals", order, key))

    def asked(self, wallet_id: str, amount: str, provider: str = "stripe") -> dict[str, Any]:
        withdrawal: dict[str, Any] = self.ask(wallet_id, amount, provider).raise_for_status().json()
        return withdrawal

    def now(self, withdrawal: Mapping[str, Any]) -> dict[str, Any]:
        path = f"/v1/withdrawals/{withdrawal['withdrawal_id']}"
        found: dict[str, Any] = patiently(lambda: self.people.ada.get(path)).raise_for_status().json()
        return found

    def sent(self, withdrawal: Mapping[str, Any]) -> dict[str, Any]:
        return wait_for(lambda: self.now(withdrawal), lambda found: found["payout_id"] is not None)

    def in_state(self, withdrawal: Mapping[str, Any], state: str) -> dict[str, Any]:
        return wait_for(lambda: self.now(withdrawal), lambda found: found["state"] == state)

    def swept(self, withdrawal: Mapping[str, Any], is_enough: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        def look() -> dict[str, Any]:
            run(self.deployment, "withdrawal_sweep")
            time.sleep(1)
            return self.now(withdrawal)

        return wait_for(look, is_enough)

    def tell(self, withdrawal: Mapping[str, Any], event: str) -> int:
        provider = Provider(withdrawal["provider"])
        order = Order(
            deposit_id="",
            amount=Decimal(withdrawal["amount"]),
            currency=withdrawal["asset"],
            payment_id=withdrawal["payout_id"],
            claim_id="",
            at=datetime.now(UTC),
            delivered=Decimal(0),
            asset=withdrawal["asset"],
            address="",
            withdrawal_id=withdrawal["withdrawal_id"],
        )
        target = Target(self.deployment.base_url, self.deployment.public_url, signing_key(provider))
        body = json.dumps(SAMPLES[provider][event](order)).encode()
        return patiently(lambda: deliver(target, provider, body)).status_code

    def payouts(self, withdrawal: Mapping[str, Any]) -> list[str]:
        """Name what the provider keeps that says our id, or what it was derived from."""
        names = {withdrawal["withdrawal_id"], withdrawal["withdrawal_id"].replace("_", "-"), withdrawal["payout_id"]}
        kept = self.sandbox.things(withdrawal["provider"])
        return [name for name, thing in kept.items() if names & set(_texts(thing))]

    def balance(self, wallet_id: str) -> tuple[str, str]:
        wallet = patiently(lambda: self.people.ada.get(f"/v1/wallets/{wallet_id}")).raise_for_status().json()
        return wallet["balance"], wallet["held"]


def patiently(send: Callable[[], httpx.Response]) -> httpx.Response:
    """Send again what a busy machine did not answer."""
    return wait_for(send, lambda answer: answer.status_code not in BUSY)


def _texts(thing: object) -> Iterator[str]:
    match thing:
        case dict():
            for name, value in thing.items():
                if name not in {"transfer_code", "paging_token"}:
                    yield from _texts(value)
        case str():
            yield thing


@pytest.fixture
def teller(deployment: Deployment, people: Cast, sandbox: RunningSandbox) -> Teller:
    return Teller(deployment, people, sandbox)


def test_of_many_at_once_one_gets_what_is_there(teller: Teller) -> None:
    wallet_id = teller.wallet("1.26")
    assert teller.ask(wallet_id, "9.00").status_code == 409  # the function is warm now
    with ThreadPoolExecutor(max_workers=12) as pool:
        answers = Counter(outcome(answer) for answer in pool.map(lambda _: teller.ask(wallet_id, "1.00"), range(12)))
    assert answers == {"201": 1, "409 insufficient-funds": 11}
    assert teller.balance(wallet_id)[0] == "0.00"


@pytest.mark.parametrize(
    ("provider", "asset", "credit", "amount", "left"),
    [
        ("stripe", "USD", "50.00", "20.00", "29.55"),
        ("paystack", "NGN", "5000.00", "1000.00", "3950.00"),
        ("truelayer", "GBP", "50.00", "20.00", "30.00"),
    ],
)
def test_each_bank_payout_is_sent_once_and_completed_by_its_event(
    teller: Teller, provider: str, asset: str, credit: str, amount: str, left: str
) -> None:
    wallet_id = teller.wallet(credit, asset)
    withdrawal = teller.sent(teller.asked(wallet_id, amount, provider))
    (payout,) = teller.payouts(withdrawal)
    teller.sandbox.put(provider, payout, status=PAID[provider])
    assert teller.tell(withdrawal, PAID_EVENTS[provider]) == 200
    teller.in_state(withdrawal, "COMPLETED")
    assert teller.balance(wallet_id) == (left, "0.00")
    assert teller.payouts(withdrawal) == [payout]


def test_a_payout_on_stellar_is_in_the_ledger_at_once(teller: Teller) -> None:
    wallet_id = teller.wallet("20", "XLM")
    withdrawal = teller.in_state(teller.asked(wallet_id, "12.5", "stellar"), "COMPLETED")
    assert teller.balance(wallet_id) == ("7.5000000", "0.0000000")
    paid = [thing for thing in teller.sandbox.things("stellar").values() if thing.get("type") == "payment"]
    (payment,) = [one for one in paid if one["transaction_hash"] == withdrawal["payout_id"]]
    assert (payment["amount"], payment["to"]) == ("12.5000000", stellar_account("customer"))
    assert payment["transaction"]["memo"] == "42"


@pytest.mark.parametrize("fault", [{"lost": True}, {"status": 504, "carried_out": True}, {"delay_ms": 5000}])
def test_a_lost_answer_is_asked_for_and_nothing_is_paid_twice(teller: Teller, fault: dict[str, Any]) -> None:
    wallet_id = teller.wallet("50.00")
    teller.sandbox.fail("stripe", **fault)
    asked = teller.asked(wallet_id, "20.00")
    withdrawal = teller.swept(asked, lambda found: found["payout_id"] is not None)
    assert len(teller.payouts(withdrawal)) == 1


def test_a_message_that_was_lost_is_made_up_for(teller: Teller, deployment: Deployment) -> None:
    """The withdrawal is written as if its function had died before it could send the message."""
    wallet_id = teller.wallet("50.00")
    with without_consumer(deployment, "payout_worker"):
        asked = teller.asked(wallet_id, "20.00")
        deployment.client("sqs").purge_queue(QueueUrl=deployment.outputs["PayoutQueueUrl"])
    assert teller.swept(asked, lambda found: found["payout_id"] is not None)["state"] == "SUBMITTED"


def test_what_a_bank_sends_back_is_returned_once(teller: Teller) -> None:
    wallet_id = teller.wallet("50.00")
    withdrawal = teller.sent(teller.asked(wallet_id, "20.00"))
    for status, event, state in (("paid", "payout.paid", "COMPLETED"), ("failed", "payout.failed", "RETURNED")):
        teller.sandbox.put("stripe", withdrawal["payout_id"], status=status)
        for _ in range(3):
            assert teller.tell(withdrawal, event) == 200
        teller.in_state(withdrawal, state)
    assert teller.balance(wallet_id) == ("50.00", "0.00")


def test_of_decisions_that_come_at_once_one_is_taken(teller: Teller) -> None:
    wallet_id = teller.wallet("500.00")
    withdrawal = teller.asked(wallet_id, "200.00")
    assert withdrawal["state"] == "IN_REVIEW"
    withdrawal_id, notes = withdrawal["withdrawal_id"], {"notes": "as it seems"}
    admin, ada = teller.people.admin, teller.people.ada

    def decide(number: int) -> httpx.Response:
        match number % 3:
            case 0:
                return patiently(lambda: admin.post(f"/v1/admin/withdrawals/{withdrawal_id}/approve", notes))
            case 1:
                return patiently(lambda: admin.post(f"/v1/admin/withdrawals/{withdrawal_id}/reject", notes))
            case _:
                return patiently(lambda: ada.post(f"/v1/withdrawals/{withdrawal_id}/cancel"))

    with ThreadPoolExecutor(max_workers=12) as pool:
        answers = [outcome(answer) for answer in pool.map(decide, range(12))]
    assert set(answers) <= {"200", "409 illegal-transition"}
    found = teller.now(withdrawal)
    if found["state"] in {"REJECTED", "CANCELLED"}:
        assert teller.balance(wallet_id) == ("500.00", "0.00")
        assert len(found["transfers"]) == 2
    else:
        assert found["state"] in {"APPROVED", "SUBMITTED"}
        assert teller.balance(wallet_id) == ("297.75", "202.25")


def test_who_does_not_answer_is_left_alone_and_withdrawals_wait(teller: Teller) -> None:
    wallet_id = teller.wallet("50.00", "GBP")
    teller.sandbox.away("truelayer", away=True)
    try:
        asked = teller.asked(wallet_id, "20.00", "truelayer")

        def breaker(_found: object = None) -> dict[str, Any]:
            answer = patiently(lambda: teller.people.admin.get("/health/detailed")).raise_for_status().json()
            (shown,) = [one for one in answer["circuit_breakers"] if one["provider"] == "truelayer"]
            return dict(shown)

        found = teller.swept(asked, lambda _found: breaker()["state"] == "OPEN")
    finally:
        teller.sandbox.away("truelayer", away=False)
    assert found["state"] in {"APPROVED", "SUBMITTED"}
    assert breaker()["failures"] >= 5
    assert teller.balance(wallet_id) == ("30.00", "20.00")


def test_nobody_decides_about_an_own_withdrawal_or_without_being_an_admin(teller: Teller) -> None:
    admin, notes = teller.people.admin, {"notes": "mine"}
    wallet_id = admin.open_wallet("USD")
    patiently(lambda: teller.people.service.post(f"/v1/wallets/{wallet_id}/credit", {"amount": "300.00"}, wallet_id))
    order = {"wallet_id": wallet_id, "provider": "stripe", "amount": "200.00", "destination": BANK}
    key = secrets.token_hex(4)
    withdrawal = patiently(lambda: admin.post("/v1/withdrawals", order, key)).raise_for_status().json()
    path = f"/v1/admin/withdrawals/{withdrawal['withdrawal_id']}/approve"
    for caller in (admin, teller.people.ada, teller.people.service):
        assert outcome(_asked(caller, path, notes)) == "403 forbidden"
    assert outcome(patiently(lambda: teller.people.eve.get(f"/v1/withdrawals/{withdrawal['withdrawal_id']}"))) == (
        "404 not-found"
    )


def _asked(caller: Caller, path: str, body: dict[str, str]) -> httpx.Response:
    return patiently(lambda: caller.post(path, body))
