"""Judge what clients were shown: nothing older than what was known before, nothing that never was, true reasons."""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cli.demo import rules
from cli.demo.stored import Item
from tests.simulation.judging.case import MOVEMENTS, ROLES, Case, Request, units_of
from tests.simulation.judging.keys import CREATING, is_problem, problem_of
from tests.simulation.judging.ledger import Rule
from tests.simulation.told import Answer

Document = Mapping[str, Any]
Seen = tuple[str, int]
"""Names a thing, and how much of it was shown: entries of a wallet, steps of a withdrawal, whether a key is final."""

_STATUSES: Final = {
    name: int(status)
    for line in (Path(__file__).parents[3] / "docs" / "api.md").read_text().splitlines()
    if (row := re.match(r"\| (`[`a-z, -]+`) \| (\d{3}) \|", line))
    for status in [row[2]]
    for name in re.findall(r"`([a-z-]+)`", row[1])
}
"""What status each problem has, as published."""

NOT_OURS: Final = frozenset({401, 403, 413, 429, 503})
"""What API Gateway answers itself, in its own words."""

_MADE: Final = ("dep_", "wdr_", "transfer ")
"""Begin the names of what a client makes, and sees from then on."""

PASSING: Final[Mapping[str, frozenset[str]]] = {
    "FROZEN": frozenset(
        {
            *("reversal", "refund", "chargeback", "refund-reversal", "chargeback-reversal"),
            *("withdrawal-release", "withdrawal-return"),
        }
    ),
    "CLOSED": frozenset({"refund", "chargeback"}),
}
"""What may move a wallet that is not active."""


@dataclass(frozen=True, slots=True)
class Sight:
    """Note when a thing was known to be at a level, by whose call of which kind."""

    at_ms: int
    level: int
    caller: str
    kind: str


def fresh(case: Case) -> Iterator[str]:
    """Find a read that shows less than was known before it began."""
    known = _known(case)
    for request in case.requests:
        for one, _, answer in request.answered:
            for thing, level in _read(request, answer):
                before = [sight for sight in known[thing] if sight.at_ms < one.sent_ms]
                seen = [sight.level for sight in before if level >= 0 or _may_see_now(request, thing, sight)]
                if seen and level < max(seen):
                    yield f"{request} showed {thing} at {level}, and {max(seen)} was known before"


def _known(case: Case) -> dict[str, list[Sight]]:
    known: dict[str, list[Sight]] = defaultdict(list)
    for request in case.requests:
        for _, answered_ms, answer in request.answered:
            for thing, level in _seen(case, request, answer):
                known[thing].append(Sight(answered_ms, level, request.called.caller, request.kind))
    return known


def _may_see_now(request: Request, thing: str, sight: Sight) -> bool:
    """Tell whether who was told that there is none has seen it before so, or has made it."""
    is_made = sight.kind == "wallet" or (sight.kind in CREATING and thing.startswith(_MADE))
    return sight.caller == request.called.caller and (sight.kind == request.kind or is_made)


def _seen(case: Case, request: Request, answer: Answer) -> Iterator[Seen]:
    """Say what a client knows by an answer."""
    if answer.status not in {200, 201}:
        return
    yield from (seen for seen in _read(request, answer) if seen[1] >= 0)
    document = answer.document
    if request.kind in MOVEMENTS:
        yield from _of_movement(case, request, document)
    if request.kind == "withdrawal-hold":
        yield document["withdrawal_id"], _steps(document)
    if request.kind == "void":
        yield f"key {request.key}", 1
    if request.kind == "wallet":
        yield document["wallet_id"], document["version"]
    if request.kind == "order":
        yield document["deposit_id"], len(document["transfers"])


def _of_movement(case: Case, request: Request, document: Document) -> Iterator[Seen]:
    yield f"key {request.key}", 1
    transfer_id = document["transfers"][0] if request.kind == "withdrawal-hold" else document["transfer_id"]
    transfer = case.transfers.get(transfer_id, {"postings": ()})
    yield f"transfer {transfer_id}", 0
    if document.get("reverses"):
        yield f"transfer {document['reverses']}", 1
    for account_id in rules.accounts_of(transfer):
        if (account_id, transfer_id) in case.places:
            yield account_id, case.places[account_id, transfer_id]


def _read(request: Request, answer: Answer) -> Iterator[Seen]:
    """Say what a read that looks at how things are now has shown; -1 stands for nothing at all."""
    name = _THINGS.get(request.kind)
    if name is None or (answer.status != 200 and not is_problem(answer, "not-found")):
        return
    thing = name.format(subject=request.subject, key=request.key)
    if answer.status != 200:
        yield thing, -1
    elif not request.called.query or request.kind == "read wallet":
        yield thing, _LEVELS[request.kind](answer.document)


_THINGS: Final = {
    "read wallet": "{subject}",
    "read balance": "{subject}",
    "read entries": "{subject}",
    "stop": "{subject}",
    "unfreeze": "{subject}",
    "read transfer": "transfer {subject}",
    "read withdrawal": "{subject}",
    "cancel": "{subject}",
    "withdrawal-approved": "{subject}",
    "withdrawal-rejected": "{subject}",
    "read order": "{subject}",
    "key": "key {key}",
}


def _version(document: Document) -> int:
    version: int = document["version"]
    return version


def _steps(document: Document) -> int:
    return len(document["history"])


_LEVELS: Final[Mapping[str, Callable[[Document], int]]] = {
    "read wallet": _version,
    "stop": _version,
    "unfreeze": _version,
    "read balance": lambda document: int(document["sequence"]),
    "read entries": lambda document: max((one["sequence"] for one in document["items"]), default=0),
    "read transfer": lambda document: int(document["reversed_by"] is not None),
    "read withdrawal": _steps,
    "cancel": _steps,
    "withdrawal-approved": _steps,
    "withdrawal-rejected": _steps,
    "read order": lambda document: len(document["transfers"]),
    "key": lambda document: int(document["state"] != "unknown"),
}


def true_balances(case: Case) -> Iterator[str]:
    """Find a balance or entry that was shown and never was."""
    for request in case.of_kind("read wallet", "read balance", "stop", "unfreeze"):
        for answer in request.acknowledged():
            document = answer.document
            number = document["version" if "version" in document else "sequence"]
            balances = case.balances[request.subject]
            balance = units_of(document["balance"], document["scale"])
            if number >= len(balances) or balances[number] != balance:
                yield f"{request} showed {document['balance']} after {number} entries, which never was"
    entries = {(one["account_id"], one["sequence"]): one for one in case.stored.entries}
    for request in case.of_kind("read entries"):
        for answer in request.acknowledged():
            for told in answer.document["items"]:
                if not _is_entry(told, entries.get((request.subject, told["sequence"]))):
                    yield f"{request} showed entry {told['sequence']}, which never was"
            yield from _gaps(request, answer.document)


def _is_entry(told: Document, entry: Item | None) -> bool:
    if entry is None:
        return False
    units = units_of(told["amount"], told["scale"]), units_of(told["balance_after"], told["scale"])
    same = all(told[name] == entry[name] for name in ("hash", "previous_hash", "transfer_id", "kind", "asset", "scale"))
    return same and units == (entry["units"], entry["balance_after"])


def _gaps(request: Request, document: Document) -> Iterator[str]:
    numbers = [one["sequence"] for one in document["items"]]
    if "kind" not in (request.called.query or {}) and numbers != list(range(*_span(numbers), -1)):
        yield f"{request} showed the entries {numbers}"


def _span(numbers: list[int]) -> tuple[int, int]:
    return (numbers[0], numbers[0] - len(numbers)) if numbers else (0, 0)


def own_things_only(case: Case) -> Iterator[str]:
    """Find somebody who was shown what is another's."""
    for request in case.of_kind("read wallet", "read balance", "read entries"):
        owner = case.accounts.get(request.subject, {}).get("owner_id")
        if request.called.caller not in {owner, *ROLES} and any(request.acknowledged()):
            yield f"{request} was answered, and it is {owner}'s"


def true_refusals(case: Case) -> Iterator[str]:
    """Find a refusal whose reason is not so."""
    committed, voids = defaultdict(set), {request.key for request in case.of_kind("void")}
    for request in case.of_kind(*MOVEMENTS, "order", "wallet"):
        committed[request.kind in MOVEMENTS or request.kind, request.key].add(json.dumps(request.asks_for))
    for request in case.requests:
        for _, _, answer in request.answered:
            others = committed[request.kind in MOVEMENTS or request.kind, request.key]
            if is_problem(answer, "idempotency-key-reused") and len(others) == 1:
                yield f"{request} was told that its key was used for something else, and nobody did"
            if is_problem(answer, "idempotency-key-voided") and request.key not in voids:
                yield f"{request} was told that its key is void, and nobody asked for that"
            if is_problem(answer, "already-reversed") and not _is_reversed(case, request, answer):
                yield f"{request} was told that it is reversed by {answer.document['reversed_by']}"


def _is_reversed(case: Case, request: Request, answer: Answer) -> bool:
    by = case.transfers.get(answer.document["reversed_by"], {})
    return bool(by.get("reverses") == request.subject)


def enough_money(case: Case) -> Iterator[str]:
    """Find a refusal for want of money that tells a balance from before what was known, or that is enough."""
    refused = [
        (request, one.sent_ms, answer.document)
        for request in case.requests
        for one, _, answer in request.answered
        if is_problem(answer, "insufficient-funds")
    ]
    known = _known(case) if refused else {}
    for request, sent_ms, told in refused:
        available = units_of(told["available"], told["scale"])
        before = [sight.level for sight in known[told["account"]] if sight.at_ms < sent_ms]
        if available not in case.balances[told["account"]][max(before, default=0) :]:
            yield f"{request} was told of {available} units available, which was not so any more"
        asked = request.called.body.get("amount") if request.kind in {"debit", "transfer"} else None
        if asked and units_of(asked, told["scale"]) <= available:
            yield f"{request} was refused, and {available} units suffice"


def stopped(case: Case) -> Iterator[str]:
    """Find a movement of a wallet after it was frozen or closed, which does not let it pass."""
    thawed = {request.subject for request in case.of_kind("unfreeze")}
    entries = defaultdict(list)
    for entry in case.stored.entries:
        entries[entry["account_id"]].append(entry)
    for request in case.of_kind("stop"):
        for answer in request.acknowledged():
            status, version = answer.document["status"], answer.document["version"]
            later = entries[request.subject][version:]
            kinds = {entry["kind"] for entry in later} - PASSING.get(status, frozenset())
            if kinds and (status == "CLOSED" or request.subject not in thawed):
                yield f"{request.subject} was {status} after {version} entries, and then moved by {sorted(kinds)}"


def closed_empty(case: Case) -> Iterator[str]:
    """Find a closed wallet with money in it, or on hold for it."""
    for account_id, account in case.accounts.items():
        if account["status"] == "CLOSED" and (account["balance"] or account.get("held", 0)):
            yield f"{account_id} is closed with {account['balance']} in it and {account.get('held', 0)} on hold"
    for request in case.of_kind("stop"):
        for answer in request.acknowledged():
            told = answer.document
            if told["status"] == "CLOSED" and {*told["balance"], *told["held"]} - {"0", "."}:
                yield f"{request} was closed with {told['balance']} in it and {told['held']} on hold"


def found_again(case: Case) -> Iterator[str]:
    """Find a movement that was told that something is not there which its caller may move, and knew before."""
    known_ms = _first_known(case)
    for request in case.of_kind("credit", "debit", "transfer", "reversal"):
        names = _moved_by(request)
        for one, _, answer in request.answered:
            there = all(known_ms.get(name, one.sent_ms) < one.sent_ms for name in names)
            if is_problem(answer, "not-found") and there and _may_name(case, request):
                yield f"{request} was told that there is no such thing, and all of {names} was known before"


def _first_known(case: Case) -> dict[str, int]:
    """Say since when wallets and movements are known to be there."""
    known_ms: dict[str, int] = {}
    names = {"wallet": "wallet_id", **dict.fromkeys(("credit", "debit", "transfer", "reversal"), "transfer_id")}
    for request in case.of_kind(*names):
        for _, answered_ms, answer in request.answered:
            if answer.status == 201:
                name = answer.document[names[request.kind]]
                known_ms[name] = min(answered_ms, known_ms.get(name, answered_ms))
    return known_ms


def _moved_by(request: Request) -> list[str]:
    if request.kind != "transfer":
        return [request.subject]
    return [request.called.body["source"], request.called.body["destination"]]


def _may_name(case: Case, request: Request) -> bool:
    """Tell whether the caller may name what it moves: to all others it is as if it were not there."""
    if request.kind != "transfer":
        return request.called.caller in ROLES
    owner = case.accounts.get(request.called.body["source"], {}).get("owner_id")
    return request.called.caller in {owner, "till"}


def whole_statement(case: Case) -> Iterator[str]:
    """Find the last page of a statement that does not end with the wallet's first entry."""
    for request in case.of_kind("read entries"):
        query = request.called.query or {}
        for answer in request.acknowledged():
            items = answer.document["items"]
            is_last = not answer.document["next_cursor"] and not {"from", "kind"} & {*query}
            if is_last and items and items[-1]["sequence"] != 1:
                yield f"{request} ended with the entry {items[-1]['sequence']}"


def published_statuses(case: Case) -> Iterator[str]:
    """Find an answer that says that something is wrong with us, or a problem with another status than published."""
    for request in case.requests:
        for _, _, answer in request.answered:
            name = problem_of(answer)
            if answer.status == 500:
                yield f"{request} was answered 500"
            elif name and _STATUSES.get(name) != answer.status:
                yield f"{request} was answered {name} with the status {answer.status}"
            elif not name and answer.status >= 400 and answer.status not in NOT_OURS | {502, 504}:
                yield f"{request} was answered {answer.status} without a problem"


RULES: Final[tuple[tuple[str, Rule], ...]] = (
    ("read-your-writes", fresh),
    ("shown-as-stored", true_balances),
    ("own-things-only", own_things_only),
    ("true-reason", true_refusals),
    ("enough-money", enough_money),
    ("stopped-wallet", stopped),
    ("closed-is-empty", closed_empty),
    ("known-is-found", found_again),
    ("whole-statement", whole_statement),
    ("published-status", published_statuses),
)
