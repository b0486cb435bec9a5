"""The deployed system notices what a provider's webhooks did not tell, and lets it be fetched once."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest

from cli.local.deployment import Deployment
from tallystick.domain.webhooks import Provider
from tests.local.callers import Cast, cast
from tests.local.changes import run
from tests.local.test_webhooks import Shop
from tests.local.waiting import wait_for
from tests.support.sandbox import RunningSandbox

DIFFERENCES: Final = "/v1/admin/reconciliation/differences"


@pytest.fixture(scope="module")
def people(deployment: Deployment) -> Iterator[Cast]:
    with cast(deployment) as people:
        yield people


@pytest.fixture
def shop(deployment: Deployment, people: Cast) -> Shop:
    return Shop(deployment, people.ada, people.admin)


@dataclass(frozen=True, slots=True)
class Office:
    """Compare, look at the differences, and fetch; what others have left behind is not looked at."""

    deployment: Deployment
    people: Cast
    sandbox: RunningSandbox

    def found(self, *names: str) -> dict[str, str]:
        """Compare, and give the classes of these differences."""
        run(self.deployment, "provider_reconciler")
        answer = self.people.admin.get(f"{DIFFERENCES}?limit=100").raise_for_status().json()
        listed = {one["difference_id"]: one["class"] for one in answer["items"]}
        return {name: listed[name] for name in names if name in listed}

    def wait_for(self, *names: str) -> dict[str, str]:
        """Compare until all of these are differences: they have to age."""
        return wait_for(lambda: self.found(*names), lambda found: set(found) == set(names))

    def fetch(self, name: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.people.admin.post(f"{DIFFERENCES}/{name}/fetch").raise_for_status().json()
        return answer

    def pay(self, deposit: dict[str, Any], payment_id: str, units: int) -> None:
        """Let a payment be made at Stripe, of which nobody is told."""
        paid = {"amount": units, "amount_received": units, "currency": "usd", "status": "succeeded", "livemode": False}
        self.sandbox.put("stripe", payment_id, **paid, metadata={"deposit_id": deposit["deposit_id"]})


@pytest.fixture
def office(deployment: Deployment, people: Cast, sandbox: RunningSandbox) -> Office:
    return Office(deployment, people, sandbox)


def test_a_payment_whose_webhook_was_lost_is_found_fetched_and_credited_once(shop: Shop, office: Office) -> None:
    deposit = shop.order(Provider.STRIPE, "25.00", "USD")
    payment_id = f"pi_{deposit['deposit_id']}"
    office.pay(deposit, payment_id, 2500)
    name = f"stripe:{payment_id}"
    assert office.wait_for(name) == {name: "missing-webhook"}
    assert {office.fetch(name)["external_id"] for _ in range(3)} == {f"fetched:{payment_id}:paid"}
    shop.wait_for_state(deposit, "COMPLETED")
    shop.tell(Provider.STRIPE, "payment_intent.succeeded", deposit, payment_id=payment_id)
    assert office.found(name) == {}
    assert shop.balance(deposit) == "25.00"


def test_another_amount_and_a_second_payment_are_told_apart(shop: Shop, office: Office) -> None:
    less, twice = (shop.order(Provider.STRIPE, "25.00", "USD") for _ in range(2))
    ids = [f"pi_{less['deposit_id']}", f"pi_{twice['deposit_id']}", f"pi_again_{twice['deposit_id']}"]
    office.pay(less, ids[0], 2400)
    office.pay(twice, ids[1], 2500)
    shop.tell(Provider.STRIPE, "payment_intent.succeeded", twice, payment_id=ids[1])
    shop.wait_for_state(twice, "COMPLETED")
    office.pay(twice, ids[2], 2500)
    names = [f"stripe:{payment_id}" for payment_id in ids]
    assert office.wait_for(names[0], names[2]) == {names[0]: "amount-differs", names[2]: "duplicate"}
    assert office.found(names[1]) == {}
    assert shop.balance(twice) == "25.00"


def test_a_payout_that_a_bank_sends_back_untold_is_found_and_given_back(shop: Shop, office: Office) -> None:
    wallet_id = office.people.ada.open_wallet("USD")
    office.people.service.post(f"/v1/wallets/{wallet_id}/credit", {"amount": "50.00"}).raise_for_status()
    destination = {"type": "stripe", "external_account": "ba_1"}
    body = {"wallet_id": wallet_id, "amount": "20.00", "provider": "stripe", "destination": destination}
    withdrawal = office.people.ada.post("/v1/withdrawals", body).raise_for_status().json()

    def payouts() -> list[str]:
        things = office.sandbox.things("stripe").items()
        ours = {"withdrawal_id": withdrawal["withdrawal_id"]}
        return [thing_id for thing_id, thing in things if thing.get("metadata") == ours]

    def state() -> str:
        path = f"/v1/withdrawals/{withdrawal['withdrawal_id']}"
        return str(office.people.ada.get(path).raise_for_status().json()["state"])

    (payout_id,) = wait_for(payouts, bool)
    office.sandbox.put("stripe", payout_id, status="paid")
    wait_for(state, lambda found: found == "COMPLETED")
    office.sandbox.put("stripe", payout_id, status="failed", failure_code="account_closed")
    name = f"stripe:payout-{payout_id}"
    assert office.wait_for(name) == {name: "missing-webhook"}
    office.fetch(name)
    wait_for(state, lambda found: found == "RETURNED")
    assert office.found(name) == {}
    assert shop.ada.get(f"/v1/wallets/{wallet_id}").json()["balance"] == "50.00"


def test_only_admins_see_differences(people: Cast) -> None:
    assert [caller.get(DIFFERENCES).status_code for caller in (people.ada, people.service, people.admin)] == [
        403,
        403,
        200,
    ]
