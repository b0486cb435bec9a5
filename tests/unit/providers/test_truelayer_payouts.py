import json
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import parse_qs

import pytest
from truelayer_signing import HttpMethod, verify_with_pem  # type: ignore[import-untyped]

from tallystick.adapters.providers.truelayer.payouts import TrueLayerPayouts, reference_of
from tallystick.domain.destinations import Destination, DestinationType
from tallystick.domain.errors import ProviderUnavailable
from tallystick.domain.money import DEFAULT_ASSETS, Asset
from tallystick.domain.payouts import Outcome, Report
from tallystick.domain.times import from_rfc3339
from tallystick.domain.webhooks import Notice, Provider
from tallystick.domain.withdrawals import Withdrawal
from tallystick.services.ports.payouts import Payer
from tests.support.sandbox import RunningSandbox
from tests.support.scene import NOW_MS
from tests.support.withdrawals import submitted, withdrawal
from tests.unit.providers.payers import HOUR_MS, carried_out, control, refused, unclear
from tests.unit.providers.world import (
    FIXTURES,
    NOWHERE,
    PUBLIC_URL,
    SECRETS,
    TRUELAYER_PUBLIC_PEM,
    amount,
    body,
    changed,
    read,
    rejection,
    setting,
)

IBAN: Final = Destination(DestinationType.IBAN, "GB53CLRB04066200002723", name="Jo Test")
POUNDS: Final[dict[str, Any]] = {
    "provider": Provider.TRUELAYER,
    "asset": DEFAULT_ASSETS["GBP"],
    "units": 1234,
    "destination": IBAN,
}
SENT: Final = submitted(**POUNDS)
MERCHANT: Final = "e83c4c20-0000-4000-8000-000000000001"
ERRORS: Final = "https://docs.truelayer.com/docs/error-types"
OUTGOING: Final = json.loads((FIXTURES / "truelayer.json").read_text())["outgoing_payout_request"]
EXECUTED: Final = body(Provider.TRUELAYER, "valid_payout_completed")
RETURNED: Final = body(Provider.TRUELAYER, "valid_payout_failed_after_executed")
PAYOUT: Final = "0cd1b0f7-0000-4000-8000-000000000001"
DAY_MS: Final = 24 * HOUR_MS
GARBAGE: Final[list[dict[str, Any]]] = [
    {"id": PAYOUT, "status": None},
    {"id": PAYOUT, "status": "paid out"},
    {"id": "../payouts"},
    {"id": PAYOUT, "amount_in_minor": "1234"},
    {"id": PAYOUT, "amount_in_minor": 12.34},
    {"id": PAYOUT, "amount_in_minor": -1234},
    {"id": PAYOUT, "amount_in_minor": 10**40},
    {"id": PAYOUT, "currency": "pounds"},
    {"id": PAYOUT, "status": "failed", "failure_reason": "the bank said: no"},
]


def payer(base_url: str = NOWHERE, secrets: Mapping[str, str] | None = None, **changes: Any) -> Payer:  # noqa: ANN401
    chosen = setting(Provider.TRUELAYER, base_url, **changes)
    return TrueLayerPayouts(chosen, lambda: secrets or SECRETS[Provider.TRUELAYER], DEFAULT_ASSETS, PUBLIC_URL)


@pytest.fixture
def truelayer(sandbox: RunningSandbox) -> Payer:
    return payer(sandbox.url("truelayer"))


@pytest.fixture
def sent() -> Withdrawal:
    """The sandbox says when a payout was made: now."""
    return submitted(at_ms=now_ms(), **POUNDS)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def made(sandbox: RunningSandbox) -> list[dict[str, Any]]:
    return [thing for thing in sandbox.things("truelayer").values() if "beneficiary" in thing]


def posts(sandbox: RunningSandbox) -> list[dict[str, Any]]:
    return [call for call in sandbox.calls("truelayer") if call["path"] == "/v3/payouts"]


def put(sandbox: RunningSandbox, payout_id: str = PAYOUT, reference: str | None = None, **members: Any) -> None:  # noqa: ANN401
    beneficiary = {"type": "external_account", "account_identifier": {"type": "iban", "iban": IBAN.account}}
    thing = {
        "merchant_account_id": MERCHANT,
        "amount_in_minor": 1234,
        "currency": "GBP",
        "status": "executed",
        "created_at": "2026-01-01T00:00:01Z",
        "beneficiary": {**beneficiary, **({"reference": reference} if reference else {})},
    }
    sandbox.put("truelayer", payout_id, **{**thing, **members})


def with_token(truelayer: Payer, sandbox: RunningSandbox) -> None:
    """Get a token without a fault, so that faults meet what comes after."""
    assert truelayer.look_up(SENT, NOW_MS) == Report(Outcome.UNCLEAR)
    assert sandbox.calls("truelayer")[0]["path"] == "/connect/token"


def test_a_payout_is_sent_as_truelayer_documents_it(truelayer: Payer, sandbox: RunningSandbox) -> None:
    report = truelayer.send(SENT)
    (payout,), (call,) = made(sandbox), posts(sandbox)
    assert report == Report(Outcome.PENDING, payout["id"])
    assert json.loads(call["body"]) == {
        "merchant_account_id": MERCHANT,
        "amount_in_minor": 1234,
        "currency": "GBP",
        "beneficiary": {
            "type": "external_account",
            "reference": reference_of(SENT.flow_id),
            "account_holder_name": "Jo Test",
            "account_identifier": {"type": "iban", "iban": "GB53CLRB04066200002723"},
        },
        "metadata": {"withdrawal_id": SENT.flow_id},
    }
    assert call["headers"]["content-type"] == "application/json"
    assert call["headers"]["idempotency-key"] == str(uuid.uuid5(uuid.NAMESPACE_URL, f"tallystick:{SENT.flow_id}"))
    (token,) = (call for call in sandbox.calls("truelayer") if call["path"] == "/connect/token")
    assert parse_qs(token["body"])["scope"] == ["payments"]


def test_it_has_the_members_of_the_vendor_s_own_request(truelayer: Payer, sandbox: RunningSandbox) -> None:
    truelayer.send(SENT)
    ours, theirs = json.loads(posts(sandbox)[0]["body"]), json.loads(OUTGOING["body"])
    theirs["amount_in_minor"] = 1234
    theirs["beneficiary"]["reference"] = reference_of(SENT.flow_id)
    theirs["metadata"]["withdrawal_id"] = SENT.flow_id
    assert ours == theirs
    assert [*ours] == [*theirs]


def test_its_signature_is_what_truelayer_s_library_asks_for(truelayer: Payer, sandbox: RunningSandbox) -> None:
    truelayer.send(SENT)
    (call,) = posts(sandbox)
    signature = call["headers"]["tl-signature"]
    verifier = verify_with_pem(TRUELAYER_PUBLIC_PEM).set_method(HttpMethod.POST).set_path(OUTGOING["path"])
    verifier.set_body(call["body"]).add_header("Idempotency-Key", call["headers"]["idempotency-key"])
    verifier.add_required_header("Idempotency-Key").verify(signature)
    theirs = OUTGOING["headers"]["Tl-Signature"]
    assert signature.partition("..")[0] == theirs.partition("..")[0]
    assert len(signature) == len(theirs)


def test_the_same_body_is_sent_under_the_same_key_each_time(truelayer: Payer, sandbox: RunningSandbox) -> None:
    first = truelayer.send(SENT)
    assert truelayer.send(submitted(sends=2, at_ms=NOW_MS + HOUR_MS, key_since_ms=NOW_MS, **POUNDS)) == first
    assert len({(call["body"], call["headers"]["idempotency-key"]) for call in posts(sandbox)}) == 1
    assert (len(made(sandbox)), len(posts(sandbox))) == (1, 2)


def test_one_send_is_one_call_and_pays_once_whatever_is_lost(truelayer: Payer, sandbox: RunningSandbox) -> None:
    with_token(truelayer, sandbox)
    sandbox.fail("truelayer", lost=True, times=2)
    for count in (1, 2):
        unclear(lambda: truelayer.send(SENT))
        carried_out(sandbox, "truelayer", count + 2)
        assert len(posts(sandbox)) == count
    report = truelayer.send(SENT)
    assert [payout["id"] for payout in made(sandbox)] == [report.payout_id]


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504])
def test_what_is_not_now_is_no_answer_and_is_not_repeated(
    truelayer: Payer, sandbox: RunningSandbox, status: int
) -> None:
    with_token(truelayer, sandbox)
    control(sandbox, "faults", provider="truelayer", status=status, body={"type": f"{ERRORS}#invalid-parameters"})
    unclear(lambda: truelayer.send(SENT))
    assert len(posts(sandbox)) == 1


def test_silence_is_no_answer() -> None:
    unclear(lambda: payer().send(SENT))


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("name", ["invalid-parameters", "invalid-state", "something-new"])
def test_a_documented_refusal_made_nothing(truelayer: Payer, sandbox: RunningSandbox, status: int, name: str) -> None:
    with_token(truelayer, sandbox)
    problem = {"type": f"{ERRORS}#{name}", "title": "Anything", "status": status, "detail": "free text"}
    control(sandbox, "faults", provider="truelayer", status=status, body=problem)
    assert truelayer.send(SENT) == Report(Outcome.FAILED, reason=name)
    assert made(sandbox) == []


def test_the_sandbox_refuses_as_documented(truelayer: Payer, sandbox: RunningSandbox) -> None:
    nameless = replace(SENT, destination=replace(IBAN, name="x" * 141))
    assert truelayer.send(nameless) == Report(Outcome.FAILED, reason="invalid-parameters")
    assert made(sandbox) == []


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize(
    "problem",
    [
        {},
        {"title": "Idempotency-Key Reuse"},
        {"type": f"{ERRORS}#idempotency-key-reuse"},
        {"type": f"{ERRORS}#idempotency-key-concurrency-conflict"},
        {"type": ERRORS},
        {"type": f"{ERRORS}#"},
        {"type": f"{ERRORS}#Free text, of somebody"},
        {"type": "https://proxy.example/docs/error-types#invalid-parameters"},
        {"type": "https://docs.truelayer.com/docs/other-types#invalid-parameters"},
        {"type": f"x{ERRORS}#invalid-parameters"},
        {"type": f"{ERRORS}#invalid-parameters\n"},
        {"type": "about:blank"},
        {"type": None},
        {"type": ["invalid-parameters"]},
    ],
)
def test_another_refusal_proves_nothing(
    truelayer: Payer, sandbox: RunningSandbox, status: int, problem: dict[str, Any]
) -> None:
    with_token(truelayer, sandbox)
    control(sandbox, "faults", provider="truelayer", status=status, body=problem)
    unclear(lambda: truelayer.send(SENT))


def test_another_payout_under_the_same_key_proves_nothing(truelayer: Payer, sandbox: RunningSandbox) -> None:
    truelayer.send(SENT)
    assert "422" in unclear(lambda: truelayer.send(replace(SENT, units=1235)))
    assert len(made(sandbox)) == 1


@pytest.mark.parametrize("signature", ["", "..", "e30..AA", "bm8..AA", f"e30..{'A' * 176}"])
def test_the_sandbox_wants_what_looks_like_a_signature(
    truelayer: Payer, sandbox: RunningSandbox, signature: str
) -> None:
    with_token(truelayer, sandbox)
    token = sandbox.calls("truelayer")[-1]["headers"]["authorization"]
    headers = {"authorization": token, "idempotency-key": "k", "tl-signature": signature}
    assert sandbox.http.post("/truelayer/v3/payouts", headers=headers, json={}).status_code == 401


@pytest.mark.parametrize("status", [402, 404, 405, 410, 413, 415])
def test_other_statuses_prove_nothing(truelayer: Payer, sandbox: RunningSandbox, status: int) -> None:
    with_token(truelayer, sandbox)
    control(sandbox, "faults", provider="truelayer", status=status, body={"type": f"{ERRORS}#invalid-parameters"})
    unclear(lambda: truelayer.send(SENT))


@pytest.mark.parametrize("answer", [{}, {"id": None}, {"id": "../payouts"}, {"id": 7}, {"payout_id": PAYOUT}])
def test_a_grant_that_cannot_be_read_is_none(truelayer: Payer, sandbox: RunningSandbox, answer: dict[str, Any]) -> None:
    with_token(truelayer, sandbox)
    control(sandbox, "faults", provider="truelayer", status=202, body=answer)
    unclear(lambda: truelayer.send(SENT))


@pytest.mark.parametrize("status", [401, 403])
def test_with_a_token_that_is_not_taken_nothing_was_made(
    truelayer: Payer, sandbox: RunningSandbox, status: int
) -> None:
    with_token(truelayer, sandbox)
    sandbox.fail("truelayer", status=status)
    assert truelayer.send(SENT).outcome is Outcome.PENDING
    first, second = posts(sandbox)
    assert first["headers"]["authorization"] != second["headers"]["authorization"]
    assert (first["body"], first["headers"]["tl-signature"]) == (second["body"], second["headers"]["tl-signature"])
    assert len(made(sandbox)) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_when_no_token_is_taken_nothing_is_proved(truelayer: Payer, sandbox: RunningSandbox, status: int) -> None:
    for act in (lambda: truelayer.send(SENT), lambda: truelayer.look_up(SENT, NOW_MS)):
        with_token(truelayer, sandbox)
        sandbox.fail("truelayer", status=status)
        sandbox.fail("truelayer")
        sandbox.fail("truelayer", status=status)
        calls = len(sandbox.calls("truelayer"))
        assert str(status) in unclear(act)
        assert len(sandbox.calls("truelayer")) == calls + 3


@pytest.mark.parametrize("status", [400, 401, 403])
def test_credentials_that_are_not_taken_say_nothing_of_the_payout(
    truelayer: Payer, sandbox: RunningSandbox, status: int
) -> None:
    for act in (lambda: truelayer.send(SENT), lambda: truelayer.look_up(SENT, NOW_MS)):
        sandbox.fail("truelayer", status=status)
        assert "secret-1" not in unclear(act)
    assert {call["path"] for call in sandbox.calls("truelayer")} == {"/connect/token"}


@pytest.mark.parametrize(
    ("status", "outcome"),
    [("pending", Outcome.PENDING), ("authorized", Outcome.PENDING), ("executed", Outcome.PAID)],
)
def test_a_known_payout_is_asked_for(truelayer: Payer, sandbox: RunningSandbox, status: str, outcome: Outcome) -> None:
    put(sandbox, status=status)
    known = replace(SENT, payout_id=PAYOUT)
    assert truelayer.look_up(known, NOW_MS) == Report(outcome, PAYOUT, amount("12.34", "GBP"))
    assert sandbox.calls("truelayer")[-1]["path"] == f"/v3/payouts/{PAYOUT}"


@pytest.mark.parametrize(("members", "reason"), [({"failure_reason": "returned"}, "returned"), ({}, "failed")])
def test_a_payout_that_failed_says_why(
    truelayer: Payer, sandbox: RunningSandbox, members: dict[str, str], reason: str
) -> None:
    put(sandbox, status="failed", **members)
    report = truelayer.look_up(replace(SENT, payout_id=PAYOUT), NOW_MS)
    assert report == Report(Outcome.FAILED, PAYOUT, amount("12.34", "GBP"), reason)


def test_a_payout_that_was_executed_may_still_fail(truelayer: Payer, sandbox: RunningSandbox, sent: Withdrawal) -> None:
    payout_id = truelayer.send(sent).payout_id
    assert payout_id is not None
    known = replace(sent, payout_id=payout_id)
    outcomes = []
    for status in ("pending", "authorized", "executed", "failed"):
        sandbox.put("truelayer", payout_id, status=status, failure_reason="returned")
        report = truelayer.look_up(known, now_ms())
        outcomes.append((report.outcome, report.reason))
    assert outcomes == [
        (Outcome.PENDING, None),
        (Outcome.PENDING, None),
        (Outcome.PAID, None),
        (Outcome.FAILED, "returned"),
    ]


def test_too_little_money_is_told_later(truelayer: Payer, sandbox: RunningSandbox, sent: Withdrawal) -> None:
    sandbox.put("truelayer", "balance", GBP=1233)
    known = replace(sent, payout_id=truelayer.send(sent).payout_id)
    assert truelayer.look_up(known, now_ms()).reason == "insufficient_funds"


def test_a_known_payout_that_is_not_there_proves_nothing(truelayer: Payer) -> None:
    known = replace(SENT, payout_id=PAYOUT)
    assert truelayer.look_up(known, NOW_MS) == Report(Outcome.UNCLEAR, PAYOUT, reason="not-found")


def test_a_status_that_is_not_documented_proves_nothing(truelayer: Payer, sandbox: RunningSandbox) -> None:
    put(sandbox, status="authorization_required")
    report = truelayer.look_up(replace(SENT, payout_id=PAYOUT), NOW_MS)
    assert report == Report(Outcome.UNCLEAR, PAYOUT, amount("12.34", "GBP"))


@pytest.mark.parametrize("members", GARBAGE)
def test_a_payout_that_cannot_be_read_proves_nothing(
    truelayer: Payer, sandbox: RunningSandbox, members: dict[str, Any]
) -> None:
    put(sandbox, **members)
    unclear(lambda: truelayer.look_up(replace(SENT, payout_id=PAYOUT), NOW_MS))


@pytest.mark.parametrize("status", [400, 403, 404, 429, 500])
def test_a_question_that_is_not_answered_proves_nothing(truelayer: Payer, sandbox: RunningSandbox, status: int) -> None:
    with_token(truelayer, sandbox)
    put(sandbox, reference=reference_of(SENT.flow_id))
    sandbox.fail("truelayer", status=status, times=4)
    unclear(lambda: truelayer.look_up(SENT, NOW_MS))


def test_a_payout_whose_answer_was_lost_is_found_by_its_reference(
    truelayer: Payer, sandbox: RunningSandbox, sent: Withdrawal
) -> None:
    truelayer.send(submitted(flow_id="wdr_another", at_ms=sent.created_at_ms, **POUNDS))
    sandbox.fail("truelayer", lost=True)
    unclear(lambda: truelayer.send(sent))
    carried_out(sandbox, "truelayer", 3)
    found = truelayer.look_up(sent, now_ms())
    (payout,) = (thing for thing in made(sandbox) if thing["metadata"]["withdrawal_id"] == sent.flow_id)
    assert found == Report(Outcome.PENDING, payout["id"], amount("12.34", "GBP"))
    sandbox.put("truelayer", payout["id"], status="executed")
    assert truelayer.look_up(sent, now_ms()).outcome is Outcome.PAID


def test_what_is_not_in_the_list_is_never_said_to_be_absent(truelayer: Payer, sandbox: RunningSandbox) -> None:
    put(sandbox, PAYOUT, reference=reference_of("wdr_another"))
    put(sandbox, f"{PAYOUT}-2")
    put(sandbox, f"{PAYOUT}-3", beneficiary={"account_identifier": {}, "reference": None})
    for later_ms in (0, HOUR_MS, 300 * DAY_MS):
        assert truelayer.look_up(SENT, NOW_MS + later_ms) == Report(Outcome.UNCLEAR)


def test_the_list_is_asked_for_since_it_was_first_sent(truelayer: Payer, sandbox: RunningSandbox) -> None:
    again = submitted(sends=2, at_ms=NOW_MS + HOUR_MS, key_since_ms=NOW_MS, **POUNDS)
    truelayer.look_up(again, NOW_MS + 2 * HOUR_MS)
    call = sandbox.calls("truelayer")[-1]
    assert call["path"] == f"/v3/merchant-accounts/{MERCHANT}/transactions"
    assert call["headers"]["tl-enable-pagination"] == "true"
    assert call["query"] == {"from": "2025-12-31T23:50:00.000Z", "to": "2026-01-01T02:00:00.000Z", "type": "payout"}


def test_without_a_send_the_list_is_asked_for_since_the_request(truelayer: Payer, sandbox: RunningSandbox) -> None:
    truelayer.look_up(withdrawal(**POUNDS), NOW_MS + HOUR_MS)
    assert sandbox.calls("truelayer")[-1]["query"]["from"] == "2025-12-31T23:50:00.000Z"


def test_no_longer_time_is_asked_for_than_truelayer_lists(truelayer: Payer, sandbox: RunningSandbox) -> None:
    truelayer.look_up(SENT, NOW_MS + 90 * DAY_MS)
    call = sandbox.calls("truelayer")[-1]
    assert call["status"] == 200
    assert from_rfc3339(call["query"]["to"]) - from_rfc3339(call["query"]["from"]) == 31 * DAY_MS


def test_all_pages_are_searched(truelayer: Payer, sandbox: RunningSandbox) -> None:
    sandbox.put("truelayer", "page", size=2)
    for number in range(5):
        put(sandbox, f"payout-{number}", reference="OTHER")
    put(sandbox, PAYOUT, reference=reference_of(SENT.flow_id))
    assert truelayer.look_up(SENT, NOW_MS + HOUR_MS).payout_id == PAYOUT
    assert [call["query"].get("cursor") for call in sandbox.calls("truelayer")[1:-1]] == [None, "2", "4"]


def test_pages_are_not_searched_for_ever(truelayer: Payer, sandbox: RunningSandbox) -> None:
    sandbox.put("truelayer", "page", size=1)
    for number in range(9):
        put(sandbox, f"payout-{number}", reference="OTHER")
    assert truelayer.look_up(SENT, NOW_MS + HOUR_MS) == Report(Outcome.UNCLEAR)
    assert len(sandbox.calls("truelayer")) == 1 + 5


@pytest.mark.parametrize(
    "page",
    [
        {},
        {"items": None},
        {"items": [None]},
        {"items": [{"payout_id": "../payouts"}]},
        {"items": [{"beneficiary": "Jo"}]},
        {"items": [], "pagination": {"next_cursor": 7}},
    ],
)
def test_a_list_that_cannot_be_read_proves_nothing(
    truelayer: Payer, sandbox: RunningSandbox, page: dict[str, Any]
) -> None:
    with_token(truelayer, sandbox)
    control(sandbox, "faults", provider="truelayer", status=200, body=page)
    unclear(lambda: truelayer.look_up(SENT, NOW_MS))


def test_a_list_without_pages_is_taken_too(truelayer: Payer, sandbox: RunningSandbox) -> None:
    with_token(truelayer, sandbox)
    items = [{"type": "payout", "payout_id": PAYOUT, "beneficiary": {"reference": reference_of(SENT.flow_id)}}]
    control(sandbox, "faults", provider="truelayer", status=200, body={"items": items})
    assert truelayer.look_up(SENT, NOW_MS) == Report(Outcome.UNCLEAR, PAYOUT, reason="not-found")


@pytest.mark.parametrize("number", range(200))
def test_a_reference_is_one_that_every_bank_takes(number: int) -> None:
    reference = reference_of(f"wdr_{number:032x}")
    assert re.fullmatch(r"[A-Z0-9-]{18}", reference)
    assert reference == reference_of(f"wdr_{number:032x}")


def test_no_two_withdrawals_have_one_reference() -> None:
    assert len({reference_of(f"wdr_{number:032x}") for number in range(20_000)}) == 20_000


def test_a_key_is_trusted_for_an_hour() -> None:
    assert payer().key_lifetime_ms == HOUR_MS


def test_nothing_is_signed_beforehand() -> None:
    assert payer().draft(withdrawal(**POUNDS), NOW_MS) is None


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"asset": DEFAULT_ASSETS["EUR"]},
        {"asset": Asset("GBP", 4), "units": 123400},
        {"asset": Asset("EUR", 0), "units": 12},
        {"destination": replace(IBAN, name="x" * 140)},
    ],
)
def test_what_truelayer_pays_out_is_taken(members: dict[str, Any]) -> None:
    payer().check(withdrawal(**{**POUNDS, **members}))


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"destination": Destination(DestinationType.NUBAN, "0123456789", "044", "Jo")}, "IBAN"),
        ({"destination": replace(IBAN, name=None)}, "name"),
        ({"destination": replace(IBAN, name="")}, "name"),
        ({"destination": replace(IBAN, name="x" * 141)}, "140"),
        ({"asset": DEFAULT_ASSETS["USD"]}, "EUR and GBP, not USD"),
        ({"asset": Asset("GBP", 3), "units": 1}, "has 2 decimals"),
    ],
)
def test_what_truelayer_does_not_pay_out_is_refused(members: dict[str, Any], why: str) -> None:
    assert why in refused(payer(), withdrawal(**{**POUNDS, **members}))


def test_units_of_any_scale_are_sent_as_pence(truelayer: Payer, sandbox: RunningSandbox) -> None:
    truelayer.send(replace(SENT, asset=Asset("GBP", 4), units=5_670_000))
    assert made(sandbox)[0]["amount_in_minor"] == 56_700


def test_an_event_says_that_a_payout_was_executed() -> None:
    ours = changed(EXECUTED, "metadata.withdrawal_id", SENT.flow_id)
    assert read(Provider.TRUELAYER, ours) == Notice(
        "payout_executed",
        (SENT.flow_id, f"truelayer:{PAYOUT}"),
        payout=Report(Outcome.PAID, PAYOUT),
    )


@pytest.mark.parametrize(("reason", "told"), [("returned", "returned"), (None, "failed"), (..., "failed")])
def test_an_event_says_why_a_payout_failed(reason: object, told: str) -> None:
    notice = read(Provider.TRUELAYER, changed(RETURNED, "failure_reason", reason))
    assert notice == Notice(
        "payout_failed", (f"truelayer:{PAYOUT}",), payout=Report(Outcome.FAILED, PAYOUT, None, told)
    )


@pytest.mark.parametrize("original", [EXECUTED, RETURNED])
@pytest.mark.parametrize("metadata", [..., None, {}, {"withdrawal_id": "wd_1"}, {"deposit_id": "dep_1"}])
def test_an_event_without_our_id_names_the_payout_alone(original: bytes, metadata: object) -> None:
    notice = read(Provider.TRUELAYER, changed(original, "metadata", metadata))
    assert (notice.references, notice.facts, notice.confirm) == ((f"truelayer:{PAYOUT}",), (), False)


@pytest.mark.parametrize(
    ("path", "value"),
    [("payout_id", ...), ("payout_id", None), ("payout_id", "../x"), ("metadata", []), ("failure_reason", "free text")],
)
def test_an_event_that_is_not_documented_is_unreadable(path: str, value: object) -> None:
    assert rejection(Provider.TRUELAYER, changed(RETURNED, path, value)) == "unreadable"


def test_no_secret_is_told(truelayer: Payer, sandbox: RunningSandbox) -> None:
    with_token(truelayer, sandbox)
    body = {"type": f"{ERRORS}#idempotency-key-reuse", "detail": "secret-1 token-1"}
    control(sandbox, "faults", provider="truelayer", status=422, body=body)
    with pytest.raises(ProviderUnavailable) as caught:
        truelayer.send(SENT)
    assert not {"secret-1", "token-1"} & {*re.findall(r"[\w-]+", repr(caught.value))}
    assert caught.value.members == {"provider": Provider.TRUELAYER}
