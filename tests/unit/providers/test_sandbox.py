import subprocess
import sys
import time

import httpx
import pytest

from tests.support.sandbox import RunningSandbox
from tests.unit.providers.payers import control

STRIPE = {"authorization": "Bearer sk_test_1"}
PAYOUT = {"amount": "100", "currency": "usd", "destination": "ba_closed", "metadata[withdrawal_id]": "wdr_1"}
INTENT = {"amount": "100", "currency": "usd", "metadata[deposit_id]": "dep_1"}


def test_things_are_made_and_changed(sandbox: RunningSandbox) -> None:
    body = {"provider": "stripe", "id": "pi_1", "status": "processing"}
    assert sandbox.http.post("/_control/resources", json=body).json() == {"id": "pi_1", "status": "processing"}
    assert sandbox.put("stripe", "pi_1", status="succeeded", id="other") == {"id": "other", "status": "succeeded"}
    assert sandbox.things("stripe") == {"pi_1": {"id": "other", "status": "succeeded"}}


def test_faults_are_used_up(sandbox: RunningSandbox) -> None:
    sandbox.fail("stripe", status=503, times=2)
    statuses = [sandbox.http.get("/stripe/v1/refunds", headers=STRIPE).status_code for _ in range(3)]
    assert statuses == [503, 503, 200]
    assert [call["status"] for call in sandbox.calls("stripe")] == statuses


def test_a_delay_comes_before_the_effect(sandbox: RunningSandbox) -> None:
    sandbox.fail("stripe", delay_ms=120)
    started = time.monotonic()
    sandbox.http.get("/stripe/v1/refunds", headers=STRIPE)
    assert time.monotonic() - started >= 0.12


def test_a_lost_answer_has_its_effect(sandbox: RunningSandbox) -> None:
    sandbox.fail("stripe", lost=True)
    with pytest.raises(httpx.RemoteProtocolError):
        sandbox.http.post("/stripe/v1/payment_intents", headers=STRIPE, data=INTENT)
    assert list(sandbox.things("stripe")) == ["pi_sandbox_1"]


def test_a_call_may_be_carried_out_and_not_look_so(sandbox: RunningSandbox) -> None:
    sandbox.fail("stripe", status=504, carried_out=True, body={"error": "gone"})
    answer = sandbox.http.post("/stripe/v1/payment_intents", headers=STRIPE, data=INTENT)
    assert (answer.status_code, answer.json()) == (504, {"error": "gone"})
    assert list(sandbox.things("stripe")) == ["pi_sandbox_1"]


def test_a_provider_is_away_until_it_comes_back(sandbox: RunningSandbox) -> None:
    sandbox.fail("stripe", status=500)
    statuses = []
    for away in (True, True, False, False):
        control(sandbox, "away", provider="stripe", away=away)
        statuses.append(sandbox.http.get("/stripe/v1/refunds", headers=STRIPE).status_code)
    assert statuses == [503, 503, 500, 200]
    assert [call["status"] for call in sandbox.calls("stripe")] == statuses
    assert sandbox.http.get("/paystack/refund/1", headers=STRIPE).status_code == 404
    control(sandbox, "away", provider="stripe", away=True)
    sandbox.reset()
    assert sandbox.http.get("/stripe/v1/refunds", headers=STRIPE).status_code == 200


def test_keys_are_forgotten_and_what_was_done_under_them_stays(sandbox: RunningSandbox) -> None:
    def pay() -> str:
        headers = {**STRIPE, "idempotency-key": "k"}
        return str(sandbox.http.post("/stripe/v1/payouts", headers=headers, data=PAYOUT).json()["id"])

    assert (pay(), pay()) == ("po_sandbox_1", "po_sandbox_1")
    for provider in ("stripe", "paystack", "truelayer"):
        control(sandbox, "forget", provider=provider)
    assert (pay(), pay()) == ("po_sandbox_2", "po_sandbox_2")
    assert list(sandbox.things("stripe")) == ["po_sandbox_1", "po_sandbox_2"]


def test_a_payout_is_pending_until_somebody_says_otherwise(sandbox: RunningSandbox) -> None:
    made = sandbox.http.post("/stripe/v1/payouts", headers=STRIPE, data=PAYOUT).json()
    assert (made["status"], made["destination"]) == ("pending", "ba_closed")
    sandbox.put("stripe", made["id"], status="failed", failure_code="account_closed")
    now = sandbox.http.get(f"/stripe/v1/payouts/{made['id']}", headers=STRIPE).json()
    assert now == {**made, "status": "failed", "failure_code": "account_closed"}


def test_payouts_may_be_made_as_paid(sandbox: RunningSandbox) -> None:
    sandbox.put("stripe", "payouts", status="paid")
    made = sandbox.http.post("/stripe/v1/payouts", headers=STRIPE, data=PAYOUT).json()
    assert made["status"] == "paid"


def test_newer_payouts_are_listed_first(sandbox: RunningSandbox) -> None:
    for number, created in {3: 3, 1: 2, 2: 2, 0: 1}.items():
        sandbox.put("stripe", f"po_{number}", created=created)
    listed = sandbox.http.get("/stripe/v1/payouts?created[gte]=2", headers=STRIPE).json()
    assert [payout["id"] for payout in listed["data"]] == ["po_3", "po_2", "po_1"]
    first = sandbox.http.get("/stripe/v1/payouts?limit=1", headers=STRIPE).json()
    rest = sandbox.http.get("/stripe/v1/payouts?starting_after=po_3", headers=STRIPE).json()
    assert ([payout["id"] for payout in first["data"]], first["has_more"]) == (["po_3"], True)
    assert ([payout["id"] for payout in rest["data"]], rest["has_more"]) == (["po_2", "po_1", "po_0"], False)


def test_no_page_is_longer_than_a_hundred(sandbox: RunningSandbox) -> None:
    for number in range(101):
        sandbox.put("stripe", f"po_{number}", created=number)
    page = sandbox.http.get("/stripe/v1/payouts?limit=200", headers=STRIPE).json()
    assert (len(page["data"]), page["has_more"]) == (100, True)


def test_a_transfer_needs_a_recipient_and_a_new_reference(sandbox: RunningSandbox) -> None:
    def post(path: str, order: dict[str, object]) -> tuple[int, str]:
        answer = sandbox.http.post(f"/paystack/{path}", headers=STRIPE, json=order)
        return answer.status_code, answer.json().get("code") or answer.json()["data"].get("status", "")

    order: dict[str, object] = {"amount": 1, "currency": "NGN", "recipient": "RCP_0581", "reference": "wdr-1"}
    assert post("transfer", order) == (400, "invalid_transfer_recipient")
    assert post("transferrecipient", {"bank_code": "058", "account_number": "1"}) == (201, "")
    assert post("transfer", order) == (200, "pending")
    assert post("transfer", order) == (400, "duplicate_transfer_reference")
    assert sandbox.http.get("/paystack/transfer/verify/wdr-2", headers=STRIPE).status_code == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/stripe/v1/refunds", 401),
        ("/paystack/refund/1", 401),
        ("/moonpay/v1/transactions/1", 401),
        ("/truelayer/v3/payments/1", 401),
        ("/ramp/host-api/purchase/1?secret=1", 404),
        ("/stellar/accounts/G/payments", 404),
        ("/paypal/v1", 404),
        ("/_control/nothing", 404),
        ("/", 404),
    ],
)
def test_who_is_not_known_gets_nothing(sandbox: RunningSandbox, path: str, status: int) -> None:
    assert sandbox.http.get(path).status_code == status


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/stripe/v1/nothing", STRIPE),
        ("/paystack/nothing", STRIPE),
        ("/moonpay/v1/nothing", {"authorization": "Api-Key 1"}),
        ("/ramp/nothing", {}),
        ("/stellar/nothing", {}),
    ],
)
def test_what_is_not_played_is_not_found(sandbox: RunningSandbox, path: str, headers: dict[str, str]) -> None:
    assert sandbox.http.get(path, headers=headers).status_code == 404
    if headers == STRIPE:
        assert sandbox.http.post(path, headers=headers).status_code == 404


def test_without_a_key_stripe_does_everything_anew(sandbox: RunningSandbox) -> None:
    ids = {sandbox.http.post("/stripe/v1/payment_intents", headers=STRIPE, data=INTENT).json()["id"] for _ in "ab"}
    assert len(ids) == 2


def test_truelayer_wants_a_key_and_a_signature(sandbox: RunningSandbox) -> None:
    form = {"grant_type": "client_credentials", "client_id": "c", "client_secret": "s", "scope": "payments"}
    token = sandbox.http.post("/truelayer/connect/token", data=form).json()["access_token"]
    headers = {"authorization": f"Bearer {token}"}
    url = "/truelayer/v3/payments"
    assert sandbox.http.post(url, headers=headers, json={}).status_code == 400
    assert sandbox.http.post(url, headers={**headers, "idempotency-key": "k"}, json={}).status_code == 401
    assert sandbox.http.get("/truelayer/nothing", headers=headers).status_code == 404
    form["grant_type"] = "password"
    assert sandbox.http.post("/truelayer/connect/token", data=form).status_code == 400


def test_truelayer_publishes_the_keys_that_it_is_given(sandbox: RunningSandbox) -> None:
    sandbox.put("truelayer", "jwks", keys=[{"kid": "1"}])
    assert sandbox.http.get("/truelayer/.well-known/jwks").json()["keys"] == [{"kid": "1"}]


def test_it_can_be_served_alone(sandbox: RunningSandbox) -> None:
    port = sandbox.http.base_url.port
    assert port is not None
    command = [sys.executable, "-m", "cli.local.sandbox", str(port)]
    taken = subprocess.run(command, capture_output=True, check=False, timeout=30)  # noqa: S603 (our own)
    assert b"in use" in taken.stderr
