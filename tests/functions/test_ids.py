"""Ask for ids that cannot exist: 404 as for any other, whatever DynamoDB would say to such a key."""

import json
from urllib.parse import quote

import pytest

from tests.functions import providers
from tests.functions.world import GROUPS, answer
from tests.support.events import http_event

ODD = {
    "nothing": "",
    "longer than a key of DynamoDB": "w" * 2049,
    "nearly as long as API Gateway lets pass": "w" * 8000,
    "another script": "钱包",
    "a control character": "wal_\x00",
    "a quotation mark": 'wal_"',
    "a slash, encoded": quote("a/b", safe=""),
    "dots": "..",
    "spaces": "  ",
    "a tallied account": "external:stripe:USD",
}
CALLS: tuple[tuple[str, str, str, dict[str, str] | None, str], ...] = (
    ("wallets", "GET", "/v1/wallets/{}", None, "ada"),
    ("wallets", "POST", "/v1/wallets/{}/close", {}, "ada"),
    ("wallets", "POST", "/v1/wallets/{}/freeze", {"reason": "odd"}, "root"),
    ("statements", "GET", "/v1/wallets/{}/entries", None, "ada"),
    ("statements", "GET", "/v1/wallets/{}/balance", None, "ada"),
    ("credit", "POST", "/v1/wallets/{}/credit", {"amount": "1.00"}, "till"),
    ("debit", "POST", "/v1/wallets/{}/debit", {"amount": "1.00"}, "till"),
    ("transfers", "GET", "/v1/transfers/{}", None, "ada"),
    ("transfers", "GET", "/v1/transfers/trf_{}", None, "ada"),
    ("transfers", "POST", "/v1/transfers/trf_{}/reverse", {}, "till"),
    ("deposits", "GET", "/v1/deposits/{}", None, "cora"),
    ("deposits", "GET", "/v1/deposits/dep_{}", None, "cora"),
    ("withdrawals", "GET", "/v1/withdrawals/{}", None, "dora"),
    ("withdrawals", "GET", "/v1/withdrawals/wdr_{}", None, "dora"),
    ("withdrawals", "POST", "/v1/withdrawals/{}/cancel", {}, "dora"),
    ("withdrawals", "POST", "/v1/withdrawals/wdr_{}/cancel", {}, "dora"),
    ("withdrawals", "POST", "/v1/admin/withdrawals/{}/approve", {"notes": "odd"}, "root"),
    ("withdrawals", "POST", "/v1/admin/withdrawals/wdr_{}/approve", {"notes": "odd"}, "root"),
    ("withdrawals", "POST", "/v1/admin/withdrawals/{}/reject", {"notes": "odd"}, "root"),
    ("withdrawals", "POST", "/v1/admin/withdrawals/wdr_{}/reject", {"notes": "odd"}, "root"),
    ("differences", "POST", "/v1/admin/reconciliation/differences/{}/fetch", {}, "root"),
    ("differences", "POST", "/v1/admin/reconciliation/differences/stripe:{}/fetch", {}, "root"),
    ("dead_letters", "GET", "/v1/admin/dlq/{}", None, "root"),
    ("dead_letters", "GET", "/v1/admin/dlq/dlq_{}", None, "root"),
    ("dead_letters", "GET", "/v1/admin/dlq/dlq_{}/preview", None, "root"),
    ("dead_letters", "POST", "/v1/admin/dlq/dlq_{}/redrive", {}, "root"),
    ("dead_letters", "POST", "/v1/admin/dlq/dlq_{}/resolve", {"notes": "odd"}, "root"),
    ("alerts", "GET", "/v1/admin/alerts/{}", None, "root"),
    ("alerts", "GET", "/v1/admin/alerts/alr_{}", None, "root"),
    ("alerts", "POST", "/v1/admin/alerts/{}/resolve", {"notes": "odd"}, "root"),
    ("alerts", "POST", "/v1/admin/alerts/alr_{}/resolve", {"notes": "odd"}, "root"),
)

pytestmark = pytest.mark.usefixtures("small_world")


@pytest.mark.parametrize("wanted", ODD.values(), ids=ODD.keys())
@pytest.mark.parametrize(("function", "method", "path", "body", "caller"), CALLS, ids=[f"{c[1]} {c[2]}" for c in CALLS])
def test_odd_ids_are_not_found(function: str, method: str, path: str, body: object, caller: str, wanted: str) -> None:
    event = http_event(method, path.format(wanted), body, caller=caller, groups=GROUPS.get(caller, ""), key="new-key")
    answered = answer(function, event)
    assert answered["statusCode"] == 404
    assert json.loads(answered["body"])["type"] == "urn:tallystick:problem:not-found"


@pytest.mark.parametrize("name", ODD.values(), ids=ODD.keys())
def test_odd_providers_are_not_found(name: str) -> None:
    answered = answer("webhooks", providers.call(name, b"{}", {}))
    assert answered["statusCode"] == 404
    assert json.loads(answered["body"])["type"] == "urn:tallystick:problem:not-found"
