"""Show that the judge finds nothing in a sound history, and each fault by the rule that it breaks."""

import base64
import json
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest

from tests.simulation.books import (
    ADA,
    BOB,
    DAY,
    SIDE,
    Books,
    audited,
    build,
    hash_of,
    id_of,
    verdict,
)
from tests.simulation.evidence import Delivered
from tests.simulation.judge import RULES, judge
from tests.simulation.judging.case import shown, units_of

Fault = Callable[[Books], object]
FAULTS: Final[list[tuple[str, Fault]]] = []

CREDIT: Final = f"POST /v1/wallets/{ADA}/credit"
TRANSFER: Final = "POST /v1/transfers"
WITHDRAW: Final = "POST /v1/withdrawals"


def breaks(rule: str) -> Callable[[Fault], Fault]:
    def keep(fault: Fault) -> Fault:
        FAULTS.append((rule, fault))
        return fault

    return keep


def entry(books: Books, sequence: int, account_id: str = ADA) -> dict[str, Any]:
    return next(one for one in books.entries if (one["account_id"], one["sequence"]) == (account_id, sequence))


def withdrawal(books: Books, name: str) -> dict[str, Any]:
    content: dict[str, Any] = books.flows[f"wdr_{name}"]["content"]
    return content


def order(books: Books) -> dict[str, Any]:
    content: dict[str, Any] = books.flows["dep_whole"]["content"]
    return content


def event(books: Books, external_id: str) -> dict[str, Any]:
    return next(one for one in books.events.values() if one["external_id"] == external_id)


@breaks("postings-sum-to-zero")
def a_posting_is_larger(books: Books) -> None:
    books.transfers["credit c1"]["postings"][1]["units"] -= 1


@breaks("conservation")
def money_appears_in_a_wallet(books: Books) -> None:
    books.accounts[BOB]["balance"] += 1


@breaks("balance-is-replay")
def a_balance_is_not_the_sum(books: Books) -> None:
    books.accounts[ADA]["balance"] += 1


@breaks("balance-is-replay")
def an_entry_states_another_balance(books: Books) -> None:
    entry(books, 2)["balance_after"] += 1


@breaks("sequence-without-gap")
def an_entry_is_missing(books: Books) -> None:
    books.entries.remove(entry(books, 2))


@breaks("times-rise")
def an_entry_is_of_the_same_time_as_another(books: Books) -> None:
    entry(books, 2)["time_ms"] = entry(books, 1)["time_ms"]


@breaks("hash-chain")
def an_entry_was_altered(books: Books) -> None:
    entry(books, 2)["units"] += 1


@breaks("hash-chain")
def a_head_is_not_the_last_entry(books: Books) -> None:
    books.accounts[ADA]["head_hash"] = hash_of({**entry(books, 1), "units": 1})


@breaks("never-negative")
def more_is_spent_than_there_is(books: Books) -> None:
    books.move("debit", {BOB: -500, SIDE: 500}, "api", "till", "d1")


@breaks("entry-is-posted")
def an_entry_has_no_transfer(books: Books) -> None:
    del books.records[books.transfers["credit c1"]["transfer_key"]]


@breaks("entry-is-described")
def an_entry_is_of_another_kind(books: Books) -> None:
    books.transfers["credit c1"]["kind"] = "deposit"


@breaks("posting-is-entered")
def a_transfer_has_left_no_entry(books: Books) -> None:
    books.entries.remove(entry(books, books.accounts[ADA]["version"]))


@breaks("asset-of-account")
def euros_move_in_a_wallet_of_dollars(books: Books) -> None:
    books.transfers["credit c1"]["asset"] = "EUR"


@breaks("asset-of-account")
def money_goes_to_an_account_that_is_not_there(books: Books) -> None:
    del books.accounts[BOB]


@breaks("one-record-a-key")
def a_key_has_two_records(books: Books) -> None:
    books.records["other"] = {**books.transfers["credit c1"], "transfer_key": "other"}


@breaks("one-record-a-key")
def a_tombstone_stands_under_another_key(books: Books) -> None:
    next(one for one in books.records.values() if one["item"] == "void")["transfer_key"] = "other"


@breaks("source-of-key")
def a_deposit_stands_under_a_clients_key(books: Books) -> None:
    books.transfers["deposit pi_whole"]["key_source"] = "api"


@breaks("source-of-key")
def a_hold_has_no_flow(books: Books) -> None:
    del books.flows["wdr_paid"]


@breaks("reversed-once")
def a_transfer_is_reversed_twice(books: Books) -> None:
    lunch = id_of(books.transfers["transfer t1"])
    books.move("reversal", {ADA: 3000, BOB: -3000}, "api", "till", "r2", reverses=lunch)


@breaks("reversal-marked")
def a_marker_has_no_reversal(books: Books) -> None:
    books.records["marker"] = {"transfer_key": "marker", "item": "reversal", "reversed_by": "trf_none"}


@breaks("reversal-marked")
def a_deposit_is_reversed(books: Books) -> None:
    books.transfers["reversal r1"]["reverses"] = id_of(books.transfers["deposit pi_whole"])


@breaks("totals-of-tallied")
def a_transfer_is_added_twice(books: Books) -> None:
    total = books.operations[f"total#{SIDE}"]
    total.update(balance=total["balance"] - 2500, postings=total["postings"] + 1)


@breaks("totals-of-tallied")
def a_transfer_is_in_no_total(books: Books) -> None:
    del books.operations[f"tallied#{books.transfers['credit c1']['transfer_key']}"]


@breaks("held-of-wallet")
def a_wallet_shows_what_is_not_on_hold(books: Books) -> None:
    books.accounts[ADA]["held"] = 1030


@breaks("movement-as-told")
def an_acknowledged_movement_is_another(books: Books) -> None:
    books.document(CREDIT)["amount"] = "100.01"


@breaks("movement-as-told")
def an_acknowledged_movement_is_not_there(books: Books) -> None:
    told = {**books.document(CREDIT), "transfer_id": "trf_none"}
    books.answer(books.call("till", CREDIT, {"amount": "100"}, "c9"), 201, told)


@breaks("thing-as-told")
def an_acknowledged_withdrawal_is_over_another_amount(books: Books) -> None:
    books.document(WITHDRAW)["fee"] = "0.31"


@breaks("thing-as-told")
def an_acknowledged_order_is_not_there(books: Books) -> None:
    books.document("POST /v1/deposits")["deposit_id"] = "dep_none"


@breaks("thing-as-told")
def an_acknowledged_wallet_is_anothers(books: Books) -> None:
    books.document("POST /v1/wallets")["owner_id"] = "bob"


@breaks("nobody-asked")
def a_movement_was_not_asked_for(books: Books) -> None:
    books.move("credit", {ADA: 500, "external:adjustment:USD": -500}, "api", "till", "c9")


@breaks("nobody-asked")
def a_movement_is_over_another_amount(books: Books) -> None:
    books.call("till", CREDIT, {"amount": "5.01"}, "c9")
    books.move("credit", {ADA: 500, "external:adjustment:USD": -500}, "api", "till", "c9")


@breaks("nobody-asked")
def a_movement_is_asked_for_in_a_way_that_cannot_be(books: Books) -> None:
    books.call("till", CREDIT, {"amount": 5}, "c9")
    books.move("credit", {ADA: 500, "external:adjustment:USD": -500}, "api", "till", "c9")


@breaks("nobody-asked")
def somebody_moves_what_is_not_theirs(books: Books) -> None:
    books.call("bob", TRANSFER, {"source": ADA, "destination": BOB, "amount": "1.00"}, "theft")
    books.move("transfer", {ADA: -100, BOB: 100}, "api", "bob", "theft")


@breaks("nobody-asked")
def a_withdrawal_is_over_another_amount(books: Books) -> None:
    books.found(WITHDRAW).body.update(amount="11.00")


@breaks("nobody-voided")
def a_key_was_voided_by_nobody(books: Books) -> None:
    books.told.calls.remove(books.found("POST /v1/idempotency/t2/void"))


@breaks("void-is-final")
def a_void_key_moved_money(books: Books) -> None:
    books.move("transfer", {ADA: -7001, BOB: 7001}, "api", "ada", "t2")


@breaks("void-is-final")
def a_key_is_said_to_be_committed_and_is_not(books: Books) -> None:
    books.refuse(books.call("ada", "POST /v1/idempotency/t7/void"), 409, "idempotency-key-committed")


@breaks("void-is-final")
def a_key_is_shown_as_committed_and_is_not(books: Books) -> None:
    books.answer(books.call("ada", "GET /v1/idempotency/t7"), 200, {"state": "committed", "transfer": None})


@breaks("refused-is-not-done")
def a_refused_movement_has_happened(books: Books) -> None:
    called = books.call("till", f"POST /v1/wallets/{ADA}/debit", {"amount": "60"}, "d1")
    books.refuse(called, 409, "account-not-active")
    books.move("debit", {ADA: -6000, "external:adjustment:USD": 6000}, "api", "till", "d1")


@breaks("one-request-a-key")
def two_requests_have_succeeded_under_one_key(books: Books) -> None:
    books.answer(books.call("till", CREDIT, {"amount": "5"}, "c1"), 201, books.document(CREDIT), again=True)


@breaks("same-answer-again")
def a_replay_is_another_answer(books: Books) -> None:
    called = books.found(CREDIT)
    books.answer(called, 201, {**books.document(CREDIT), "created_at": "later"}, again=True)


@breaks("same-answer-again")
def a_movement_is_new_twice(books: Books) -> None:
    for _ in range(2):
        books.answer(books.found(CREDIT), 201, books.document(CREDIT))


@breaks("never-refused-again")
def a_retry_is_refused_because_the_money_is_spent(books: Books) -> None:
    called = books.found(TRANSFER)
    books.refuse(called, 409, "insufficient-funds", account=ADA, available="1.00", asset="USD", scale=2)


@breaks("never-refused-again")
def a_retry_is_not_said_to_be_one(books: Books) -> None:
    books.answer(books.found(TRANSFER), 201, books.document(TRANSFER))


@breaks("read-your-writes")
def a_balance_is_older_than_what_was_acknowledged(books: Books) -> None:
    wallet = {"wallet_id": ADA, "balance": "100.00", "scale": 2, "version": 1}
    books.answer(books.call("ada", f"GET /v1/wallets/{ADA}"), 200, wallet)


@breaks("read-your-writes")
def a_statement_lacks_the_newest_entry(books: Books) -> None:
    books.answer(books.call("ada", f"GET /v1/wallets/{ADA}/entries"), 200, {"items": [], "next_cursor": None})


@breaks("read-your-writes")
def a_key_is_unknown_again(books: Books) -> None:
    books.answer(books.call("ada", "GET /v1/idempotency/t1"), 200, {"state": "unknown", "transfer": None})


@breaks("read-your-writes")
def a_transfer_is_not_found_again(books: Books) -> None:
    path = f"GET /v1/transfers/{id_of(books.transfers['transfer t1'])}"
    books.refuse(books.call("ada", path), 404, "not-found")


@breaks("read-your-writes")
def a_reversal_is_not_shown(books: Books) -> None:
    path = f"GET /v1/transfers/{id_of(books.transfers['transfer t1'])}"
    books.answer(books.call("ada", path), 200, {**books.document(path), "reversed_by": None})


@breaks("read-your-writes")
def a_withdrawal_is_shown_as_it_was_before(books: Books) -> None:
    first = books.found(WITHDRAW).tries[0].answer
    assert first is not None
    books.answer(books.call("ada", "GET /v1/withdrawals/wdr_paid"), 200, first.document)


@breaks("shown-as-stored")
def a_balance_never_was(books: Books) -> None:
    books.document(f"GET /v1/wallets/{ADA}")["balance"] = "100.01"


@breaks("shown-as-stored")
def an_entry_never_was(books: Books) -> None:
    books.document(f"GET /v1/wallets/{ADA}/entries")["items"][0]["amount"] = "9.99"


@breaks("shown-as-stored")
def a_statement_leaves_an_entry_out(books: Books) -> None:
    del books.document(f"GET /v1/wallets/{ADA}/entries")["items"][1]


@breaks("own-things-only")
def somebody_sees_anothers_wallet(books: Books) -> None:
    books.answer(books.call("eve", f"GET /v1/wallets/{ADA}"), 200, books.document(f"GET /v1/wallets/{ADA}"))


@breaks("true-reason")
def a_key_is_said_to_be_used_and_is_not(books: Books) -> None:
    books.refuse(books.call("ada", TRANSFER, {"amount": "1"}, "t8"), 422, "idempotency-key-reused")


@breaks("true-reason")
def a_key_is_said_to_be_void_and_is_not(books: Books) -> None:
    books.refuse(books.call("ada", TRANSFER, {"amount": "1"}, "t8"), 409, "idempotency-key-voided")


@breaks("true-reason")
def a_transfer_is_said_to_be_reversed_by_another(books: Books) -> None:
    call = f"POST /v1/transfers/{id_of(books.transfers['transfer t1'])}/reverse"
    books.document(call, 1)["reversed_by"] = id_of(books.transfers["credit c1"])


@breaks("enough-money")
def a_refusal_tells_an_old_balance(books: Books) -> None:
    called = books.call("ada", TRANSFER, {"source": ADA, "destination": BOB, "amount": "200"}, "t8")
    books.refuse(called, 409, "insufficient-funds", account=ADA, available="70.00", asset="USD", scale=2)


@breaks("enough-money")
def a_refusal_is_over_what_is_there(books: Books) -> None:
    books.found(TRANSFER, 2).body.update(amount="70.00")


@breaks("stopped-wallet")
def a_frozen_wallet_is_credited(books: Books) -> None:
    books.move("credit", {BOB: 500, "external:adjustment:USD": -500}, "api", "till", "c9")


@breaks("published-status")
def something_is_wrong_with_us(books: Books) -> None:
    books.refuse(books.call("ada", "GET /v1/wallets"), 500, "internal-error")


@breaks("published-status")
def a_problem_has_another_status(books: Books) -> None:
    books.refuse(books.call("ada", "GET /v1/wallets"), 409, "not-found")


@breaks("published-status")
def a_refusal_has_no_problem(books: Books) -> None:
    books.answer(books.call("ada", "GET /v1/wallets"), 409)


@breaks("withdrawal-history")
def a_withdrawal_was_never_approved(books: Books) -> None:
    del withdrawal(books, "paid")["history"][1]


@breaks("withdrawal-history")
def an_owner_decides(books: Books) -> None:
    withdrawal(books, "rejected")["history"][2]["by"] = "ada"


@breaks("withdrawal-as-shown")
def a_withdrawal_is_shown_as_it_never_was(books: Books) -> None:
    books.document(WITHDRAW, 1)["state"] = "COMPLETED"


@breaks("withdrawal-movements")
def a_withdrawal_is_released_twice(books: Books) -> None:
    books.accounts["hold:wdr_failed"]["balance"] += 1030
    books.move("withdrawal-release", {"hold:wdr_failed": -1030, ADA: 1030}, "api", "x", "y", metadata=of("wdr_failed"))


@breaks("withdrawal-movements")
def the_fee_is_not_given_back(books: Books) -> None:
    withdrawal(books, "paid").update(fee_units=29, units=1001)


@breaks("withdrawal-movements")
def a_movement_is_of_no_withdrawal(books: Books) -> None:
    books.transfers["withdrawal wdr_paid"]["metadata"] = of("wdr_none")


def of(flow_id: str) -> str:
    return json.dumps({"withdrawal_id": flow_id})


@breaks("hold-of-withdrawal")
def money_stays_on_hold(books: Books) -> None:
    books.accounts["hold:wdr_paid"]["balance"] = 1030


@breaks("hold-of-withdrawal")
def a_hold_is_nobodys(books: Books) -> None:
    books.open("hold:wdr_none", "wdr_none", "hold")


@breaks("one-withdrawal-a-key")
def one_hold_is_of_two_withdrawals(books: Books) -> None:
    withdrawal(books, "failed")["hold_transfer_id"] = withdrawal(books, "paid")["hold_transfer_id"]


@breaks("own-payout")
def a_payout_is_named_by_two_withdrawals(books: Books) -> None:
    withdrawal(books, "returned").update(payout_id="po_paid")


@breaks("decision-stands")
def a_cancelled_withdrawal_was_paid(books: Books) -> None:
    withdrawal(books, "cancelled").update(state="COMPLETED")
    books.flows["wdr_cancelled"]["state"] = "COMPLETED"


@breaks("decision-stands")
def an_approval_is_gone(books: Books) -> None:
    approved = {**books.document(WITHDRAW, 4), "state": "REQUESTED"}
    books.answer(books.call("root", "POST /v1/admin/withdrawals/wdr_cancelled/approve"), 200, approved)


@breaks("paid-once")
def a_withdrawal_is_paid_twice(books: Books) -> None:
    things = books.things["stripe"]
    things["po_again"] = {**things["po_paid"], "id": "po_again", "status": "pending"}


@breaks("paid-once")
def a_withdrawal_is_given_back_and_paid(books: Books) -> None:
    books.things["stripe"]["po_failed"]["status"] = "paid"
    books.alert("PROVIDER_MISMATCH", "stripe:status-differs:payout-po_failed")


@breaks("paid-once")
def a_cancelled_withdrawal_is_sent(books: Books) -> None:
    books.things["stripe"]["po_x"] = {
        **books.things["stripe"]["po_paid"],
        "metadata": {"withdrawal_id": "wdr_cancelled"},
    }


@breaks("paid-once")
def another_amount_is_paid(books: Books) -> None:
    books.things["stripe"]["po_paid"]["amount"] = 1001


@breaks("paid-once")
def a_completed_withdrawal_was_not_paid(books: Books) -> None:
    del books.things["stripe"]["po_paid"]


@breaks("paid-once")
def money_leaves_on_stellar_for_nobody(books: Books) -> None:
    sent = {"transaction": {"envelope_xdr": "AAAA"}, "transaction_hash": "ab", "transaction_successful": True}
    books.things["stellar"]["1"] = {**sent, "amount": "10.0000000"}


@breaks("withdrawal-at-rest")
def a_withdrawal_is_forgotten(books: Books) -> None:
    books.flows["wdr_cancelled"]["state"] = "APPROVED"


@breaks("quota-of-day")
def a_count_was_not_given_back(books: Books) -> None:
    books.operations[f"quota#withdrawals#ada#USD#{DAY}"].update(units=3000, count=3)


@breaks("quota-of-day")
def more_was_withdrawn_than_is_allowed(books: Books) -> None:
    for name in ("three", "four", "five"):
        books.withdraw(name, "COMPLETED", "paid")
    books.operations[f"quota#withdrawals#ada#USD#{DAY}"].update(units=5000, count=5)


@breaks("quota-as-told")
def more_was_granted_than_is_allowed_and_given_back(books: Books) -> None:
    for flow_id in [books.withdraw(name, "CANCELLED") for name in ("three", "four", "five")]:
        books.answer(books.call("ada", f"POST /v1/withdrawals/{flow_id}/cancel"), 200)


@breaks("withdrawal-rules")
def a_fee_is_wrong(books: Books) -> None:
    withdrawal(books, "paid").update(fee_units=31)


@breaks("deposit-as-at-provider")
def a_payment_was_not_credited(books: Books) -> None:
    books.things["stripe"]["pi_other"] = {"status": "succeeded", "amount": 100, "amount_received": 100}


@breaks("deposit-as-at-provider")
def more_was_credited_than_was_paid(books: Books) -> None:
    books.things["stripe"]["pi_whole"]["amount_received"] = 2400
    books.alert("PROVIDER_MISMATCH", "stripe:amount-differs:pi_whole")


@breaks("deposit-as-at-provider")
def a_refund_that_failed_was_not_given_back(books: Books) -> None:
    books.things["stripe"]["re_1"]["status"] = "failed"


@breaks("deposit-as-at-provider")
def a_credit_has_no_payment(books: Books) -> None:
    del books.things["stripe"]["pi_whole"]


@breaks("credited-once")
def a_payment_is_credited_for_each_event(books: Books) -> None:
    metadata = json.dumps({"deposit_id": "dep_whole"})
    books.move("deposit", {ADA: 2500, SIDE: -2500}, "stripe", "test", "evt_2", "deposit", metadata=metadata)


@breaks("credited-once")
def an_order_knows_of_another_amount(books: Books) -> None:
    order(books)["claims"]["re_1"]["units"] = 999


@breaks("only-what-was-ordered")
def another_amount_is_credited(books: Books) -> None:
    order(books)["expected"] = "24.00"


@breaks("legs-of-deposit")
def a_deposit_goes_to_another_wallet(books: Books) -> None:
    order(books)["wallet_id"] = BOB


@breaks("owed-is-told")
def nobody_was_told_what_is_owed(books: Books) -> None:
    metadata = json.dumps({"deposit_id": "dep_whole"})
    legs = {"external:receivable:USD": -500, SIDE: 500}
    books.move("refund", legs, "stripe", "test", "re_2", "refund", metadata=metadata)
    order(books)["owed_units"] = 500


@breaks("owed-is-told")
def an_order_does_not_know_what_is_owed(books: Books) -> None:
    order(books)["owed_units"] = 500
    books.alert("RECEIVABLE", "dep_whole:re_1")


@breaks("taken-after-credit")
def a_refund_is_taken_before_the_payment_came(books: Books) -> None:
    paid, refund = (id_of(books.transfers[name]) for name in ("deposit pi_whole", "refund re_1"))
    entries = {one["transfer_id"]: one for one in books.entries if one["account_id"] == ADA}
    entries[paid]["sequence"], entries[refund]["sequence"] = entries[refund]["sequence"], entries[paid]["sequence"]


@breaks("taken-after-credit")
def a_refund_is_of_a_payment_that_was_not_credited(books: Books) -> None:
    order(books)["claims"]["re_1"]["payment_id"] = "pi_more"


@breaks("one-order-a-name")
def two_orders_know_of_one_payment(books: Books) -> None:
    books.flows["dep_more"]["content"]["payments"] = order(books)["payments"]


@breaks("closed-is-empty")
def a_closed_wallet_has_money_in_it(books: Books) -> None:
    books.accounts[ADA]["status"] = "CLOSED"


@breaks("known-is-found")
def a_wallet_is_not_found_any_more(books: Books) -> None:
    books.refuse(books.call("till", CREDIT, {"amount": "1.00"}, "late"), 404, "not-found")


@breaks("whole-statement")
def a_statement_ends_early(books: Books) -> None:
    items = [one.answer for called in books.told.calls for one in called.tries if called.path.endswith("/entries")]
    shown_last = [item for answer in items if answer for item in answer.document["items"]][:1]
    page = {"items": shown_last, "next_cursor": None}
    books.answer(books.call("ada", f"GET /v1/wallets/{ADA}/entries"), 200, page)


@breaks("left-out-of-total")
def a_transfer_is_left_out(books: Books) -> None:
    made = next(one for one in books.records.values() if one.get("kind") == "credit")
    books.alert("TALLY_REJECTED", made["transfer_key"])


@breaks("tampering-found")
def nobody_was_told_of_what_was_tampered_with(books: Books) -> None:
    books.missed.append(ADA)


@breaks("event-kept-once")
def an_event_is_lost(books: Books) -> None:
    books.delivered.append(Delivered("stripe", b"lost", signed=True, answers=[200]))


@breaks("event-kept-once")
def an_event_is_kept_twice(books: Books) -> None:
    books.events["other"] = {**event(books, "evt_whole"), "inbox_key": "other"}


@breaks("event-kept-once")
def a_forged_event_is_kept(books: Books) -> None:
    books.events["other"] = {**event(books, "evt_whole"), "body": zlib.compress(b"forged")}


@breaks("forged-event-refused")
def a_forged_event_is_taken(books: Books) -> None:
    books.delivered[-1] = replace(books.delivered[-1], answers=[200])


@breaks("event-finished")
def an_event_is_open_still(books: Books) -> None:
    event(books, "evt_whole")["state"] = "OPEN"


@breaks("event-finished")
def an_event_says_that_it_moved_what_is_not_there(books: Books) -> None:
    event(books, "evt_whole")["transfers"] = json.dumps(["trf_none"])


@breaks("tried-before-dead")
def an_event_is_given_up_on_at_once(books: Books) -> None:
    event(books, "evt_more").update(reason="account-not-active", attempts=5)


@breaks("tried-before-dead")
def an_event_does_not_wait_for_its_order(books: Books) -> None:
    event(books, "evt_more").update(reason="unknown-order", attempts=1)


@breaks("dead-letter-told")
def nobody_was_told_of_a_dead_letter(books: Books) -> None:
    event(books, "evt_whole")["state"] = "DEAD"


@breaks("dead-letter-told")
def an_alert_outlives_its_dead_letter(books: Books) -> None:
    books.alert("WEBHOOK_FAILURE", f"dlq_{event(books, 'evt_more')['inbox_key']}")


@breaks("outcome-told")
def nobody_was_told_of_a_payout_that_failed(books: Books) -> None:
    books.alerts[:] = [one for one in books.alerts if one["kind"] != "PAYOUT_FAILED"]


@breaks("outcome-told")
def a_worry_outlives_its_reason(books: Books) -> None:
    books.alert("PAYOUT_UNCLEAR", "wdr_paid")


@breaks("alert-told")
def an_alert_was_not_told(books: Books) -> None:
    books.operations["alert#PAYOUT_FAILEDwdr_failed"]["told"] = False


@breaks("no-false-alarm")
def the_books_are_said_to_differ(books: Books) -> None:
    books.alert("BALANCE_MISMATCH", ADA)


@breaks("no-false-alarm")
def a_wallet_is_suspected(books: Books) -> None:
    books.accounts[ADA]["needs_reconciliation"] = True


@breaks("nothing-left")
def a_message_is_left(books: Books) -> None:
    books.queued["payouts"].append("wdr_paid")


@breaks("nothing-left")
def a_dead_message_names_nothing(books: Books) -> None:
    books.dead["webhooks"] = ["unknown"]


@breaks("nothing-left")
def a_handler_crashes(books: Books) -> None:
    books.crashed.append("KeyError()")


@breaks("reconciled")
def a_run_has_found_something(books: Books) -> None:
    books.audit.append(verdict("changed", sums={"findings": [{"account_id": ADA}]}))


@breaks("reconciled")
def the_last_full_run_could_not_judge(books: Books) -> None:
    books.audit.append(verdict("full", at="2026-01-31T14:00:00.000Z", is_judged=False))


@breaks("reconciled")
def a_full_run_has_come_to_nothing(books: Books) -> None:
    books.audit[:] = [one for one in books.audit if "content" not in one]


@breaks("audited")
def a_decision_is_not_in_the_audit(books: Books) -> None:
    books.audit.remove(audited("withdrawal-rejected", "wdr_rejected"))


@breaks("audited")
def a_decision_is_in_the_audit_that_nobody_made(books: Books) -> None:
    books.audit.append(audited("withdrawal-approved", "wdr_paid"))


@breaks("audited")
def a_decision_is_made_twice(books: Books) -> None:
    books.audit.append(audited("withdrawal-rejected", "wdr_rejected"))


def test_nothing_is_found_in_a_sound_history() -> None:
    assert judge(build().evidence()) == []


@pytest.mark.parametrize(("rule", "fault"), FAULTS, ids=[fault.__name__ for _, fault in FAULTS])
def test_a_fault_breaks_its_rule(rule: str, fault: Fault) -> None:
    books = build()
    fault(books)
    found = [breach for breach in judge(books.evidence()) if breach.rule == rule]
    assert found
    assert not any("cannot be judged" in breach.detail for breach in found)


def test_every_rule_is_shown_to_find_something() -> None:
    assert {rule for rule, _ in FAULTS} == {name for name, _ in RULES}


def test_what_cannot_even_be_read_is_a_breach() -> None:
    books = build()
    del books.accounts[ADA]["balance"]
    assert any("cannot be judged: KeyError('balance')" in breach.detail for breach in judge(books.evidence()))


def accepted(books: Books) -> None:
    """root accepts that 26.00 came for 25.00."""
    metadata = json.dumps({"deposit_id": "dep_more"})
    made = books.move("deposit", {ADA: 2600, SIDE: -2600}, "stripe", "test", "pi_more", "deposit", metadata=metadata)
    books.flows["dep_more"]["content"]["payments"] = {"pi_more": {"units": 2600, "account_id": ADA}}
    event(books, "evt_more").update(accepted=True, state="DONE", transfers=json.dumps([id_of(made)]))


def given_up(books: Books) -> None:
    """Stripe could not tell of a payment in all its tries."""
    books.things["stripe"]["pi_lost"] = {"status": "succeeded", "amount": 100, "amount_received": 100}
    books.delivered.append(Delivered("stripe", b'{"payment": "pi_lost"}', signed=True, answers=[503, None]))


def disputed(books: Books) -> None:
    """Paystack could not tell of a payment in all its tries, and then it was disputed."""
    dispute = {"resolution": "merchant-accepted", "refund_amount": 70, "transaction": {"reference": "dep-lost"}}
    books.things["paystack"] = {"dispute/1": dispute}
    books.delivered.append(Delivered("paystack", b'{"reference": "dep-lost"}', signed=True, answers=[503, None]))


def written_otherwise(books: Books) -> None:
    """Ramp signs one form of its JSON, which is the one that is kept."""
    books.deliver("ramp", {"id": "1", "value": 1})
    books.delivered[-1] = replace(books.delivered[-1], body=b'{"value": 1.0, "id": "1"}')


def contradicted(books: Books) -> None:
    """Stripe said that a payout had failed, and then that it was paid after all."""
    books.things["stripe"]["po_failed"]["status"] = "paid"
    books.deliver("stripe", {"id": "evt_failed", "payout": "po_failed", "status": "failed"})
    books.alert("PAYOUT_CONTRADICTION", "wdr_failed")


def seen_by_a_service(books: Books) -> None:
    """till has credited ada's wallet, and may not look at its statement."""
    books.refuse(books.call("till", f"GET /v1/wallets/{ADA}/entries"), 404, "not-found")


def not_now(books: Books) -> None:
    """A retry is answered that it has to wait."""
    books.refuse(books.found(TRANSFER), 503, "too-much-contention")
    books.answer(books.found(TRANSFER), 429, {"message": "Too Many Requests"})


def in_review(books: Books) -> None:
    """A withdrawal waits for a person, with its money on hold."""
    content = withdrawal(books, "rejected")
    del content["history"][2:]
    content["state"] = books.flows["wdr_rejected"]["state"] = "IN_REVIEW"


@pytest.mark.parametrize(
    "happening", [accepted, given_up, disputed, written_otherwise, contradicted, seen_by_a_service, not_now]
)
def test_what_may_be_is_no_breach(happening: Fault) -> None:
    books = build()
    happening(books)
    assert judge(books.evidence()) == []


def test_a_withdrawal_may_wait_for_a_person() -> None:
    books = build()
    in_review(books)
    assert "withdrawal-at-rest" not in {breach.rule for breach in judge(books.evidence())}


def test_amounts_are_read_and_written_exactly() -> None:
    for units, scale, text in (
        (-1, 2, "-0.01"),
        (12, 0, "12"),
        (10**37 + 1, 7, f"1{'0' * 30}.0000001"),
        (500, 2, "5.00"),
    ):
        assert (shown(units, scale), units_of(text, scale)) == (text, units)
    assert units_of("5", 2) == 500


def test_a_body_may_be_bytes_or_base64() -> None:
    books = build()
    evidence = books.evidence()
    inbox = [{**item, "body": {"B": base64.b64encode(item["body"]["B"]).decode()}} for item in evidence.tables["inbox"]]
    assert judge(replace(evidence, tables={**evidence.tables, "inbox": inbox})) == []
