"""The payment providers of the small world: how they are configured, and what they send.

All six are there, in their test environments, with the keys of the genuine cases in `tests/fixtures/providers` and with
those that tests sign with. Nothing answers where their APIs are said to be, unless a test starts the sandbox.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

from cli.webhooks import keys, signers
from tallystick.domain.alerts import Priority
from tallystick.domain.webhooks import Provider
from tests.support.sealed import key_of, secret_of
from tests.unit.webhooks.cases import fixture

SIGNED_AT_MS: Final = 1_767_225_600_000
"""2026-01-01T00:00:00Z, when the genuine cases were signed."""

PUBLIC_URL: Final = "https://wallet.example.test"
NOWHERE: Final = "http://127.0.0.1:9"
QUEUE: Final = "webhooks"
PAYOUT_QUEUE: Final = "payouts"
QUEUE_URL: Final = f"https://sqs.us-east-1.amazonaws.com/123456789012/{QUEUE}"
RECONCILIATION_QUEUE: Final = "reconciliation"
PAYOUT_QUEUE_URL: Final = f"https://sqs.us-east-1.amazonaws.com/123456789012/{PAYOUT_QUEUE}"
RECONCILIATION_QUEUE_URL: Final = f"https://sqs.us-east-1.amazonaws.com/123456789012/{RECONCILIATION_QUEUE}"
TOPIC_ARNS: Final = {priority: f"arn:aws:sns:us-east-1:123456789012:alerts-{priority.lower()}" for priority in Priority}
WEBHOOK_KEYS_SECRET: Final = "webhook-keys"
PROVIDER_KEYS_SECRET: Final = "provider-keys"

MOONPAY_ADDRESS: Final = "0xc216eD2D6c295579718dbd4a797845CdA70B3C36"
RAMP_ADDRESS: Final = "0xa03fa8d1f10f8bde740348996165f037b65c6d28"
STELLAR_ADDRESS: Final = "GCYAGA6BZKBN6G4HLQJFMQB73DZN6UA2RU6WOS6KO2Z5VAIKM5YTUQXM"
STELLAR_ISSUER: Final = "GDCZLB6B2LVDWMBOTGBMRWS6ZWB5CZ2QDBH3A5HLJBGEQ3XGSXZ2DTJH"
"""Our addresses, as the genuine cases name them."""

WITHDRAWALS: Final[dict[str, dict[str, Any]]] = {
    "USD": {
        "automatic": "100.00",
        "min": "1.00",
        "max": "1000.00",
        "daily_amount": "800.00",
        "daily_count": 20,
        "fee": "0.25",
        "fee_percent": "1",
    },
    "EUR": {"min": "5.00", "daily_amount": "500.00", "daily_count": 2},
    "GBP": {"automatic": "100.00"},
    "NGN": {"automatic": "100000.00", "min": "100.00", "fee": "50.00"},
    "XLM": {"automatic": "100"},
    "USDC": {"automatic": "100", "new_destination_delay_s": 3600},
}
"""The rules of what can be withdrawn: EUR by a person's decision only, USDC to a new destination after an hour."""

PAYOUT_CHECKS_S: Final = (60, 120, 300)

ELSEWHERE: Final = "203.0.113.7"
SOURCES: Final[dict[str, str]] = {Provider.PAYSTACK: "52.31.139.75"}
"""Where calls come from; Paystack alone has an allowlist here."""


def settings(url: str = NOWHERE) -> dict[Provider, dict[str, Any]]:
    """Configure the providers, with their APIs below an address."""
    given: dict[Provider, dict[str, Any]] = {
        Provider.MOONPAY: {
            "checkout_url": "https://buy-sandbox.moonpay.com",
            "publishable_key": "pk_test_1",
            "tolerance_s": 300,
            "assets": {"ETH": "eth", "USDC": "usdc", "BTC": "btc"},
            "addresses": {"ETH": MOONPAY_ADDRESS, "USDC": MOONPAY_ADDRESS},
        },
        Provider.PAYSTACK: {"allowlist": ["52.31.139.75", "52.49.173.169", "52.214.14.220", "2001:db8::/32"]},
        Provider.RAMP: {
            "checkout_url": "https://app.demo.rampnetwork.com",
            "publishable_key": "ramp-key-1",
            "assets": {"ETH": "SEPOLIA_ETH"},
            "addresses": {"ETH": RAMP_ADDRESS},
        },
        Provider.STELLAR: {
            "tolerance_s": 120,
            "assets": {"XLM": "native", "USDC": f"USDC:{STELLAR_ISSUER}"},
            "addresses": {"*": STELLAR_ADDRESS},
        },
        Provider.STRIPE: {"return_url": "https://wallet.example.test/paid", "tolerance_s": 300},
        Provider.TRUELAYER: {
            "checkout_url": "https://payment.truelayer-sandbox.com/payments",
            "client_id": "sandbox-wallet-1",
            "merchant_account_id": "e83c4c20-0000-4000-8000-000000000001",
            "tolerance_s": 300,
            "trusted_jku": fixture(Provider.TRUELAYER)["keys"]["allowed_jku"],
        },
    }
    return {provider: {"base_url": f"{url}/{provider}", **setting} for provider, setting in given.items()}


def environment(providers: Mapping[Provider, Mapping[str, Any]]) -> dict[str, str]:
    """Say in a function's environment all that has to do with providers, and with what they pay out."""
    return {
        "TALLYSTICK_PROVIDERS": json.dumps(providers),
        "TALLYSTICK_PUBLIC_URL": PUBLIC_URL,
        "TALLYSTICK_WEBHOOK_QUEUE_URL": QUEUE_URL,
        "TALLYSTICK_WEBHOOK_KEYS_SECRET": WEBHOOK_KEYS_SECRET,
        "TALLYSTICK_PROVIDER_KEYS_SECRET": PROVIDER_KEYS_SECRET,
        **{f"TALLYSTICK_ALERTS_TOPIC_{priority}_ARN": arn for priority, arn in TOPIC_ARNS.items()},
        "TALLYSTICK_WITHDRAWALS": json.dumps(WITHDRAWALS),
        "TALLYSTICK_PAYOUT_QUEUE_URL": PAYOUT_QUEUE_URL,
        "TALLYSTICK_RECONCILIATION_QUEUE_URL": RECONCILIATION_QUEUE_URL,
        "TALLYSTICK_RECONCILIATION": '{"segments": 2, "page_size": 5}',
        "TALLYSTICK_PAYOUT_CHECKS_S": json.dumps(PAYOUT_CHECKS_S),
    }


def webhook_keys() -> dict[str, list[str]]:
    """Give the secret that webhooks are checked with; TrueLayer publishes its keys."""
    return {
        provider: [*_keys_of_cases(provider), key_of(provider)] for provider in set(Provider) - {Provider.TRUELAYER}
    }


def truelayer_keys() -> list[str]:
    """Give what TrueLayer publishes."""
    published = fixture(Provider.TRUELAYER)["keys"]["jwks"]["keys"]
    return [*map(json.dumps, published), key_of(Provider.TRUELAYER)]


def provider_keys() -> dict[str, dict[str, str]]:
    """Give the secret that the providers' APIs are called with."""
    return {
        Provider.STRIPE: {"api_key": "sk_test_1"},
        Provider.PAYSTACK: {"api_key": "sk_test_2"},
        Provider.MOONPAY: {
            "api_key": "sk_test_3",
            "signing_key": fixture(Provider.MOONPAY)["url_signing"]["secret_key"],
        },
        Provider.TRUELAYER: {
            "client_secret": "secret-1",
            "private_key": str(secret_of(Provider.TRUELAYER)),
            "key_id": "our-kid",
        },
        Provider.STELLAR: keys.provider_keys()["stellar"],
    }


def _keys_of_cases(provider: Provider) -> list[str]:
    keys = fixture(provider)["keys"]
    return keys.get("secrets") or keys.get("public_keys_pem") or [keys["signing_key"]]


def signed(
    provider: Provider, body: bytes, at_ms: int, *, number: int = 7, query: str = "", encoded: bool = False
) -> dict[str, Any]:
    """Let a provider call about something, signed with a key that tests have."""
    path = f"/webhooks/{provider}"
    headers = signers.sign(
        provider, body, secret_of(provider, number), at_s=at_ms // 1000, host="wallet.example.test", path=path
    )
    return call(provider, body, headers, query=query, encoded=encoded)


def call(
    provider: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    path: str | None = None,
    query: str = "",
    source_ip: str | None = None,
    encoded: bool = False,
) -> dict[str, Any]:
    """Make the event of a provider's call."""
    path = path or f"/webhooks/{provider}"
    source_ip = source_ip or SOURCES.get(provider, ELSEWHERE)
    return {
        "version": "2.0",
        "routeKey": "POST /webhooks/{provider}",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"host": "wallet.example.test", **headers},
        "pathParameters": {"provider": str(provider)},
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "a1b2c3d4e5",
            "domainName": "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com",
            "http": {"method": "POST", "path": path, "protocol": "HTTP/1.1", "sourceIp": source_ip, "userAgent": "t"},
            "requestId": "request-1",
            "stage": "$default",
        },
        "body": base64.b64encode(body).decode() if encoded else body.decode(),
        "isBase64Encoded": encoded,
    }
