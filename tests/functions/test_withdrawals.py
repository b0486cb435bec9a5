"""Ask for money, decide about it, and go the whole way until it is paid out or back."""

import json
from collections.abc import Callable
from typing import Any, Final

import pytest

from tests.functions import books, cloud, payouts, providers
from tests.functions.deliveries import problem_of
from tests.functions.paying import SPOKEN, end, forget, later, made, pay_out, tell
from tests.functions.payouts import ask, asked, cancel, decide, id_of, money, shown, stored
from tests.functions.world import Answer, Clock
from tests.support.sandbox import RunningSandbox

UNITS: Final = {"stripe": (2500, 50), "truelayer": (1234, 0), "paystack": (500_000, 5000), "stellar": (123_400_001, 0)}
"""Of the orders in `payouts.py`: what is paid out, and the fee."""

DAY_MS: Final = 86_400_000

pytestmark = pytest.mark.usefixtures("small_world", "nothing_at_providers")
each_told = pytest.mark.parametrize("provider", SPOKEN)
each_paying = pytest.mark.parametrize("provider", UNITS)


@pytest.fixture(scope="module")
def provider_url(sandbox: RunningSandbox) -> str:
    return str(sandbox.http.base_url).rstrip("/")


@pytest.fixture
def nothing_at_providers(sandbox: RunningSandbox, clock: Clock) -> None:
    forget(sandbox, clock)


def wallet_of(provider: str) -> str:
    wallet_id: str = payouts.ORDERS[provider]["wallet_id"]
    return wallet_id


def moved(key: str = "key-1") -> list[str]:
    """Check all books, and name the movements of a withdrawal in their order."""
    transfers = books.check().transfers
    kinds = {one.transfer_id: one.kind.value for one in transfers if one.metadata.get("withdrawal_id") == id_of(key)}
    assert kinds.keys() == set(shown(key)["transfers"])
    return [kinds[transfer_id] for transfer_id in shown(key)["transfers"]]


def queued() -> list[str]:
    return cloud.queued(providers.PAYOUT_QUEUE)


# From the request to the end


@each_told
def test_what_is_asked_for_is_paid_out_once(provider: str, sandbox: RunningSandbox, clock: Clock) -> None:
    wallet_id, (units, fee) = wallet_of(provider), UNITS[provider]
    before, sides = money(wallet_id), books.check()
    assert asked(provider=provider)["state"] == "APPROVED"
    assert money(wallet_id) == (before[0] - units - fee, before[1] + units + fee)
    assert queued() == [id_of("key-1")]
    pay_out()
    (payout,) = made(sandbox, provider)
    assert (shown()["state"], queued()) == ("SUBMITTED", [])
    end(sandbox, provider)
    tell(sandbox, provider, clock)
    tell(sandbox, provider, clock)
    assert shown()["state"] == "COMPLETED"
    assert shown()["payout_id"] in {payout["id"], payout.get("transfer_code")}
    assert moved() == ["withdrawal-hold", "withdrawal"]
    assert money(wallet_id) == (before[0] - units - fee, before[1])
    after, asset = books.check(), shown()["asset"]
    assert after.side(f"external:{provider}:{asset}") == sides.side(f"external:{provider}:{asset}") + units
    assert after.side(f"external:fees:{asset}") == sides.side(f"external:fees:{asset}") + fee
    assert (len(made(sandbox, provider)), cloud.alerts()) == (1, [])


def test_a_payment_on_stellar_is_paid_when_it_is_in_a_ledger(sandbox: RunningSandbox) -> None:
    asked(provider="stellar")
    pay_out()
    (payment,) = made(sandbox, "stellar")
    assert (payment["amount"], payment["transaction"]["memo"]) == ("12.3400001", "12345")
    assert (shown()["state"], shown()["payout_id"]) == ("COMPLETED", payment["transaction_hash"])
    assert moved() == ["withdrawal-hold", "withdrawal"]
    assert money("wal_dora_xlm") == (1_000_000_000 - 123_400_001, 0)


@each_told
def test_what_the_provider_does_not_pay_comes_back_with_its_fee(
    provider: str, sandbox: RunningSandbox, clock: Clock
) -> None:
    wallet_id = wallet_of(provider)
    before = money(wallet_id)
    asked(provider=provider)
    pay_out()
    end(sandbox, provider, paid=False)
    tell(sandbox, provider, clock, paid=False)
    assert (shown()["state"], moved()) == ("FAILED", ["withdrawal-hold", "withdrawal-release"])
    assert (shown()["failure"], money(wallet_id)) == (stored().failure, before)
    (alert,) = cloud.alerts()
    assert (alert["kind"], alert["severity"], alert["withdrawal_id"]) == ("PAYOUT_FAILED", "medium", id_of("key-1"))


@each_told
def test_what_a_bank_sends_back_comes_back_with_its_fee(provider: str, sandbox: RunningSandbox, clock: Clock) -> None:
    wallet_id = wallet_of(provider)
    before = money(wallet_id)
    asked(provider=provider)
    pay_out()
    for paid in (True, False):
        end(sandbox, provider, paid=paid)
        tell(sandbox, provider, clock, paid=paid)
        clock.advance()
    assert shown()["state"] == "RETURNED"
    assert moved() == ["withdrawal-hold", "withdrawal", "withdrawal-return"]
    assert money(wallet_id) == before
    assert [alert["kind"] for alert in cloud.alerts()] == ["PAYOUT_RETURNED"]


def test_what_comes_back_to_a_closed_wallet_waits_in_suspense(sandbox: RunningSandbox, clock: Clock) -> None:
    asked(provider="truelayer", amount="500.00")
    assert decide("approve", "key-1")["statusCode"] == 200
    pay_out()
    end(sandbox, "truelayer")
    tell(sandbox, "truelayer", clock)
    closed = payouts.call("POST", "/v1/wallets/wal_dora_gbp/close", {}, function="wallets")
    assert closed["statusCode"] == 200
    end(sandbox, "truelayer", paid=False)
    tell(sandbox, "truelayer", clock, paid=False)
    assert (shown()["state"], money("wal_dora_gbp"), money("suspense:GBP")) == ("RETURNED", (0, 0), (50_000, 0))
    assert len(moved()) == 3


def mark(change: str) -> None:
    """Freeze or unfreeze dora's wallet."""
    path, why = f"/v1/wallets/wal_dora_usd/{change}", {"reason": "under review"}
    assert payouts.call("POST", path, why, caller="root", function="wallets")["statusCode"] == 200


def test_what_was_not_sent_waits_while_its_wallet_is_frozen(sandbox: RunningSandbox, clock: Clock) -> None:
    asked()
    mark("freeze")
    for _ in range(3):
        later(sandbox, clock, 301)
        assert (shown()["state"], made(sandbox, "stripe")) == ("APPROVED", [])
    mark("unfreeze")
    later(sandbox, clock, 301)
    assert (shown()["state"], len(made(sandbox, "stripe"))) == ("SUBMITTED", 1)


@pytest.mark.parametrize("action", [cancel, lambda key: decide("reject", key)], ids=["cancelled", "rejected"])
def test_what_waits_for_a_frozen_wallet_can_be_given_back_to_it(action: Callable[[str], Answer]) -> None:
    before = money()
    asked()
    mark("freeze")
    assert cloud.pay(id_of("key-1")) == []
    assert action("key-1")["statusCode"] == 200
    assert (money(), moved()) == (before, ["withdrawal-hold", "withdrawal-release"])


def test_what_comes_back_passes_a_freeze(sandbox: RunningSandbox, clock: Clock) -> None:
    asked()
    pay_out()
    mark("freeze")
    end(sandbox, "stripe", paid=False)
    tell(sandbox, "stripe", clock, paid=False)
    assert (shown()["state"], money()[1]) == ("FAILED", 7650)


def test_a_wallet_is_not_closed_while_its_money_is_on_its_way() -> None:
    asked(provider="truelayer", amount="500.00")
    closed = payouts.call("POST", "/v1/wallets/wal_dora_gbp/close", {}, function="wallets")
    assert problem_of(closed) == (409, "wallet-not-empty")
    assert json.loads(closed["body"])["held"] == "500.00"


# Before it is sent


@pytest.mark.parametrize("key", ["approved", "wanted", "granted", "fresh"])
@pytest.mark.parametrize("action", [cancel, lambda key: decide("reject", key)], ids=["cancelled", "rejected"])
def test_what_is_taken_back_or_refused_before_it_is_sent_is_back_at_once(
    key: str, action: Callable[[str], Answer], sandbox: RunningSandbox, clock: Clock
) -> None:
    wallet_id, provider = shown(key)["wallet_id"], shown(key)["provider"]
    total = stored(key).total_units
    balance, held = money(wallet_id)
    for _ in range(2):
        assert action(key)["statusCode"] == 200
        assert money(wallet_id) == (balance + total, held - total)
    assert moved(key) == ["withdrawal-hold", "withdrawal-release"]
    assert cloud.pay(id_of(key)) == []
    later(sandbox, clock, 7200)
    assert made(sandbox, provider, key) == []
    assert shown(key)["state"] in {"CANCELLED", "REJECTED"}


def test_what_is_reviewed_is_paid_when_a_person_says_so(sandbox: RunningSandbox, clock: Clock) -> None:
    assert asked(amount="100.01")["state"] == "IN_REVIEW"
    pay_out()
    later(sandbox, clock, 7200)
    assert (made(sandbox, "stripe"), shown()["state"]) == ([], "IN_REVIEW")
    for _ in range(2):
        assert decide("approve", "key-1")["statusCode"] == 200
    pay_out()
    assert (shown()["state"], len(made(sandbox, "stripe"))) == ("SUBMITTED", 1)
    assert [step["by"] for step in shown()["history"]] == ["owner", "rule", "admin", "rule"]


def test_what_goes_to_a_new_destination_waits_and_goes_by_itself(sandbox: RunningSandbox, clock: Clock) -> None:
    assert cloud.pay(id_of("fresh")) == []
    clock.now_ms = stored("fresh").submit_after_ms
    cloud.sweep("withdrawal_sweep")
    assert id_of("fresh") not in queued()
    later(sandbox, clock, 1)
    assert shown("fresh")["state"] == "COMPLETED"
    assert [step["action"] for step in shown("fresh")["history"]] == ["request", "approve", "submit", "complete"]


def test_no_persons_decision_shortens_the_wait_for_a_new_destination(sandbox: RunningSandbox, clock: Clock) -> None:
    new = {**payouts.STELLAR, "memo": "67890"}
    asked(provider="stellar", wallet_id="wal_dora_usdc", amount="200", destination=new)
    assert decide("approve", "key-1")["statusCode"] == 200
    for seconds in (0, 3599):
        later(sandbox, clock, seconds)
        assert (shown()["state"], made(sandbox, "stellar")) == ("APPROVED", [])
    later(sandbox, clock, 2)
    assert shown()["state"] == "COMPLETED"


def test_a_destination_is_new_until_it_was_asked_for_long_enough_ago_whatever_became_of_that(clock: Clock) -> None:
    request = {"provider": "stellar", "wallet_id": "wal_dora_usdc", "amount": "20"}
    new = {**payouts.STELLAR, "memo": "67890"}
    first = asked("k1", **request, destination=new)
    assert cancel("k1")["statusCode"] == 200
    clock.now_ms += 1800_000
    second = asked("k2", **request, destination=new)
    assert (second["state"], second["submit_after"]) == ("REQUESTED", first["submit_after"])
    clock.now_ms += 1800_000
    assert asked("k3", **request, destination=new)["state"] == "APPROVED"
    assert asked("k4", **request, destination={**new, "memo": "67891"})["state"] == "REQUESTED"


def test_a_destination_is_known_to_its_owner_only(clock: Clock) -> None:
    clock.now_ms = stored("fresh").submit_after_ms
    payouts.call("POST", "/v1/wallets", {"asset": "USDC"}, caller="eve", key="eves", function="wallets")
    credited = {"amount": "50"}
    path = "/v1/wallets/wal_dora_usdc/credit"
    assert payouts.call("POST", path, credited, caller="till", key="c", function="credit")["statusCode"] == 201
    (wallet,) = json.loads(payouts.call("GET", "/v1/wallets", caller="eve", function="wallets")["body"])["items"]
    path = f"/v1/wallets/{wallet['wallet_id']}/credit"
    assert payouts.call("POST", path, credited, caller="till", key="d", function="credit")["statusCode"] == 201
    request: dict[str, Any] = {"provider": "stellar", "amount": "20", "destination": payouts.STELLAR}
    assert asked("k1", "eve", wallet_id=wallet["wallet_id"], **request)["state"] == "REQUESTED"
    assert asked("k1", wallet_id="wal_dora_usdc", **request)["state"] == "APPROVED"


# Keys


def test_the_same_request_is_carried_out_once_and_answered_as_it_stands(sandbox: RunningSandbox, clock: Clock) -> None:
    first = ask()
    before = money()
    assert "Idempotency-Replayed" not in first["headers"]
    again = ask()
    assert (again["body"], again["headers"]["Idempotency-Replayed"]) == (first["body"], "true")
    pay_out()
    end(sandbox, "stripe")
    tell(sandbox, "stripe", clock)
    assert json.loads(ask()["body"])["state"] == "COMPLETED"
    assert (money()[0], len(made(sandbox, "stripe"))) == (before[0], 1)


def test_a_replay_is_answered_though_the_money_is_spent_and_the_day_is_used_up() -> None:
    asked("k1", amount="649.00")
    assert ask("k2", amount="2.00")["statusCode"] == 409
    spent = {"amount": "200.00"}
    path = "/v1/wallets/wal_dora_usd/debit"
    assert payouts.call("POST", path, spent, caller="till", key="s", function="debit")["statusCode"] == 201
    assert ask("k1", amount="649.00")["headers"]["Idempotency-Replayed"] == "true"
    assert problem_of(ask("k1", amount="649.01")) == (422, "idempotency-key-reused")


def test_a_replay_queues_again_what_may_have_lost_its_message() -> None:
    asked()
    cloud.reset()
    asked()
    assert queued() == [id_of("key-1")]


def test_a_message_that_cannot_be_queued_refuses_nothing(sandbox: RunningSandbox, clock: Clock) -> None:
    with cloud.watched(before=cloud.refusing("SendMessageBatch")):
        assert asked()["state"] == "APPROVED"
    assert queued() == []
    later(sandbox, clock, 1)
    assert len(made(sandbox, "stripe")) == 1


def test_keys_are_of_their_callers() -> None:
    dora = asked()
    root = asked(caller="root", wallet_id="wal_root_usd")
    assert dora["withdrawal_id"] != root["withdrawal_id"]
