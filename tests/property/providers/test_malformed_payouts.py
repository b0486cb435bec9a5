"""Whatever a provider answers about payouts, it is a report that proves what it says, or nothing, never an error."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.adapters.providers.http import ProviderHttp
from tallystick.domain.destinations import Destination, DestinationType
from tallystick.domain.errors import ProviderUnavailable
from tallystick.domain.money import DEFAULT_ASSETS
from tallystick.domain.payouts import Outcome, Report
from tallystick.domain.webhooks import Provider
from tallystick.domain.withdrawals import Withdrawal
from tests.property.providers.test_malformed import VALUES, check_report, places, put
from tests.support import profiles
from tests.support.scene import NOW_MS
from tests.support.withdrawals import submitted
from tests.unit.providers.payers import HOUR_MS, payer

NUBAN: Final = Destination(DestinationType.NUBAN, "0001234567", bank_code="058", name="Ada Eze")
SENT: Final = {
    Provider.STRIPE: submitted(),
    Provider.PAYSTACK: submitted(provider=Provider.PAYSTACK, asset=DEFAULT_ASSETS["NGN"], destination=NUBAN),
}
PAYOUT: Final = {
    "id": "po_1",
    "amount": 2500,
    "currency": "usd",
    "status": "failed",
    "failure_code": "account_closed",
    "metadata": {"withdrawal_id": SENT[Provider.STRIPE].flow_id},
}
TRANSFER: Final = {
    "transfer_code": "TRF_1",
    "recipient_code": "RCP_1",
    "domain": "test",
    "status": "failed",
    "currency": "NGN",
    "amount": 2500,
    "reference": "wdr-0123456789abcdef0123456789abcdef",
    "updatedAt": "2026-01-01T00:00:00.000Z",
}
GENUINE: Final[dict[Provider, list[dict[str, Any]]]] = {
    Provider.STRIPE: [
        PAYOUT,
        {"data": [PAYOUT], "has_more": False},
        {"data": [], "has_more": False},
        {"error": {"type": "invalid_request_error", "code": "balance_insufficient"}},
    ],
    Provider.PAYSTACK: [
        {"status": True, "message": "done", "data": TRANSFER},
        {"status": False, "message": "No", "type": "api_error", "code": "insufficient_balance"},
        {"status": False, "message": "Transfer not found"},
    ],
}
REFUSALS: Final = {400, 402, 404, 422}
STATUSES: Final = st.sampled_from([200, 200, 201, 301, 401, 403, 409, 429, 500, 503, *REFUSALS])


@st.composite
def answers(draw: st.DrawFn, provider: Provider) -> tuple[int, bytes | None]:
    """Draw an answer: a genuine one, with members changed, or with bytes changed, or none."""
    whole = json.loads(json.dumps(draw(st.sampled_from(GENUINE[provider]))))
    for path in draw(st.lists(st.sampled_from(sorted(places(whole), key=str)), max_size=2)):
        with suppress(TypeError, KeyError, IndexError):  # an earlier change took the place away
            put(whole, path, draw(VALUES))
    text = bytearray(json.dumps(whole).encode())
    if draw(st.integers(0, 4)) == 0:
        at = draw(st.integers(0, len(text)))
        text[at : at + draw(st.integers(0, 5))] = draw(st.binary(max_size=5))
    return draw(STATUSES), draw(st.sampled_from([bytes(text)] * 9 + [None]))


def told(act: Callable[[], Report], *given_answers: tuple[int, bytes | None]) -> Report | None:
    """Act with these answers, of which the last one comes again and again."""
    left = list(given_answers)

    def exchange(*_: object) -> tuple[int, bytes | None]:
        return left.pop(0) if len(left) > 1 else left[0]

    with patch.object(ProviderHttp, "_exchange", exchange), patch("tallystick.adapters.providers.http.PAUSES_S", ()):
        try:
            return act()
        except ProviderUnavailable as unavailable:
            unavailable.detail.encode()
            return None


@pytest.mark.parametrize("provider", SENT)
@settings(max_examples=profiles.examples(150))
@given(data=st.data())
def test_a_send_fails_only_by_a_refusal_or_a_payout_that_failed(provider: Provider, data: st.DataObject) -> None:
    sent, (status, text) = SENT[provider], data.draw(answers(provider))
    before = [(200, json.dumps({"status": True, "data": TRANSFER}).encode())] if provider is Provider.PAYSTACK else []
    report = told(lambda: payer(provider).send(sent), *before, (status, text))
    if report is None:
        return
    check_report(report)
    assert report.outcome in {Outcome.PENDING, Outcome.PAID, Outcome.FAILED, Outcome.UNCLEAR}
    assert status in ({200, 201} if report.payout_id else REFUSALS)
    assert bool(report.payout_id) == bool(report.amount)
    assert report.payout_id or report.outcome is Outcome.FAILED


@pytest.mark.parametrize("provider", SENT)
@settings(max_examples=profiles.examples(150))
@given(data=st.data())
def test_only_an_answer_that_says_so_proves_an_absence(provider: Provider, data: st.DataObject) -> None:
    sent: Withdrawal = SENT[provider]
    late_ms = data.draw(st.sampled_from([0, HOUR_MS - 1, HOUR_MS, 100 * HOUR_MS]))
    (status, text), second = data.draw(answers(provider)), data.draw(answers(provider))
    report = told(lambda: payer(provider).look_up(sent, NOW_MS + late_ms), (status, text), second)
    if report is None:
        return
    check_report(report)
    if report.outcome is Outcome.ABSENT:
        assert late_ms >= HOUR_MS
        assert status in ({200, 201} if provider is Provider.STRIPE else REFUSALS)
        assert report == Report(Outcome.ABSENT)
