"""Judge deposits: each payment credited once, what was taken back taken once, as the providers' books say."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from cli.demo import rules
from cli.demo.stored import Item
from cli.local.sandbox.messages import Thing
from tests.simulation.judging.case import Case, sums_of, units_of
from tests.simulation.judging.ledger import Rule

_RECEIVABLE: Final = "external:receivable:"
_CLAIMS: Final = frozenset({"refund", "chargeback"})
"""What a provider takes back."""


@dataclass(frozen=True, slots=True)
class Money:
    """Hold what a provider's books say of one payment, refund or dispute: how much of it is with us in the end.

    `names` are those of the order, or of the payment that something was taken back of.
    """

    name: str
    amount: str | int
    names: frozenset[str]


def _of_stripe(things: Mapping[str, Thing]) -> Iterator[Money]:
    for name, thing in things.items():
        status, amount = thing.get("status", "succeeded"), thing.get("amount", 0)
        names = frozenset({thing.get("payment_intent") or name, thing.get("metadata", {}).get("deposit_id", "")})
        if name.startswith("pi_"):
            yield Money(name, (thing.get("amount_received") or amount) if status == "succeeded" else 0, names)
        if name.startswith("re_"):
            yield Money(name, -amount if status in {"succeeded", "pending"} else 0, names)
        if name.startswith("dp_"):
            is_taken = status != "won" and not status.startswith("warning_")
            yield Money(name, -amount if is_taken and len(thing.get("balance_transactions", ())) < 2 else 0, names)


def _of_paystack(things: Mapping[str, Thing]) -> Iterator[Money]:
    for name, thing in things.items():
        kind = name.partition("/")[0] if "/" in name else "transaction" if "reference" in thing else ""
        paid = thing.get("transaction", thing)
        reference = paid.get("reference") or thing.get("transaction_reference") or ""
        names = frozenset({reference, reference.replace("-", "_", 1)})
        if kind == "transaction":
            yield Money(str(thing["id"]), _charged(thing) if thing["status"] == "success" else 0, names)
        if kind == "refund":
            taken = int(thing["amount"]) if thing["status"] == "processed" else 0
            yield Money(str(thing.get("refund_reference") or name.partition("/")[2]), -taken, names)
        if kind == "dispute":
            taken = int(thing.get("refund_amount") or 0) if thing.get("resolution") == "merchant-accepted" else 0
            yield Money(name.partition("/")[2], -taken, names)


def _charged(thing: Thing) -> int:
    """Leave out the fees that were put on top of what was ordered."""
    amount, asked = int(thing["amount"]), int(thing.get("requested_amount") or thing["amount"])
    return asked if thing.get("fees") and amount - int(thing["fees"]) == asked else amount


def _of_truelayer(things: Mapping[str, Thing]) -> Iterator[Money]:
    for name, thing in things.items():
        if "amount_in_minor" not in thing or "beneficiary" in thing:
            continue
        names = frozenset({thing.get("payment_id", name), thing.get("metadata", {}).get("deposit_id", "")})
        is_refund = "payment_id" in thing
        counts = thing["status"] == ("executed" if is_refund else "settled")
        yield Money(name, (-1 if is_refund else 1) * thing["amount_in_minor"] * counts, names)


def _of_stellar(things: Mapping[str, Thing]) -> Iterator[Money]:
    for name, thing in things.items():
        transaction = thing.get("transaction", {})
        if "paging_token" in thing and "envelope_xdr" not in transaction and transaction.get("memo"):
            amount = thing.get("amount", "0") if thing["transaction_successful"] else "0"
            yield Money(name, amount, frozenset({f"stellar:{transaction['memo']}"}))


_BOOKS: Final[Mapping[str, Callable[[Mapping[str, Thing]], Iterator[Money]]]] = {
    "stripe": _of_stripe,
    "paystack": _of_paystack,
    "truelayer": _of_truelayer,
    "stellar": _of_stellar,
}
"""Those whose books say all; MoonPay and Ramp are asked about nothing but what their events tell."""


def as_at_provider(case: Case) -> Iterator[str]:
    """Find money of a provider's that is not with us as its books say, unless a person knows of that."""
    ours: dict[tuple[str, str], int] = defaultdict(int)
    scales: dict[str, int] = {}
    for transfer in case.transfers.values():
        provider, name = transfer["key_source"], transfer["key_reference"]
        if provider in _BOOKS:
            scales[f"{provider} {name}"] = transfer["scale"]
            ours[provider, name] -= sums_of(transfer).get(f"external:{provider}:{transfer['asset']}", 0)
    for provider, read in _BOOKS.items():
        for money in read(case.evidence.providers.get(provider, {})):
            found = ours.pop((provider, money.name), 0)
            scale = scales.get(f"{provider} {money.name}", 7)
            amount = money.amount if isinstance(money.amount, int) else _units(money.amount, scale)
            is_excess = 0 < amount < found or found < amount < 0
            if is_excess or (found != amount and not _is_known(case, provider, money)):
                yield f"{provider} has {amount} by {money.name}, and {found} is with us"
    for (provider, name), found in ours.items():
        if found and name not in case.worries:
            yield f"{provider} has no {name}, by which {found} is with us"


def _units(amount: str, scale: int) -> int:
    return units_of(f"{amount.partition('.')[0]}.{amount.partition('.')[2][:scale]}", scale)


def _is_known(case: Case, provider: str, money: Money) -> bool:
    """Tell whether a person knows of money, its order or its payment; names of orders are looked up."""
    names = {name.removeprefix(f"{provider}:") for name in (money.name, *money.names)}
    led_to = {case.names.get(f"{provider}:{name}", "") for name in names}
    return bool((names | led_to) & case.worries)


def credited_once(case: Case) -> Iterator[str]:
    """Find an order whose movements are not one for each payment, claim and return that it knows."""
    made: dict[str, list[tuple[str, str]]] = defaultdict(list)
    units: dict[tuple[str, str], int] = {}
    for transfer in case.transfers.values():
        if transfer["key_source"] not in {"api", "withdrawal"}:
            made[_order_of(transfer)].append((transfer["kind"], transfer["key_reference"]))
            units[transfer["kind"], transfer["key_reference"]] = _moved(transfer)
    for flow_id in {*made, *case.deposits}:
        expected = dict(_steps(case.deposits.get(flow_id, {})))
        if sorted(made[flow_id]) != sorted(expected):
            yield f"{flow_id} was moved by {sorted(made[flow_id])}, and knows of {sorted(expected)}"
        for step in expected.keys() & units.keys():
            if units[step] != expected[step]:
                yield f"{flow_id} knows {step} to be over {expected[step]}, and {units[step]} was moved"


def _order_of(transfer: Item) -> str:
    """Name the order that a movement is of."""
    order: str = json.loads(transfer.get("metadata") or "{}").get("deposit_id", "")
    return order


def _moved(transfer: Item) -> int:
    return abs(sums_of(transfer).get(f"external:{transfer['key_source']}:{transfer['asset']}", 0))


def _steps(deposit: Item) -> Iterator[tuple[tuple[str, str], int]]:
    """List what was posted of an order by what it knows, and how much."""
    for payment_id, payment in deposit.get("payments", {}).items():
        if payment.get("account_id"):
            yield ("deposit", payment_id), payment["units"]
    for claim_id, claim in deposit.get("claims", {}).items():
        if claim.get("covered"):
            yield (claim["kind"], claim_id), claim["units"]
        if claim.get("given_back_to"):
            yield (f"{claim['kind']}-reversal", claim_id), claim["units"]


def as_ordered(case: Case) -> Iterator[str]:
    """Find a credit of another amount than was ordered, or of a second payment, that no admin has accepted."""
    accepted = {
        name for event in case.events if event["accepted"] for name in json.loads(event.get("transfers") or "[]")
    }
    credited: dict[str, int] = defaultdict(int)
    for name, transfer in case.transfers.items():
        deposit = case.deposits.get(_order_of(transfer))
        if transfer["kind"] != "deposit" or deposit is None:
            continue
        credited[deposit["flow_id"]] += 1
        is_ordered = deposit["currency"] != transfer["asset"] or transfer["units"] == units_of(
            deposit["expected"], transfer["scale"]
        )
        if not (is_ordered and credited[deposit["flow_id"]] == 1) and not accepted & _siblings(case, deposit, name):
            yield f"{name} credits {transfer['units']} for {deposit['flow_id']}, which is over {deposit['expected']}"


def one_order_a_name(case: Case) -> Iterator[str]:
    """Find a payment, refund or dispute that two orders know of."""
    known: dict[tuple[str, str], set[str]] = defaultdict(set)
    for flow_id, deposit in case.deposits.items():
        for name in (*deposit.get("payments", {}), *deposit.get("claims", {})):
            known[deposit["provider"], name].add(flow_id)
    for name, flow_ids in known.items():
        if len(flow_ids) > 1:
            yield f"{name} is known by {sorted(flow_ids)}"


def _siblings(case: Case, deposit: Item, name: str) -> set[str]:
    """Name a credit; of several for one order any may be the one that was accepted."""
    payments = len(deposit.get("payments", {}))
    same = (other for other, one in case.transfers.items() if _order_of(one) == deposit["flow_id"])
    return {name} if payments == 1 else {*same}


def legs(case: Case) -> Iterator[str]:
    """Find a movement of an order between other accounts than its wallet, what stands in for it, and the provider."""
    for name, transfer in case.transfers.items():
        deposit = case.deposits.get(_order_of(transfer))
        if transfer["key_source"] in {"api", "withdrawal"} or deposit is None:
            continue
        asset = transfer["asset"]
        allowed = {deposit["wallet_id"], f"suspense:{asset}", f"external:{deposit['provider']}:{asset}"}
        allowed |= set() if transfer["kind"] == "deposit" else {_RECEIVABLE + asset}
        if transfer["key_source"] != deposit["provider"] or not allowed.issuperset(sums_of(transfer)):
            yield f"{name} of {deposit['flow_id']} moves {sums_of(transfer)}"


def taken_after_credit(case: Case) -> Iterator[str]:
    """Find a refund or dispute that was taken from a wallet before the payment that it is of had come into it."""
    credited: dict[str, list[Item]] = defaultdict(list)
    for transfer in case.transfers.values():
        if transfer["kind"] == "deposit":
            credited[_order_of(transfer)].append(transfer)
    for name, transfer in case.transfers.items():
        deposit = case.deposits.get(_order_of(transfer))
        if transfer["kind"] not in _CLAIMS or deposit is None:
            continue
        payment_id = deposit.get("claims", {}).get(transfer["key_reference"], {}).get("payment_id")
        possible = [one for one in credited[deposit["flow_id"]] if payment_id in {None, one["key_reference"]}]
        if not any(_is_before(case, one, transfer) for one in possible):
            yield f"{name} takes {_moved(transfer)} of {deposit['flow_id']}, which was not credited by then"


def _is_before(case: Case, first: Item, second: Item) -> bool:
    """Tell whether a movement comes first in all accounts that two have in common; tallied ones have no order."""
    names = [rules.transfer_id_of(one) for one in (first, second)]
    places = ([case.places.get((account_id, name)) for name in names] for account_id in sums_of(second))
    return all(before < after for before, after in places if before is not None and after is not None)


def owed(case: Case) -> Iterator[str]:
    """Find an order that does not know what is owed of it, and a receivable that nobody was told of."""
    posted: dict[str, int] = defaultdict(int)
    for transfer in case.transfers.values():
        posted[_order_of(transfer)] -= sums_of(transfer).get(_RECEIVABLE + transfer["asset"], 0)
    told = {
        subject.partition(":")[0]
        for kind, subject, event in case.published
        if (kind, event) == ("RECEIVABLE", "raised")
    }
    for flow_id, deposit in case.deposits.items():
        known = deposit.get("owed_units", 0)
        if known != posted[flow_id]:
            yield f"{flow_id} knows of {known} that are owed, and {posted[flow_id]} was booked"
        if known and flow_id not in told:
            yield f"{known} of {flow_id} are owed, and nobody was told"


RULES: Final[tuple[tuple[str, Rule], ...]] = (
    ("deposit-as-at-provider", as_at_provider),
    ("credited-once", credited_once),
    ("only-what-was-ordered", as_ordered),
    ("one-order-a-name", one_order_a_name),
    ("legs-of-deposit", legs),
    ("taken-after-credit", taken_after_credit),
    ("owed-is-told", owed),
)
