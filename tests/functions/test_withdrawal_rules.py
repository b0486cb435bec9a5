"""What may be withdrawn in a day, what a quote says of it, and who may decide or see."""

import json
from collections.abc import Callable
from typing import Any, Final

import pytest

from tallystick.adapters.dynamo.tables import AuditItem
from tallystick.domain.webhooks import Provider
from tests.functions import cloud, payouts
from tests.functions.deliveries import problem_of
from tests.functions.paying import end, forget, pay_out, tell
from tests.functions.payouts import ORDERS, ask, asked, cancel, decide, id_of, shown
from tests.functions.world import NOW_MS, Clock
from tests.support.moto import Snapshot
from tests.support.sandbox import RunningSandbox

DAY_MS: Final = 86_400_000

pytestmark = pytest.mark.usefixtures("small_world", "nothing_at_providers")


@pytest.fixture(scope="module")
def provider_url(sandbox: RunningSandbox) -> str:
    return str(sandbox.http.base_url).rstrip("/")


@pytest.fixture
def nothing_at_providers(sandbox: RunningSandbox, clock: Clock) -> None:
    forget(sandbox, clock)


def used(asset: str = "USD") -> tuple[str, int]:
    """Tell what is left of dora's day."""
    wallet_id, provider = f"wal_dora_{asset.lower()}", "truelayer" if asset in {"EUR", "GBP"} else "stripe"
    destination = payouts.IBAN if provider == "truelayer" else payouts.STRIPE
    quoted = payouts.ask(path="/quote", provider=provider, wallet_id=wallet_id, amount="5.00", destination=destination)
    document = json.loads(quoted["body"])
    return document["daily_amount_left"], document["daily_count_left"]


# Limits


def test_the_limits_of_a_day_begin_anew_at_midnight(clock: Clock) -> None:
    asked("k1", amount="650.00")
    assert used() == ("0.00", 14)
    assert problem_of(ask("k2", amount="1.00")) == (409, "limit-exceeded")
    clock.now_ms = NOW_MS - NOW_MS % DAY_MS + DAY_MS - 1
    assert problem_of(ask("k3", amount="1.00")) == (409, "limit-exceeded")
    clock.now_ms += 1
    assert used() == ("800.00", 20)
    assert asked("k3", amount="1.00")["state"] == "APPROVED"
    assert used() == ("799.00", 19)


def test_what_was_not_paid_is_given_back_to_the_day_that_it_was_of(sandbox: RunningSandbox, clock: Clock) -> None:
    asked()
    pay_out()
    assert used() == ("625.00", 14)
    clock.now_ms += DAY_MS
    end(sandbox, "stripe", paid=False)
    tell(sandbox, "stripe", clock, paid=False)
    assert used() == ("800.00", 20)
    clock.now_ms -= DAY_MS
    assert used() == ("650.00", 15)


def test_what_was_paid_and_came_back_stays_counted(sandbox: RunningSandbox, clock: Clock) -> None:
    asked()
    pay_out()
    for paid in (True, False):
        end(sandbox, "stripe", paid=paid)
        tell(sandbox, "stripe", clock, paid=paid)
    assert (shown()["state"], used()) == ("RETURNED", ("625.00", 14))


def test_a_request_that_no_day_allows_is_told_what_is_left_of_this_one() -> None:
    refused = json.loads(ask(amount="800.01")["body"])
    assert (refused["remaining"], refused["remaining_count"]) == ("650.00", 15)


# Quotes


@pytest.mark.parametrize("provider", ORDERS)
def test_a_quote_says_what_the_request_becomes_and_writes_nothing(provider: str) -> None:
    before = Snapshot.take()
    quoted = json.loads(ask(path="/quote", provider=provider)["body"])
    assert Snapshot.take().as_json() == before.as_json()
    answered = asked(provider=provider)
    for member in ("asset", "scale", "amount", "fee", "total", "state", "submit_after"):
        assert quoted[member] == answered[member], member


# Who may do what


@pytest.mark.parametrize("provider", ORDERS)
def test_nobody_who_asks_needs_a_key_of_the_provider(
    provider: str, configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure()
    monkeypatch.delenv("TALLYSTICK_PROVIDER_KEYS_SECRET")
    with cloud.watched(before=cloud.refusing("GetSecretValue")) as calls:
        assert asked(provider=provider)["state"] == "APPROVED"
        assert ask(path="/quote", provider=provider)["statusCode"] == 200
        assert cancel()["statusCode"] == 200
    assert {"GetItem", "TransactWriteItems", "SendMessageBatch"} <= set(calls)


def test_a_provider_that_is_not_configured_is_not_found(configure: Callable[..., None]) -> None:
    configure({Provider.STRIPE: None})
    assert problem_of(ask()) == (404, "not-found")


def audited(key: str) -> list[dict[str, Any]]:
    return [item.attribute_values for item in AuditItem.query(id_of(key))]


@pytest.mark.parametrize(("action", "verb"), [("approve", "approved"), ("reject", "rejected")])
def test_a_decision_is_in_the_audit_once(action: str, verb: str) -> None:
    for _ in range(3):
        assert decide(action, "wanted")["statusCode"] == 200
    (row,) = audited("wanted")
    assert row == {
        "subject": id_of("wanted"),
        "action_key": f"2026-01-31T13:00:00.000Z#withdrawal-{verb}",
        "action": f"withdrawal-{verb}",
        "actor_id": "root",
        "at": "2026-01-31T13:00:00.000Z",
        "source_ip": "127.0.0.1",
        "details": {
            "notes": "called her back",
            "state": "IN_REVIEW",
            "owner_id": "dora",
            "units": "6000",
            "asset": "EUR",
        },
    }


@pytest.mark.parametrize("action", ["approve", "reject"])
@pytest.mark.parametrize("caller", ["dora", "bob", "till"])
def test_who_may_not_decide_changes_nothing(caller: str, action: str) -> None:
    before = Snapshot.take()
    assert problem_of(decide(action, "wanted", caller)) == (403, "forbidden")
    assert Snapshot.take().as_json() == before.as_json()


@pytest.mark.parametrize("action", ["approve", "reject"])
def test_an_admin_decides_about_nothing_of_their_own(action: str) -> None:
    path = f"/v1/admin/withdrawals/{id_of('roots', 'root')}/{action}"
    before = Snapshot.take()
    assert problem_of(payouts.call("POST", path, {"notes": "mine"}, caller="root")) == (403, "forbidden")
    assert Snapshot.take().as_json() == before.as_json()
    own = payouts.call("POST", f"/v1/withdrawals/{id_of('roots', 'root')}/cancel", {}, caller="root")
    assert json.loads(own["body"])["state"] == "CANCELLED"


def test_notes_are_for_admins_only() -> None:
    assert decide("reject", "wanted")["statusCode"] == 200
    notes = {caller: shown("wanted", caller)["history"][-1]["note"] for caller in ("dora", "till", "root")}
    assert notes == {"dora": None, "till": None, "root": "called her back"}


def test_only_the_owner_and_admins_see_where_money_goes() -> None:
    assert "GB29NWBK60161331926819" not in json.dumps(shown("wanted", "till"))


def test_what_only_waits_for_its_destination_is_not_for_a_person_to_approve() -> None:
    assert problem_of(decide("approve", "fresh")) == (409, "illegal-transition")
