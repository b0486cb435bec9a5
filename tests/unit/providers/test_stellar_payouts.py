from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest

from tallystick.adapters.providers.stellar.payouts import NETWORKS
from tallystick.domain.destinations import Destination, DestinationType
from tallystick.domain.errors import InvariantViolated
from tallystick.domain.payouts import Outcome, Report
from tallystick.domain.times import to_rfc3339
from tallystick.services.ports.payouts import Payer
from tests.support.sandbox import RunningSandbox
from tests.support.scene import NOW_MS
from tests.support.withdrawals import submitted, withdrawal
from tests.unit.providers.payers import HOUR_MS, carried_out, control, unclear
from tests.unit.providers.stellar_scene import (
    CERTAIN_MS,
    CUSTOMER,
    DOLLARS,
    EXPIRES_MS,
    HASH,
    LUMENS,
    MISSING,
    OURS,
    PAID,
    at,
    draft_of,
    drafted,
    hold,
    line,
    paid,
    paths,
    payer,
    payments,
    sends,
)
from tests.unit.providers.world import ANCHOR, amount

FAULTS: Final[list[tuple[Callable[[RunningSandbox], object], str]]] = [
    (lambda sandbox: sandbox.put("stellar", CUSTOMER, balances=[]), "op_no_trust"),
    (lambda sandbox: sandbox.put("stellar", CUSTOMER, balances=[line(is_authorized=False)]), "op_not_authorized"),
    (lambda sandbox: sandbox.put("stellar", CUSTOMER, balances=[line(limit="1.0000000")]), "op_line_full"),
    (lambda sandbox: sandbox.put("stellar", OURS, balances=[line(balance="1.0000000")]), "op_underfunded"),
    (lambda sandbox: sandbox.put("stellar", OURS, balances=[]), "op_src_no_trust"),
]


@pytest.fixture
def stellar(sandbox: RunningSandbox) -> Payer:
    at(sandbox, NOW_MS)
    return payer(sandbox.url("stellar"))


def test_a_payment_is_sent_and_paid(stellar: Payer, sandbox: RunningSandbox) -> None:
    sent = drafted(stellar)
    report = stellar.send(sent)
    assert report == Report(Outcome.PAID, draft_of(sent).payout_id, PAID)
    (call,), (payment,) = sends(sandbox), paid(sandbox)
    assert (call["path"], call["headers"]["content-type"]) == ("/transactions", "application/x-www-form-urlencoded")
    assert (payment["transaction_hash"], payment["amount"]) == (report.payout_id, "12.3456789")
    assert stellar.look_up(sent, NOW_MS) == report


def test_dollars_are_paid_too(stellar: Payer, sandbox: RunningSandbox) -> None:
    destination = Destination(DestinationType.STELLAR, CUSTOMER, memo="7", memo_type="id")
    sent = drafted(stellar, **{**DOLLARS, "destination": destination})
    assert stellar.send(sent).amount == amount("12.345678", "USDC")
    (payment,) = paid(sandbox)
    assert (payment["asset_code"], payment["asset_issuer"], payment["amount"]) == ("USDC", ANCHOR, "12.3456780")
    assert (payment["transaction"]["memo_type"], payment["transaction"]["memo"]) == ("id", "7")


def test_the_same_is_sent_again_and_pays_once(stellar: Payer, sandbox: RunningSandbox) -> None:
    sent = drafted(stellar)
    reports = [stellar.send(sent) for _ in range(3)]
    assert len({report.payout_id for report in reports}) == 1
    assert {report.outcome for report in reports} == {Outcome.PAID}
    assert len({call["body"] for call in sends(sandbox)}) == 1
    assert len(paid(sandbox)) == 1


def test_one_send_is_one_call_and_pays_once_whatever_is_lost(stellar: Payer, sandbox: RunningSandbox) -> None:
    sent = drafted(stellar)
    sandbox.fail("stellar", lost=True, times=2)
    for count in (1, 2):
        unclear(lambda: stellar.send(sent))
        carried_out(sandbox, "stellar", 2 + count)
        assert len(sends(sandbox)) == count
    assert stellar.look_up(sent, NOW_MS).outcome is Outcome.PAID
    assert stellar.send(sent).outcome is Outcome.PAID
    assert len(paid(sandbox)) == 1


def doubted(reason: str) -> Outcome:
    """Tell apart what the payment itself is refused for, and what another transaction may mend."""
    return Outcome.FAILED if reason.startswith("op_") else Outcome.UNCLEAR


@pytest.mark.parametrize("status", [401, 403, 404, 405, 408, 409, 413, 422, 429, 500, 503, 504])
def test_other_answers_prove_nothing(stellar: Payer, sandbox: RunningSandbox, status: int) -> None:
    sent = drafted(stellar)
    failed = {"extras": {"result_codes": {"transaction": "tx_failed"}}}
    control(sandbox, "faults", provider="stellar", status=status, body=failed)
    unclear(lambda: stellar.send(sent))
    assert len(sends(sandbox)) == 1


def test_silence_is_no_answer(stellar: Payer) -> None:
    sent = drafted(stellar)
    unclear(lambda: payer().send(sent))
    unclear(lambda: payer().look_up(sent, NOW_MS))


@pytest.mark.parametrize(
    ("codes", "reason"),
    [
        ({"transaction": "tx_bad_seq"}, "tx_bad_seq"),
        ({"transaction": "tx_too_late", "operations": []}, "tx_too_late"),
        ({"transaction": "tx_insufficient_fee"}, "tx_insufficient_fee"),
        ({"transaction": "tx_failed"}, "tx_failed"),
        ({"transaction": "tx_failed", "operations": ["op_line_full"]}, "op_line_full"),
        ({"transaction": "tx_failed", "operations": ["op_success", "op_no_trust"]}, "op_no_trust"),
        ({"transaction": "tx_failed", "operations": ["op_success"]}, "tx_failed"),
    ],
)
def test_a_refusal_says_why_and_proves_nothing(
    stellar: Payer, sandbox: RunningSandbox, codes: dict[str, Any], reason: str
) -> None:
    sent = drafted(stellar)
    control(sandbox, "faults", provider="stellar", status=400, body={"extras": {"result_codes": codes}})
    assert stellar.send(sent) == Report(doubted(reason), draft_of(sent).payout_id, reason=reason)


@pytest.mark.parametrize(
    "problem",
    [
        {},
        {"type": "https://stellar.org/horizon-errors/transaction_malformed"},
        {"extras": None},
        {"extras": {"result_codes": {}}},
        {"extras": {"result_codes": {"transaction": "Free text!"}}},
        {"extras": {"result_codes": {"transaction": "tx_failed", "operations": "op_no_trust"}}},
    ],
)
def test_a_refusal_that_cannot_be_read_is_none(
    stellar: Payer, sandbox: RunningSandbox, problem: dict[str, Any]
) -> None:
    sent = drafted(stellar)
    control(sandbox, "faults", provider="stellar", status=400, body=problem)
    unclear(lambda: stellar.send(sent))


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"hash": HASH, "successful": True},
        {"hash": None, "successful": True},
        {"hash": ..., "successful": "true"},
        {"hash": ...},
        {"hash": ..., "successful": False, "result_xdr": 7},
    ],
)
def test_a_grant_that_cannot_be_read_is_none(stellar: Payer, sandbox: RunningSandbox, answer: dict[str, Any]) -> None:
    sent = drafted(stellar)
    own = draft_of(sent).payout_id
    body = {name: own if value is ... else value for name, value in answer.items()}
    control(sandbox, "faults", provider="stellar", times=2, status=200, body=body)
    unclear(lambda: stellar.send(sent))
    unclear(lambda: stellar.look_up(sent, NOW_MS))


def test_the_sandbox_refuses_what_the_network_refuses(stellar: Payer, sandbox: RunningSandbox) -> None:
    first, second = drafted(stellar), drafted(stellar, flow_id="wdr_2", units=1)
    assert stellar.send(first).outcome is Outcome.PAID
    assert stellar.send(second).reason == "tx_bad_seq"
    late = drafted(stellar)
    at(sandbox, EXPIRES_MS + 1000)
    assert stellar.send(late).reason == "tx_too_late"
    assert len(payments(sandbox)) == 1
    broken = submitted(draft=replace(draft_of(late), payload="AAAA"), **LUMENS)
    unclear(lambda: stellar.send(broken))


@pytest.mark.parametrize(("spoil", "reason"), FAULTS)
def test_only_the_ledger_says_that_a_payment_failed(
    stellar: Payer, sandbox: RunningSandbox, spoil: Callable[[RunningSandbox], object], reason: str
) -> None:
    sent = drafted(stellar, **DOLLARS)
    spoil(sandbox)
    payout_id = draft_of(sent).payout_id
    assert stellar.send(sent) == Report(doubted(reason), payout_id, reason=reason)
    assert stellar.look_up(sent, NOW_MS) == Report(Outcome.FAILED, payout_id, reason=reason)
    assert stellar.send(sent).reason == reason
    assert (len(payments(sandbox)), len(paid(sandbox))) == (1, 0)


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        ("AAAAAAAAAGT/////AAAAAQAAAAAAAAAB/////gAAAAA=", "op_underfunded"),
        ("AAAAAAAAAGT////7AAAAAA==", "tx_bad_seq"),
        ("AAAAAAAAAGT////5AAAAAA==", "tx_insufficient_balance"),
        ("AAAAAAAAAGT/////AAAAAf////8AAAAA", "tx_failed"),
        ("AAAAAAAAAGT/////AAAAAA==", "tx_failed"),
        ("", "tx_failed"),
        ("AAAA", "tx_failed"),
        ("no base64", "tx_failed"),
        ("/" * 60, "tx_failed"),
    ],
)
def test_a_failure_has_the_name_that_horizon_gives_it(
    stellar: Payer, sandbox: RunningSandbox, result: str, reason: str
) -> None:
    sent = drafted(stellar)
    answer = {"hash": draft_of(sent).payout_id, "successful": False, "result_xdr": result}
    control(sandbox, "faults", provider="stellar", status=200, body=answer)
    assert stellar.look_up(sent, NOW_MS) == Report(Outcome.FAILED, draft_of(sent).payout_id, reason=reason)


def test_until_its_time_is_over_nothing_is_said_to_be_absent(stellar: Payer, sandbox: RunningSandbox) -> None:
    sent = drafted(stellar)
    unclear_yet = Report(Outcome.UNCLEAR, draft_of(sent).payout_id)
    for closed_ms in (NOW_MS, EXPIRES_MS - 1000, EXPIRES_MS, EXPIRES_MS + 1000, CERTAIN_MS):
        at(sandbox, closed_ms)
        assert stellar.look_up(sent, CERTAIN_MS + HOUR_MS) == unclear_yet
    at(sandbox, CERTAIN_MS + 1000)
    assert stellar.look_up(sent, NOW_MS) == Report(Outcome.ABSENT, draft_of(sent).payout_id)


def test_what_came_late_is_found(stellar: Payer, sandbox: RunningSandbox) -> None:
    sent = drafted(stellar)
    hold(sandbox, on=True)
    unclear(lambda: stellar.send(sent))
    assert stellar.look_up(sent, NOW_MS).outcome is Outcome.UNCLEAR
    unclear(lambda: stellar.send(sent))
    at(sandbox, EXPIRES_MS)
    hold(sandbox, on=False)
    assert stellar.look_up(sent, NOW_MS).outcome is Outcome.PAID
    assert len(paid(sandbox)) == 1


def test_what_was_given_up_can_never_come(stellar: Payer, sandbox: RunningSandbox) -> None:
    sent = drafted(stellar)
    hold(sandbox, on=True)
    unclear(lambda: stellar.send(sent))
    at(sandbox, CERTAIN_MS + 1000)
    assert stellar.look_up(sent, NOW_MS).outcome is Outcome.ABSENT
    anew = drafted(stellar, CERTAIN_MS + 1000)
    hold(sandbox, on=False)
    assert stellar.look_up(sent, NOW_MS).outcome is Outcome.ABSENT
    assert stellar.send(sent).reason == "tx_too_late"
    assert stellar.send(anew).outcome is Outcome.PAID
    assert [payment["transaction_hash"] for payment in paid(sandbox)] == [draft_of(anew).payout_id]


def test_two_payouts_that_race_for_one_number_are_both_paid_once(stellar: Payer, sandbox: RunningSandbox) -> None:
    first, second = drafted(stellar), drafted(stellar, flow_id="wdr_2", units=70_000_000)
    assert stellar.send(second).outcome is Outcome.PAID
    assert stellar.send(first) == Report(Outcome.UNCLEAR, draft_of(first).payout_id, reason="tx_bad_seq")
    at(sandbox, CERTAIN_MS + 1000)
    assert stellar.look_up(first, NOW_MS).outcome is Outcome.ABSENT
    again = drafted(stellar, CERTAIN_MS + 1000)
    assert stellar.send(again).outcome is Outcome.PAID
    assert [payment["amount"] for payment in paid(sandbox)] == ["7.0000000", "12.3456789"]


def test_the_newest_ledger_is_read_before_the_transaction_is_asked_for_again(
    stellar: Payer, sandbox: RunningSandbox
) -> None:
    sent = drafted(stellar)
    at(sandbox, CERTAIN_MS + 1000)
    stellar.look_up(sent, NOW_MS)
    path = f"/transactions/{draft_of(sent).payout_id}"
    assert paths(sandbox, 2) == [path, "/", path, "/ledgers"]
    assert sandbox.calls("stellar")[-1]["query"] == {"order": "asc", "limit": "1"}


def test_what_comes_between_the_questions_is_found(stellar: Payer, sandbox: RunningSandbox) -> None:
    sent = drafted(stellar)
    assert stellar.send(sent).outcome is Outcome.PAID
    at(sandbox, CERTAIN_MS + 1000)
    control(sandbox, "faults", provider="stellar", status=404, body=MISSING)
    assert stellar.look_up(sent, NOW_MS) == Report(Outcome.PAID, draft_of(sent).payout_id, PAID)


@pytest.mark.parametrize(
    ("elder_ms", "outcome", "reason"),
    [
        (EXPIRES_MS - HOUR_MS - 1000, Outcome.ABSENT, None),
        (EXPIRES_MS - HOUR_MS, Outcome.ABSENT, None),
        (EXPIRES_MS - HOUR_MS + 1000, Outcome.UNCLEAR, "history-too-short"),
        (EXPIRES_MS + 1000, Outcome.UNCLEAR, "history-too-short"),
    ],
)
def test_a_horizon_that_forgets_proves_nothing(
    stellar: Payer, sandbox: RunningSandbox, elder_ms: int, outcome: Outcome, reason: str | None
) -> None:
    sent = drafted(stellar)
    at(sandbox, CERTAIN_MS + 1000, elder_closed_at=to_rfc3339(elder_ms))
    assert stellar.look_up(sent, NOW_MS) == Report(outcome, draft_of(sent).payout_id, reason=reason)


def test_a_horizon_without_ledgers_proves_nothing(stellar: Payer, sandbox: RunningSandbox) -> None:
    sent = drafted(stellar)
    at(sandbox, CERTAIN_MS + 1000)
    for given in ({"status": 404, "body": MISSING}, {}, {"status": 404, "body": MISSING}):
        control(sandbox, "faults", provider="stellar", **given)
    control(sandbox, "faults", provider="stellar", status=200, body={"_embedded": {"records": []}})
    assert stellar.look_up(sent, NOW_MS).reason == "history-too-short"


def test_a_horizon_of_another_network_proves_nothing(stellar: Payer, sandbox: RunningSandbox) -> None:
    at(sandbox, CERTAIN_MS + 1000)
    sent = drafted(stellar)
    live = payer(sandbox.url("stellar"), environment="live")
    expected = Report(Outcome.UNCLEAR, draft_of(sent).payout_id, reason="other-network")
    assert live.look_up(sent, NOW_MS) == expected


@pytest.mark.parametrize(
    "answers",
    [
        [(404, {})],
        [(404, {"type": "https://proxy.example/errors/missing"})],
        [(404, {"type": "https://stellar.org/horizon-errors/not_found_here"})],
        [(404, MISSING | {"type": "https://stellar.org/horizon-errors/bad_request"})],
        [(400, MISSING)],
        [(402, MISSING)],
        [(422, MISSING)],
        [(410, MISSING)],
        [(500, MISSING)] * 3,
        [(404, MISSING), (200, {})],
        [(404, MISSING), (200, {"network_passphrase": NETWORKS["test"]})],
        [
            (404, MISSING),
            (200, {"network_passphrase": NETWORKS["test"], "history_latest_ledger_closed_at": "2026-01-01T00:02:01"}),
        ],
        [(404, MISSING), (404, MISSING)],
        [(404, MISSING), None, (404, {})],
        [(404, MISSING), None, (404, MISSING), (200, {"_embedded": {"records": [{}]}})],
        [(404, MISSING), None, (404, MISSING), (404, MISSING)],
    ],
)
def test_answers_that_are_not_documented_prove_nothing(
    stellar: Payer, sandbox: RunningSandbox, answers: list[tuple[int, dict[str, Any]] | None]
) -> None:
    sent = drafted(stellar)
    at(sandbox, CERTAIN_MS + 1000)
    for answer in answers:
        given = {} if answer is None else {"status": answer[0], "body": answer[1]}
        control(sandbox, "faults", provider="stellar", **given)
    unclear(lambda: stellar.look_up(sent, NOW_MS))


@pytest.mark.parametrize("act", ["send", "look_up"])
def test_without_a_draft_there_is_nothing_to_speak_of(act: str) -> None:
    for bare in (withdrawal(**LUMENS), submitted(**LUMENS)):
        with pytest.raises(InvariantViolated):
            payer().send(bare) if act == "send" else payer().look_up(bare, NOW_MS)


def test_no_key_makes_a_second_payout() -> None:
    assert payer().key_lifetime_ms == 0
