"""Providers call the deployed API: what is genuine arrives once, whatever happens on its way; nothing else does."""

import json
import secrets
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from cli.local.deployment import Deployment
from cli.webhooks.keys import signing_key
from cli.webhooks.samples import SAMPLES, Order
from cli.webhooks.sending import Target, deliver, signed_headers
from cli.webhooks.signers import sign
from tallystick.domain.webhooks import Provider
from tests.local.callers import Caller, Cast, cast, new_key, outcome
from tests.local.changes import run, with_environment
from tests.local.waiting import wait_for
from tests.support.sandbox import RunningSandbox

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_sns import SNSClient
    from types_boto3_sqs import SQSClient

ETH_ADDRESS: Final = "0xc216eD2D6c295579718dbd4a797845CdA70B3C36"
ISSUER: Final = "GDCZLB6B2LVDWMBOTGBMRWS6ZWB5CZ2QDBH3A5HLJBGEQ3XGSXZ2DTJH"
OUR_STELLAR_ADDRESS: Final = "GBQELVIV5NWVCDKIEXQUUI7Q4OSCKU7PV6LSSWCJIQF2F2LPDHU2OBUG"


@pytest.fixture(scope="module")
def people(deployment: Deployment) -> Iterator[Cast]:
    with cast(deployment) as people:
        yield people


@dataclass(frozen=True, slots=True)
class Shop:
    """Order money into ada's wallets, and let providers tell what becomes of it."""

    deployment: Deployment
    ada: Caller
    admin: Caller

    def order(self, provider: Provider, amount: str, currency: str, asset: str | None = None) -> dict[str, Any]:
        wallet_id = self.ada.open_wallet(asset or currency)
        body = {"wallet_id": wallet_id, "provider": provider, "amount": amount, "currency": currency}
        key = new_key()
        answer = wait_for(lambda: self.ada.post("/v1/deposits", body, key), lambda found: found.status_code != 503)
        deposit: dict[str, Any] = answer.raise_for_status().json()
        return deposit

    def target(self, provider: Provider) -> Target:
        return Target(self.deployment.base_url, self.deployment.public_url, signing_key(provider))

    def tell(self, provider: Provider, event: str, deposit: Mapping[str, Any], **members: str) -> httpx.Response:
        query = f"?deposit={deposit['deposit_id']}" if provider is Provider.RAMP else ""
        return deliver(self.target(provider), provider, body_of(provider, event, deposit, **members), query=query)

    def post(self, provider: str, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
        url = f"{self.deployment.base_url}/webhooks/{provider}"
        return httpx.post(url, content=body, headers=headers, timeout=60, trust_env=False)

    def deposit(self, deposit: Mapping[str, Any]) -> dict[str, Any]:
        stored: dict[str, Any] = self.ada.get(f"/v1/deposits/{deposit['deposit_id']}").raise_for_status().json()
        return stored

    def balance(self, deposit: Mapping[str, Any]) -> str:
        wallet = self.ada.get(f"/v1/wallets/{deposit['wallet_id']}").raise_for_status().json()
        return str(wallet["balance"])

    def wait_for_state(self, deposit: Mapping[str, Any], state: str) -> dict[str, Any]:
        return wait_for(lambda: self.deposit(deposit), lambda found: found["state"] == state)

    def dead_letter(self, external_id: str) -> dict[str, Any]:
        def listed() -> list[dict[str, Any]]:
            items: list[dict[str, Any]] = self.admin.get("/v1/admin/dlq?limit=100").raise_for_status().json()["items"]
            return [item for item in items if external_id in item["external_id"]]

        return wait_for(listed, bool)[0]


def body_of(provider: Provider, event: str, deposit: Mapping[str, Any], **members: str) -> bytes:
    order = Order(
        deposit_id=deposit["deposit_id"],
        amount=Decimal(members.get("amount", deposit["amount"])),
        currency=deposit["currency"],
        payment_id=members.get("payment_id", f"pay-{deposit['deposit_id']}"),
        claim_id=members.get("claim_id", "claim-1"),
        at=datetime.now(UTC),
        delivered=Decimal(members.get("delivered", deposit["amount"])),
        asset=deposit["asset"],
        address=members.get("address", ""),
    )
    return json.dumps(SAMPLES[provider][event](order)).encode()


@pytest.fixture
def shop(deployment: Deployment, people: Cast) -> Shop:
    return Shop(deployment, people.ada, people.admin)


class TestPurchases:
    """Money arrives once."""

    def test_a_hundred_deliveries_move_money_once(self, shop: Shop) -> None:
        deposit = shop.order(Provider.STRIPE, "25.00", "USD")
        body = body_of(Provider.STRIPE, "payment_intent.succeeded", deposit)
        headers = signed_headers(shop.target(Provider.STRIPE), Provider.STRIPE, body)

        def send_it(http: httpx.Client) -> int:
            return http.post("/webhooks/stripe", content=body, headers=headers).status_code

        with httpx.Client(base_url=shop.deployment.base_url, trust_env=False, timeout=60) as http:
            with ThreadPoolExecutor(max_workers=50) as pool:
                answers = Counter(pool.map(send_it, [http] * 50))
            shop.wait_for_state(deposit, "COMPLETED")
            with ThreadPoolExecutor(max_workers=50) as pool:
                answers += Counter(pool.map(send_it, [http] * 50))
        assert answers == {200: 100}
        assert shop.balance(deposit) == "25.00"
        assert len(entries(shop, deposit)) == 1

    def test_a_purchase_by_moonpay_is_credited_with_what_was_delivered(self, shop: Shop) -> None:
        deposit = shop.order(Provider.MOONPAY, "295.45", "EUR", asset="ETH")
        shop.tell(Provider.MOONPAY, "transaction_updated", deposit, delivered="0.1819", address=ETH_ADDRESS)
        assert shop.wait_for_state(deposit, "COMPLETED")["credited"] == "0.181900000000000000"

    def test_what_went_to_another_address_is_not_credited(self, shop: Shop) -> None:
        deposit = shop.order(Provider.MOONPAY, "295.45", "EUR", asset="ETH")
        shop.tell(Provider.MOONPAY, "transaction_updated", deposit, delivered="0.1819", address="0x" + "1" * 40)
        assert shop.dead_letter(f"pay-{deposit['deposit_id']}")["reason"] == "address-mismatch"
        assert shop.balance(deposit) == "0.000000000000000000"

    def test_truelayer_is_asked_for_the_amount(self, shop: Shop, sandbox: RunningSandbox) -> None:
        deposit = shop.order(Provider.TRUELAYER, "12.50", "GBP")
        payment_id = payment_of(sandbox, "truelayer", deposit["deposit_id"])
        sandbox.put("truelayer", payment_id, status="settled")
        shop.tell(Provider.TRUELAYER, "payment_settled", deposit, payment_id=payment_id)
        shop.wait_for_state(deposit, "COMPLETED")
        assert shop.balance(deposit) == "12.50"

    def test_a_payment_on_stellar_is_found_by_its_memo(self, shop: Shop, sandbox: RunningSandbox) -> None:
        deposit = shop.order(Provider.STELLAR, "5.0000000", "XLM")
        counterfeit = {"asset_type": "credit_alphanum4", "asset_code": "XLM", "asset_issuer": ISSUER}
        pay_on_stellar(sandbox, deposit, **counterfeit)
        pay_on_stellar(sandbox, deposit, asset_type="native")
        run(shop.deployment, "stellar_poller")
        run(shop.deployment, "stellar_poller")
        shop.wait_for_state(deposit, "COMPLETED")
        assert shop.balance(deposit) == "5.0000000"

    def test_a_chargeback_takes_what_is_there_and_freezes_the_wallet(
        self, shop: Shop, people: Cast, alerts: "Mailbox"
    ) -> None:
        deposit = shop.order(Provider.STRIPE, "25.00", "USD")
        shop.tell(Provider.STRIPE, "payment_intent.succeeded", deposit)
        shop.wait_for_state(deposit, "COMPLETED")
        people.service.post(f"/v1/wallets/{deposit['wallet_id']}/debit", {"amount": "20.00"}).raise_for_status()
        shop.tell(Provider.STRIPE, "charge.dispute.created", deposit, claim_id=f"dp-{deposit['deposit_id']}")
        shop.wait_for_state(deposit, "CHARGED_BACK")
        wallet = shop.ada.get(f"/v1/wallets/{deposit['wallet_id']}").json()
        assert (wallet["balance"], wallet["status"]) == ("0.00", "FROZEN")
        assert alerts.wait_for("RECEIVABLE", deposit["deposit_id"])["owed"] == "20.00"


class TestForgeries:
    """What is not genuine, or not from now, leaves no trace."""

    def test_a_signature_of_an_hour_ago_is_stale(self, shop: Shop) -> None:
        deposit = shop.order(Provider.STRIPE, "25.00", "USD")
        body = body_of(Provider.STRIPE, "payment_intent.succeeded", deposit)
        an_hour_ago = int(time.time()) - 3600
        headers = sign(Provider.STRIPE, body, signing_key(Provider.STRIPE), at_s=an_hour_ago, host="-", path="-")
        answer = httpx.post(
            f"{shop.deployment.base_url}/webhooks/stripe", content=body, headers=headers, trust_env=False
        )
        assert outcome(answer) == "401 webhook-refused"

    def test_nothing_is_stored_of_it(self, shop: Shop) -> None:
        deposit = shop.order(Provider.STRIPE, "25.00", "USD")
        body = body_of(Provider.STRIPE, "payment_intent.succeeded", deposit)
        headers = signed_headers(shop.target(Provider.STRIPE), Provider.STRIPE, body)
        more = body.replace(b"2500", b"9900")
        answer = httpx.post(
            f"{shop.deployment.base_url}/webhooks/stripe", content=more, headers=headers, trust_env=False
        )
        assert outcome(answer) == "401 webhook-refused"
        dynamodb: DynamoDBClient = shop.deployment.client("dynamodb")
        stored = dynamodb.scan(TableName=shop.deployment.outputs["InboxTable"], ConsistentRead=True)["Items"]
        assert not [item for item in stored if deposit["deposit_id"] in item["external_id"]["S"]]


class TestFailures:
    """What cannot be processed now is tried again; what never can be waits for a person."""

    def test_five_retries_then_a_dead_letter_an_alert_a_preview_and_a_redrive(
        self, shop: Shop, alerts: "Mailbox"
    ) -> None:
        deposit = shop.order(Provider.STRIPE, "25.00", "USD")
        wallet = f"/v1/wallets/{deposit['wallet_id']}"
        shop.admin.post(f"{wallet}/freeze", {"reason": "under review"}).raise_for_status()
        event_id = f"evt_payment_intent_succeeded_pay-{deposit['deposit_id']}_claim-1"
        assert shop.tell(Provider.STRIPE, "payment_intent.succeeded", deposit).status_code == 200
        dead = shop.dead_letter(event_id)
        assert (dead["state"], dead["reason"], dead["attempts"]) == ("DEAD", "account-not-active", 6)
        assert alerts.wait_for("WEBHOOK_FAILURE", event_id)["reason"] == "account-not-active"
        place = f"/v1/admin/dlq/{dead['dead_letter_id']}"
        assert shop.admin.get(f"{place}/preview").json()["reason"] == "account-not-active"
        shop.admin.post(f"{wallet}/unfreeze", {"reason": "all is well"}).raise_for_status()
        (previewed,) = shop.admin.get(f"{place}/preview").json()["transfers"]
        assert shop.balance(deposit) == "0.00"
        for _ in range(3):
            assert shop.admin.post(f"{place}/redrive", {}).status_code == 200
        shop.wait_for_state(deposit, "COMPLETED")
        (entry,) = entries(shop, deposit)
        assert entry["transfer_id"] == previewed["transfer_id"]
        assert shop.balance(deposit) == previewed["amount"] == "25.00"
        assert shop.admin.get(place).json()["state"] == "DONE"
        assert shop.admin.post(f"{place}/resolve", {"notes": "late"}).status_code == 409

    def test_an_event_of_no_order_is_resolved_with_notes(self, shop: Shop) -> None:
        nobodys = {"deposit_id": f"dep_{secrets.token_hex(16)}", "amount": "1.00", "currency": "NGN", "asset": "NGN"}
        shop.tell(Provider.PAYSTACK, "charge.success", nobodys)
        body = body_of(Provider.PAYSTACK, "charge.success", nobodys)
        dead = shop.dead_letter(json.loads(body)["event"])
        place = f"/v1/admin/dlq/{dead['dead_letter_id']}"
        assert outcome(shop.admin.post(f"{place}/resolve", {"notes": " "})) == "422 invalid-request"
        assert outcome(shop.ada.post(f"{place}/resolve", {"notes": "mine"})) == "403 forbidden"
        resolved = shop.admin.post(f"{place}/resolve", {"notes": "a test of another team"})
        assert (resolved.json()["state"], resolved.json()["notes"]) == ("RESOLVED", "a test of another team")

    def test_an_event_that_was_stored_and_never_queued_is_swept_up(self, shop: Shop) -> None:
        deposit = shop.order(Provider.STRIPE, "25.00", "USD")
        with with_environment(shop.deployment, "webhooks", TALLYSTICK_WEBHOOK_QUEUE_URL="http://127.0.0.1:9/none"):
            lost = shop.tell(Provider.STRIPE, "payment_intent.succeeded", deposit)
        assert lost.status_code == 503
        grace_s = 6
        time.sleep(grace_s)
        run(shop.deployment, "webhook_sweep")
        shop.wait_for_state(deposit, "COMPLETED")
        assert shop.balance(deposit) == "25.00"


@dataclass(slots=True)
class Mailbox:
    """Receive what the alerts' topics send, with the facts beside the kind."""

    sqs: "SQSClient"
    url: str
    received: list[dict[str, Any]]

    def wait_for(self, kind: str, about: str) -> dict[str, Any]:
        def matching() -> list[dict[str, Any]]:
            self.collect()
            return [mail for mail in self.received if mail["kind"] == kind and about in json.dumps(mail)]

        return wait_for(matching, bool)[0]

    def collect(self) -> None:
        messages = self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages", [])
        told = [json.loads(json.loads(message["Body"])["Message"]) for message in messages]
        self.received += [{**one["facts"], "kind": one["kind"]} for one in told]


@pytest.fixture(scope="module")
def alerts(deployment: Deployment) -> Iterator[Mailbox]:
    """Subscribe to the alerts' topics."""
    sqs: SQSClient = deployment.client("sqs")
    sns: SNSClient = deployment.client("sns")
    url = sqs.create_queue(QueueName=f"alerts-{secrets.token_hex(3)}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    anybody = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [anybody]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    for priority in ("P0", "P1", "P2"):
        sns.subscribe(TopicArn=deployment.outputs[f"AlertsTopic{priority}Arn"], Protocol="sqs", Endpoint=arn)
    yield Mailbox(sqs, url, [])
    sqs.delete_queue(QueueUrl=url)


def entries(shop: Shop, deposit: Mapping[str, Any]) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = shop.ada.get(f"/v1/wallets/{deposit['wallet_id']}/entries").json()["items"]
    return listed


def payment_of(sandbox: RunningSandbox, provider: str, deposit_id: str) -> str:
    return next(key for key, thing in sandbox.things(provider).items() if deposit_id in json.dumps(thing))


def pay_on_stellar(sandbox: RunningSandbox, deposit: Mapping[str, Any], **asset: str) -> None:
    token = str(len(sandbox.things("stellar")) + 1)
    memo = {"memo_type": "id", "memo": deposit["instructions"]["memo"]}
    payment = {
        "paging_token": token,
        "type": "payment",
        "transaction_successful": True,
        "transaction_hash": f"hash-{token}",
        "to": OUR_STELLAR_ADDRESS,
        "from": ISSUER,
        "amount": deposit["amount"],
        "created_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "transaction": {"hash": f"hash-{token}", "successful": True, **memo},
    }
    sandbox.put("stellar", token, **payment, **asset)
