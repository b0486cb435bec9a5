"""Compare providers that are played with the small world, and fetch what their events should have told."""

import io
import json
from typing import Any, Final

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.provider_reconciler import handler as function
from tallystick.adapters.providers import listing
from tallystick.domain.differences import Run
from tallystick.domain.provider_matching import Match
from tallystick.domain.webhooks import Provider
from tallystick.services.deposits import find_deposit
from tallystick.services.provider_reconciliation import ReconciliationFailed, last_runs
from tallystick.wiring import provider_reconciliation, webhooks
from tests.functions import cloud, orders, providers
from tests.functions.samples import samples_of
from tests.functions.world import GROUPS, NOW_MS, Answer, Clock, answer, document_of, handler_of
from tests.support.events import http_event
from tests.support.sandbox import RunningSandbox

(TICK,) = samples_of("provider_reconciler")
HOUR_MS: Final = 3_600_000
PATH: Final = "/v1/admin/reconciliation/differences"


@pytest.fixture(scope="module")
def provider_url(sandbox: RunningSandbox) -> str:
    return str(sandbox.http.base_url).rstrip("/")


@pytest.fixture(autouse=True)
def a_quiet_world(small_world: None, sandbox: RunningSandbox, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001 (comes first)
    """Let the providers know what the world says that they did, and let three hours pass."""
    monkeypatch.setattr(listing, "PAUSE_S", 0)
    sandbox.reset()
    cloud.forget_tokens()
    for difference in provider_reconciliation.differences().listed(100, None, None, None).items:
        provider_reconciliation.differences().end(difference, clock())
    for flow_id, units in {"dep_paid": 4000, "dep_disputed": 1500, "dep_more": 3100}.items():
        pay(sandbox, flow_id, units)
    refund = orders.taken_back("re_1", "dep_paid", 1000, "succeeded")
    sandbox.put("stripe", "re_1", paid_at=NOW_MS // 1000, **refund)
    for number, (units, status) in enumerate([(4000, "paid"), (3500, "failed"), (1500, "failed")], start=1):
        sandbox.put("stripe", f"po_{number}", amount=units, currency="usd", status=status, created=NOW_MS // 1000)
    clock.now_ms = NOW_MS + 3 * HOUR_MS


def pay(sandbox: RunningSandbox, flow_id: str, units: int, payment_id: str = "", **members: Any) -> None:  # noqa: ANN401
    made = {**orders.payment(flow_id, units), "paid_at": NOW_MS // 1000, **members}
    sandbox.put("stripe", payment_id or made["id"], **{name: made[name] for name in made if name != "id"})


def compare() -> None:
    handler_of("provider_reconciler")(TICK.event, LambdaContext())


def found() -> dict[str, Match]:
    page = provider_reconciliation.differences().listed(100, None, None, None)
    return {one.difference_id: one.match for one in page.items}


def fetch(difference_id: str) -> Answer:
    event = http_event("POST", f"{PATH}/{difference_id}/fetch", {}, caller="root", groups=GROUPS["root"])
    return answer("differences", event)


def runs() -> list[Run]:
    return last_runs(runs=provider_reconciliation.runs(), providers=dict.fromkeys(Provider))


def test_books_that_agree_raise_no_alarm(log: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    compare()
    assert found() == {}
    assert len(found()) == TICK.number
    assert cloud.alerts() == []
    lines = {line["provider"]: line for line in map(json.loads, log.getvalue().splitlines())}
    assert set(lines) == set(Provider)
    assert lines["stripe"]["counts"] == {"matched": 7, "in-transit": 2}
    assert json.loads(capsys.readouterr().out)["ProviderDifferences"] == [0]


def test_what_agrees_is_compared_once(sandbox: RunningSandbox, clock: Clock) -> None:
    compare()
    marked = [row["flow_id"]["S"] for row in cloud.rows("flows") if "unreconciled" in row]
    assert {"dep_paid", "dep_disputed", "dep_more"}.isdisjoint(marked)
    asked = len(sandbox.calls("stripe"))
    clock.now_ms += 24 * HOUR_MS
    compare()
    assert len(sandbox.calls("stripe")) - asked < 10


def test_a_payment_whose_webhook_was_lost_is_found_fetched_and_credited_once(
    sandbox: RunningSandbox, clock: Clock
) -> None:
    before = orders.balance("wal_cora_usd")
    pay(sandbox, "dep_1", 2599)
    compare()
    assert found() == {"stripe:pi_1": Match.MISSING_WEBHOOK}
    (told,) = cloud.alerts()
    assert (told["kind"], told["difference_id"], told["flow_id"]) == ("WEBHOOK_FAILURE", "stripe:pi_1", "dep_1")
    for _ in range(3):
        fetched = document_of(fetch("stripe:pi_1"))
        assert fetched["external_id"] == "fetched:pi_1:paid"
        cloud.consume_all()
    assert fetched["state"] == "DONE"
    late = orders.stripe_event("evt_late", "payment_intent.succeeded", orders.payment("dep_1", 2599), clock())
    orders.receive(providers.signed(Provider.STRIPE, late, clock()))
    cloud.consume_all()
    deposit = find_deposit(webhooks.flows(), "dep_1")
    assert deposit is not None
    assert (deposit.credited_units, orders.balance("wal_cora_usd") - before) == (2599, 2599)
    clock.now_ms += HOUR_MS
    compare()
    assert (found(), len(cloud.alerts())) == ({}, 1)
    audited = [row for row in cloud.rows("audit") if row["subject"]["S"] == "stripe:pi_1"]
    assert [row["action"]["S"] for row in audited] == ["provider-record-fetched"]
    assert fetch("stripe:pi_1")["statusCode"] == 404


def test_what_is_young_is_left_alone(sandbox: RunningSandbox, clock: Clock) -> None:
    pay(sandbox, "dep_1", 2599, paid_at=clock() // 1000 - 3600)
    compare()
    assert found() == {}
    clock.now_ms += HOUR_MS
    compare()
    assert found() == {"stripe:pi_1": Match.MISSING_WEBHOOK}


def test_another_amount_and_a_second_payment_are_told_of_once(sandbox: RunningSandbox, clock: Clock) -> None:
    pay(sandbox, "dep_1", 2500)
    pay(sandbox, "dep_paid", 4000, "pi_again")
    for _ in range(3):
        compare()
        clock.now_ms += HOUR_MS
    assert found() == {"stripe:pi_1": Match.AMOUNT_DIFFERS, "stripe:pi_again": Match.DUPLICATE}
    assert sorted((told["kind"], told["class"]) for told in cloud.alerts()) == [
        ("PROVIDER_MISMATCH", "amount-differs"),
        ("PROVIDER_MISMATCH", "duplicate"),
    ]
    again = {"payment_intent": "pi_again", "amount": 4000, "currency": "usd", "status": "succeeded"}
    sandbox.put("stripe", "re_again", **again, paid_at=clock() // 1000)
    compare()
    assert found() == {"stripe:pi_1": Match.AMOUNT_DIFFERS}


def test_what_the_provider_does_not_know_is_told_of(sandbox: RunningSandbox) -> None:
    sandbox.put("stripe", "pi_disputed", status="processing")
    sandbox.reset()
    compare()
    assert found() == {
        "stripe:pi_paid": Match.MISSING_AT_PROVIDER,
        "stripe:refund-re_1": Match.MISSING_AT_PROVIDER,
        "stripe:pi_disputed": Match.MISSING_AT_PROVIDER,
        "stripe:pi_more": Match.MISSING_AT_PROVIDER,
        "stripe:payout-po_1": Match.MISSING_AT_PROVIDER,
    }


def test_a_payout_that_came_back_untold_is_fetched(sandbox: RunningSandbox) -> None:
    sandbox.put("stripe", "po_1", status="failed", failure_code="account_closed", paid_at=NOW_MS // 1000)
    compare()
    assert found() == {"stripe:payout-po_1": Match.MISSING_WEBHOOK}
    assert document_of(fetch("stripe:payout-po_1"))["external_id"] == "fetched:payout-po_1:failed"
    cloud.consume_all()
    compare()
    assert found() == {}
    assert "PAYOUT_RETURNED" in {told["kind"] for told in cloud.alerts()}


@pytest.mark.filterwarnings("ignore:No application metrics")
def test_one_provider_that_is_away_holds_up_no_other(sandbox: RunningSandbox) -> None:
    pay(sandbox, "dep_1", 2599)
    sandbox.away("paystack", away=True)
    with pytest.raises(ReconciliationFailed, match="ProviderUnavailable while paystack was compared"):
        compare()
    assert found() == {"stripe:pi_1": Match.MISSING_WEBHOOK}
    failures = {run.provider: run.failure for run in runs() if run.started_ms}
    assert {name for name, failure in failures.items() if failure} == {"paystack"}
    sandbox.away("paystack", away=False)
    compare()
    assert {run.failure for run in runs()} == {None}


def test_a_fetched_event_that_dies_is_shown(sandbox: RunningSandbox) -> None:
    pay(sandbox, "dep_nobodys", 100, "pi_nobodys")
    compare()
    assert found() == {"stripe:pi_nobodys": Match.MISSING_WEBHOOK}
    fetch("stripe:pi_nobodys")
    for _ in range(6):
        cloud.deliver()
        fetch("stripe:pi_nobodys")
    assert document_of(fetch("stripe:pi_nobodys"))["state"] in {"OPEN", "DEAD"}


def test_the_budget_is_below_the_time_that_lambda_gives() -> None:
    assert function.BUDGET_S <= 240
