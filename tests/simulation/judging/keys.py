"""Judge what clients were told under their idempotency keys against what is stored under them."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from cli.demo import rules
from cli.demo.stored import Item
from tests.simulation.judging.case import MOVEMENTS, ROLES, Case, Key, Request, key_of, shown, sums_of, units_of
from tests.simulation.judging.ledger import Rule
from tests.simulation.told import Answer, Try

Document = Mapping[str, Any]

CREATING: Final = MOVEMENTS | {"order", "wallet"}
"""What takes a key."""
_FOR_GOOD: Final = {
    "withdrawal-hold": (
        *("withdrawal_id", "owner_id", "wallet_id", "provider", "asset", "scale", "amount", "fee", "total"),
        *("destination", "submit_after", "created_at"),
    ),
    "order": (
        "deposit_id",
        "wallet_id",
        "provider",
        "asset",
        "scale",
        "amount",
        "currency",
        "created_at",
        "expires_at",
    ),
    "wallet": ("wallet_id", "owner_id", "asset", "scale", "label", "created_at"),
}
"""What never changes of a thing that an answer shows as it stands; of a movement that is everything."""

_MAY_ASK: Final = {
    "credit": {"SERVICE"},
    "debit": {"SERVICE"},
    "transfer": {"SERVICE"},
    "reversal": {"SERVICE", "ADMIN"},
}
"""Whose movements of other people's wallets are allowed."""


def _by_key(requests: Iterable[Request]) -> dict[tuple[str, Key], list[Request]]:
    """Put together what one key is for: movements have it in common, wallets and orders have their own."""
    found: dict[tuple[str, Key], list[Request]] = defaultdict(list)
    for request in requests:
        if request.called.key is not None:
            found["movement" if request.kind in MOVEMENTS else request.kind, request.key].append(request)
    return found


def _tries(requests: Iterable[Request]) -> list[tuple[Request, Try, int, Answer]]:
    return [(request, *one) for request in requests for one in request.answered]


def stored_as_told(case: Case) -> Iterator[str]:
    """Find a movement that was acknowledged or shown, and is not stored exactly so."""
    for request in case.of_kind(*MOVEMENTS - {"withdrawal-hold"}, "read transfer", "key"):
        for answer in request.acknowledged():
            told = answer.document.get("transfer") if request.kind == "key" else answer.document
            if told and (difference := _difference(case, told)):
                yield f"{request}: {difference}"


def _difference(case: Case, told: Document) -> str | None:
    transfer = case.transfers.get(told["transfer_id"])
    if transfer is None:
        return f"{told['transfer_id']} is not there"
    stored = view_of(transfer)
    for ours, theirs in zip(stored["postings"], told["postings"], strict=False):
        ours["balance_after"] = ours["balance_after"] if theirs["balance_after"] else None  # shown to some only
    wrong = [name for name, value in stored.items() if told.get(name) != value]
    return f"{told['transfer_id']} was told with another {', '.join(wrong)}" if wrong else None


def view_of(transfer: Item) -> dict[str, Any]:
    """Write a transfer as the API does."""
    scale = transfer["scale"]
    amount = partial(shown, scale=scale)
    return {
        "kind": transfer["kind"],
        "asset": transfer["asset"],
        "scale": scale,
        "amount": amount(transfer["units"]),
        "postings": [
            {
                "account": posting["account_id"],
                "amount": amount(posting["units"]),
                "balance_after": amount(posting["balance_after"]) if "balance_after" in posting else None,
            }
            for posting in transfer["postings"]
        ],
        "reference": transfer.get("reference"),
        "reverses": transfer.get("reverses"),
        "metadata": json.loads(transfer.get("metadata") or "{}"),
        "created_at": time_of(transfer["created_at_ms"]),
    }


def time_of(time_ms: int) -> str:
    """Write a time as the API does."""
    return f"{datetime.fromtimestamp(time_ms // 1000, UTC):%Y-%m-%dT%H:%M:%S}.{time_ms % 1000:03d}Z"


def things_as_told(case: Case) -> Iterator[str]:
    """Find a withdrawal, order or wallet that was acknowledged, and is not stored so."""
    for request in case.of_kind("withdrawal-hold", "order", "wallet"):
        for answer in request.acknowledged():
            told = answer.document
            stored = _thing(case, request.kind, told)
            wrong = [name for name, value in stored.items() if told[name] != value]
            if wrong or not stored:
                yield f"{request} was told with another {', '.join(wrong) or 'name: there is none such'}"


def _thing(case: Case, kind: str, told: Document) -> dict[str, Any]:
    """Write what is stored of a thing as the API does."""
    if kind == "wallet":
        account = case.accounts.get(told["wallet_id"], {})
        return {name: account.get(name) for name in _FOR_GOOD["wallet"] if name in account and name != "wallet_id"}
    flows = case.deposits if kind == "order" else case.withdrawals
    flow = flows.get(told["deposit_id" if kind == "order" else "withdrawal_id"])
    if flow is None:
        return {}
    asset = {"asset": flow["asset"]["code"], "scale": flow["asset"]["scale"]}
    common = {"wallet_id": flow["wallet_id"], "provider": flow["provider"], **asset}
    common["created_at"] = time_of(flow["created_at_ms"])
    if kind == "order":
        return {**common, "amount": flow["expected"], "currency": flow["currency"]}
    units = {"amount": flow["units"], "fee": flow["fee_units"], "total": flow["units"] + flow["fee_units"]}
    return {**common, **{name: shown(value, asset["scale"]) for name, value in units.items()}}


def asked_for(case: Case) -> Iterator[str]:
    """Find a movement under a client's key that nobody asked for so, and one that its caller may not ask for."""
    asked = _by_key(case.of_kind(*MOVEMENTS))
    for name, transfer in case.transfers.items():
        if transfer["key_source"] != "api" or name in case.evidence.given:
            continue
        requests = asked.get(("movement", key_of(transfer)), [])
        fitting = [one for one in requests if one.kind == transfer["kind"] and _is_for(case, one, transfer)]
        if not fitting:
            yield f"{name} moves {sums_of(transfer)}, and nobody asked for that under {key_of(transfer)}"
        elif not _may_ask(case, fitting[0], transfer):
            yield f"{name} moves {sums_of(transfer)}, which {transfer['key_scope']} may not ask for"


def _is_for(case: Case, request: Request, transfer: Item) -> bool:
    try:
        return _fits(case, request, transfer)
    except (AttributeError, KeyError, TypeError, ValueError):
        return False  # it asks for nothing that could be


def _fits(case: Case, request: Request, transfer: Item) -> bool:
    if request.kind == "reversal":
        return bool(transfer["reverses"] == request.subject) and _metadata_fits(request, transfer)
    if request.kind == "withdrawal-hold":
        return _is_hold(case, request, transfer)
    body = request.called.body
    units = units_of(body["amount"], transfer["scale"])
    if request.kind == "transfer":
        expected = {body["source"]: -units, body["destination"]: units}
    else:
        kind, colon, _ = (body.get("reference") or "").partition(":")
        other = f"{rules.EXTERNAL}{kind if colon else 'adjustment'}:{transfer['asset']}"
        signed = units if request.kind == "credit" else -units
        expected = {request.subject: signed, other: -signed}
    return sums_of(transfer) == expected and _metadata_fits(request, transfer)


def _metadata_fits(request: Request, transfer: Item) -> bool:
    asked: dict[str, str] = (request.called.body or {}).get("metadata", {})
    return bool(json.loads(transfer.get("metadata") or "{}") == asked)


def _is_hold(case: Case, request: Request, transfer: Item) -> bool:
    """Tell whether a hold is of a withdrawal that is as it was asked for."""
    body = request.called.body
    withdrawal = case.withdrawals.get(json.loads(transfer.get("metadata") or "{}").get("withdrawal_id"))
    if withdrawal is None or withdrawal["hold_transfer_id"] != rules.transfer_id_of(transfer):
        return False
    asked = {"wallet_id": body["wallet_id"], "provider": body["provider"]}
    asked["units"] = units_of(body["amount"], transfer["scale"])
    return all(withdrawal[name] == value for name, value in asked.items())


def _may_ask(case: Case, request: Request, transfer: Item) -> bool:
    """Tell whether the caller has the role, or owns every wallet that gives money."""
    if ROLES.get(request.called.caller) in _MAY_ASK.get(request.kind, ()):
        return True
    givers = [account_id for account_id, units in sums_of(transfer).items() if units < 0]
    own = {one["account_id"] for one in case.stored.accounts if one["owner_id"] == request.called.caller}
    return request.kind in {"transfer", "withdrawal-hold"} and own.issuperset(givers)


def voided_asked_for(case: Case) -> Iterator[str]:
    """Find a tombstone that nobody asked for."""
    asked = {request.key for request in case.of_kind("void")}
    for key, tombstone in case.tombstones.items():
        if key not in asked and tombstone["transfer_key"] not in case.evidence.given:
            yield f"{key} is voided, and nobody asked for that"


def void_is_final(case: Case) -> Iterator[str]:
    """Find a key that was said to be void and moved money, or was said to have moved money and did not."""
    for request in case.of_kind("void"):
        for _, _, answer in request.answered:
            if answer.status == 200 and (request.key not in case.tombstones or request.key in case.by_key):
                yield f"{request} was acknowledged, and there is no tombstone alone under {request.key}"
            if is_problem(answer, "idempotency-key-committed") and request.key not in case.by_key:
                yield f"{request} was answered that the key is committed, and there is no movement under it"
    standing = {"committed": case.by_key, "voided": case.tombstones}
    for request in case.of_kind("key"):
        for answer in request.acknowledged():
            state = answer.document["state"]
            if state in standing and request.key not in standing[state]:
                yield f"{request} was answered {state}, and it is not"


def is_problem(answer: Answer, *names: str) -> bool:
    """Tell whether an answer is one of these problems."""
    return problem_of(answer) in names


def problem_of(answer: Answer) -> str:
    """Name the problem that an answer is; nothing when it is none of ours."""
    text = str(answer.document.get("type", ""))
    return text.removeprefix("urn:tallystick:problem:") if text.startswith("urn:tallystick:problem:") else ""


def refused_is_not_done(case: Case) -> Iterator[str]:
    """Find a movement under a key whose every request was refused for good."""
    for (kind, key), requests in _by_key(case.of_kind(*MOVEMENTS)).items():
        answers = [one.answer for request in requests for one in request.called.tries]
        if kind == "movement" and key in case.by_key and all(one and 400 <= one.status < 500 for one in answers):
            yield f"{key} was refused each time, and there is {rules.transfer_id_of(case.by_key[key])}"


def one_request_a_key(case: Case) -> Iterator[str]:
    """Find two different requests that both succeeded under one key."""
    for (_, key), requests in _by_key(case.of_kind(*CREATING)).items():
        done = [request.asks_for for request, _, _, answer in _tries(requests) if answer.status == 201]
        if any(one != done[0] for one in done):
            yield f"{key} was used for {done[0]}, and for another request with success"


def replayed(case: Case) -> Iterator[str]:
    """Find answers of one request that differ, or a first answer that came twice."""
    for (kind, key), requests in _by_key(case.of_kind(*CREATING)).items():
        done = [(request.kind, answer) for request, _, _, answer in _tries(requests) if answer.status == 201]
        shown_as = [_for_good(name, answer.document) for name, answer in done]
        if any(one != shown_as[0] for one in shown_as):
            yield f"{key} was answered with {shown_as}"
        # An order may be prepared by two calls at once, each of which says that it is new.
        if kind == "movement" and sum(not answer.is_replay for _, answer in done) > 1:
            yield f"{key} was answered as new more than once"


def _for_good(kind: str, document: Document) -> Document:
    names = _FOR_GOOD.get(kind)
    return document if names is None else {name: document.get(name) for name in names}


def never_refused_again(case: Case) -> Iterator[str]:
    """Find a request that was refused, or not marked as a replay, after it had been acknowledged."""
    for (_, key), requests in _by_key(case.of_kind(*CREATING)).items():
        tries = _tries(requests)
        done = [(request, answered_ms) for request, _, answered_ms, answer in tries if answer.status == 201]
        for request, one, _, answer in tries:
            before = [first for first, answered_ms in done if answered_ms < one.sent_ms]
            same = any(first.asks_for == request.asks_for for first in before)
            if same and answer.is_final and not (answer.status == 201 and answer.is_replay):
                yield f"{key} was acknowledged, and then answered {answer.status} {problem_of(answer)}".rstrip()


RULES: Final[tuple[tuple[str, Rule], ...]] = (
    ("movement-as-told", stored_as_told),
    ("thing-as-told", things_as_told),
    ("nobody-asked", asked_for),
    ("nobody-voided", voided_asked_for),
    ("void-is-final", void_is_final),
    ("refused-is-not-done", refused_is_not_done),
    ("one-request-a-key", one_request_a_key),
    ("same-answer-again", replayed),
    ("never-refused-again", never_refused_again),
)
