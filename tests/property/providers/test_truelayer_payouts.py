"""No answer of TrueLayer proves what it does not say, and a payout is over exactly what was asked for."""

import json
from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.adapters.providers.truelayer.payouts import TrueLayerPayouts, reference_of
from tallystick.domain.destinations import Destination, DestinationType
from tallystick.domain.errors import ProviderRefused
from tallystick.domain.money import DEFAULT_ASSETS, Asset
from tallystick.domain.payouts import Outcome, Report
from tallystick.domain.webhooks import Provider
from tests.property.providers.answers import GRANTED, Answer, answers, asked, says
from tests.property.providers.test_malformed import check_report
from tests.support import profiles
from tests.support.scene import NOW_MS
from tests.support.withdrawals import submitted
from tests.unit.providers.world import NOWHERE, PUBLIC_URL, SECRETS, setting

PAYOUT: Final = "0cd1b0f7-0000-4000-8000-000000000001"
TOKEN: Final = (200, b'{"access_token": "token-1", "expires_in": 3600}')
POUNDS: Final[dict[str, Any]] = {
    "provider": Provider.TRUELAYER,
    "asset": DEFAULT_ASSETS["GBP"],
    "destination": Destination(DestinationType.IBAN, "GB53CLRB04066200002723", name="Jo Test"),
}
SENT: Final = submitted(**POUNDS)
ERRORS: Final = "https://docs.truelayer.com/docs/error-types"
ERROR: Final = {"type": f"{ERRORS}#invalid-parameters", "status": 400}
REUSED: Final = {"type": f"{ERRORS}#idempotency-key-reuse", "status": 422}
STATE: Final = {
    "id": PAYOUT,
    "amount_in_minor": 2500,
    "currency": "GBP",
    "status": "failed",
    "failure_reason": "blocked",
}
LISTED: Final = {"payout_id": PAYOUT, "beneficiary": {"reference": reference_of(SENT.flow_id)}}
PAGE: Final = {"items": [{"payout_id": "other", "beneficiary": {"reference": "OTHER"}}, LISTED], "pagination": {}}


def payer() -> TrueLayerPayouts:
    chosen = setting(Provider.TRUELAYER, NOWHERE)
    return TrueLayerPayouts(chosen, lambda: SECRETS[Provider.TRUELAYER], DEFAULT_ASSETS, PUBLIC_URL)


def told(act: Callable[[], Report], answer: Callable[[str], Answer]) -> Report | None:
    """Act with these answers, and a token."""
    return asked(act, lambda path: TOKEN if path == "/connect/token" else answer(path))


@settings(max_examples=profiles.examples(150))
@given(answer=answers(ERROR, REUSED, {"id": PAYOUT}))
def test_a_send_fails_only_by_a_refusal(answer: Answer) -> None:
    report = told(lambda: payer().send(SENT), lambda _path: answer)
    if report is None:
        return
    check_report(report)
    if report.outcome is Outcome.FAILED:
        assert answer[0] in {400, 422}
        assert says(answer, "type") == f"{ERRORS}#{report.reason}"
        assert "idempotency" not in (report.reason or "")
        assert report.payout_id is None
    else:
        assert (answer[0] in GRANTED, report.outcome, report.reason) == (True, Outcome.PENDING, None)
        assert report.payout_id == json.loads(answer[1])["id"]


@settings(max_examples=profiles.examples(150))
@given(data=st.data())
def test_nothing_is_ever_said_to_be_absent(data: st.DataObject) -> None:
    def answer(path: str) -> Answer:
        return data.draw(answers(PAGE if path.endswith("/transactions") else STATE))

    report = told(lambda: payer().look_up(SENT, NOW_MS), answer)
    if report is not None:
        check_report(report)
        assert report.outcome is not Outcome.ABSENT
        assert report.outcome is Outcome.UNCLEAR or (report.payout_id is not None and report.amount is not None)


@settings(max_examples=profiles.examples(100))
@given(units=st.integers(1, 10**30), scale=st.integers(0, 18))
def test_units_become_pence_exactly(units: int, scale: int) -> None:
    described = submitted(**{**POUNDS, "units": units, "asset": Asset("GBP", scale)})
    if units * 100 % 10**scale:
        with pytest.raises(ProviderRefused):
            payer().check(described)
    else:
        payer().check(described)
        assert payer()._order(described)["amount_in_minor"] == units * 100 // 10**scale  # noqa: SLF001
