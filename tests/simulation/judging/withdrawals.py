"""Judge withdrawals: paid once or given back, as their history, their holds and the providers' books say."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, Final

from cli.demo import rules
from cli.demo.stored import Item
from cli.local.sandbox.messages import Thing
from tests.simulation.judging.answers import Document
from tests.simulation.judging.case import Case, sums_of, units_of
from tests.simulation.judging.ledger import Rule

_STEPS: Final[Mapping[tuple[str | None, str, bool], str]] = {
    (None if before == "[*]" else before, action, actor == "rule"): after
    for before, after, action, actor in re.findall(
        r"^    (\S+) --> (\w+): (\w+) \((\w+)\)",
        (Path(__file__).parents[3] / "docs" / "withdrawals.md").read_text(),
        re.MULTILINE,
    )
}
"""What a step leads to, by the state before, the action and whether a rule took it: as published."""

_CREATED: Final = 201
_GIVEN_BACK: Final = frozenset({"CANCELLED", "REJECTED", "FAILED"})
_ALLOWED: Final[Mapping[str, tuple[frozenset[str], tuple[int, ...]]]] = {
    "COMPLETED": (frozenset({"paid"}), (1,)),
    "RETURNED": (frozenset({"failed"}), (1,)),
    "FAILED": (frozenset({"failed"}), (0, 1, 2, 3)),
    "SUBMITTED": (frozenset({"pending"}), (1,)),
}
"""What payouts a provider may have in each state, and how many; in the others there is none."""


@dataclass(frozen=True, slots=True)
class Payout:
    """Hold what a provider has paid out, or is about to: for whom, how it stands, and how much."""

    withdrawal_id: str
    name: str
    status: str
    amount: str | int
    asset: str


@dataclass(frozen=True, slots=True)
class _Granted:
    """Hold a withdrawal, and a time in which it surely takes part in its day's count."""

    withdrawal: Item
    since_ms: int
    until_ms: float


def _minor(withdrawal_id: str, thing: Thing, statuses: Mapping[str, str], amount: str) -> Payout:
    status = statuses.get(thing["status"], "pending")
    return Payout(withdrawal_id, thing["id"], status, thing[amount], thing["currency"].upper())


def _of_stripe(things: Mapping[str, Thing]) -> Iterator[Payout]:
    statuses = {"paid": "paid", "failed": "failed", "canceled": "failed"}
    for thing in things.values():
        if thing.get("object") == "payout" and "withdrawal_id" in thing.get("metadata", {}):
            yield _minor(thing["metadata"]["withdrawal_id"], thing, statuses, "amount")


def _of_paystack(things: Mapping[str, Thing]) -> Iterator[Payout]:
    statuses = {
        "success": "paid",
        **dict.fromkeys(("failed", "reversed", "rejected", "blocked", "abandoned"), "failed"),
    }
    for name, thing in things.items():
        if name.startswith("transfer/"):
            withdrawal_id = name.removeprefix("transfer/").replace("-", "_", 1)
            yield _minor(withdrawal_id, {**thing, "id": thing["transfer_code"]}, statuses, "amount")


def _of_truelayer(things: Mapping[str, Thing]) -> Iterator[Payout]:
    for thing in things.values():
        if "withdrawal_id" in thing.get("metadata", {}):
            statuses = {"executed": "paid", "failed": "failed"}
            yield _minor(thing["metadata"]["withdrawal_id"], thing, statuses, "amount_in_minor")


def _of_stellar(things: Mapping[str, Thing], drafts: Mapping[str, str]) -> Iterator[Payout]:
    """Read the payments that were sent: what others paid to us was not sent as an envelope."""
    for thing in things.values():
        if "envelope_xdr" in thing.get("transaction", {}):
            name, asset = thing["transaction_hash"], thing.get("asset_code", "XLM")
            status = "paid" if thing["transaction_successful"] else "failed"
            yield Payout(drafts.get(name, ""), name, status, thing["amount"], asset)


def payouts_of(case: Case) -> list[Payout]:
    """List all payouts of all providers; one on Stellar is a withdrawal's by its hash."""
    drafts = {name: flow_id for flow_id, one in case.withdrawals.items() for name in _names(one)}
    readers: dict[str, Callable[[Mapping[str, Thing]], Iterable[Payout]]] = {
        "stripe": _of_stripe,
        "paystack": _of_paystack,
        "truelayer": _of_truelayer,
        "stellar": partial(_of_stellar, drafts=drafts),
    }
    providers = case.evidence.providers
    return [payout for name, reader in readers.items() for payout in reader(providers.get(name, {}))]


def _names(withdrawal: Item) -> set[str]:
    draft = (withdrawal.get("sending") or {}).get("draft") or {}
    return {name for name in (withdrawal.get("payout_id"), draft.get("payout_id")) if name}


def history(case: Case) -> Iterator[str]:
    """Find a withdrawal whose steps are not published ones, or do not lead to where it stands."""
    for flow_id, one in case.withdrawals.items():
        state: str | None = None
        for taken in one["history"]:
            state = _STEPS.get((state, taken["action"], taken["by"] == "rule"), "nowhere")
        if state != one["state"]:
            actions = [taken["action"] for taken in one["history"]]
            yield f"{flow_id} is {one['state']} by {actions}"
        if any(taken["action"] in {"approve", "reject"} and taken["by"] == one["owner_id"] for taken in one["history"]):
            yield f"{flow_id} was decided about by its owner"


def history_as_shown(case: Case) -> Iterator[str]:
    """Find a withdrawal that was shown with another history than it has."""
    shown_by = ("withdrawal-hold", "read withdrawal", "cancel", "withdrawal-approved", "withdrawal-rejected")
    for request in case.of_kind(*shown_by):
        for answer in request.acknowledged():
            told = answer.document
            stored = case.withdrawals.get(told["withdrawal_id"])
            if stored is None or not _is_beginning(told, stored):
                yield f"{request} showed {told['withdrawal_id']} as {told['state']}, which it never was"


def _is_beginning(told: Document, stored: Item) -> bool:
    actions = [taken["action"] for taken in told["history"]]
    state: str | None = None
    for taken in told["history"]:
        state = _STEPS.get((state, taken["action"], taken["by"] == "rule"), "nowhere")
    return actions == [taken["action"] for taken in stored["history"][: len(actions)]] and state == told["state"]


def movements(case: Case) -> Iterator[str]:
    """Find a withdrawal whose movements are not those of its state, each of what was asked for."""
    made: dict[str, list[Item]] = defaultdict(list)
    for transfer in case.transfers.values():
        for flow_id in rules.flows_of(transfer) if transfer["kind"] in rules.WITHDRAWALS else ():
            made[flow_id].append(transfer)
    for flow_id, one in case.withdrawals.items():
        kinds = sorted(transfer["kind"] for transfer in made[flow_id])
        expected = rules.ENDINGS.get(one["state"], ("withdrawal-hold",))
        if kinds != sorted(expected):
            yield f"{flow_id} is {one['state']} by {kinds}"
        for transfer in made[flow_id]:
            if sums_of(transfer) not in _sums(one, transfer["kind"]):
                yield f"{flow_id} was over {one['units']} and {one['fee_units']}, and moved {sums_of(transfer)}"
    for flow_id in made.keys() - case.withdrawals.keys():
        yield f"{flow_id} was moved, and is not there"


def _sums(one: Item, kind: str) -> list[dict[str, int]]:
    """Say what a movement may post; what comes back to a closed wallet is set aside."""
    hold, wallet, asset = rules.hold_of(one), one["wallet_id"], one["asset"]["code"]
    units, fee = one["units"], one["fee_units"]
    gone = {f"external:{one['provider']}:{asset}": units, **({f"external:fees:{asset}": fee} if fee else {})}
    back = {name: -value for name, value in gone.items()}
    allowed = {
        "withdrawal-hold": [{wallet: -units - fee, hold: units + fee}],
        "withdrawal": [{hold: -units - fee, **gone}],
        "withdrawal-release": [{hold: -units - fee, wallet: units + fee}],
        "withdrawal-return": [{**back, aside: units + fee} for aside in (wallet, f"suspense:{asset}")],
    }
    return allowed[kind]


def holds(case: Case) -> Iterator[str]:
    """Find a hold that is not what its withdrawal asks for, and one that is nobody's."""
    for flow_id, one in case.withdrawals.items():
        asked = 0 if one["state"] in rules.ENDINGS else one["units"] + one["fee_units"]
        found = case.accounts.get(rules.hold_of(one), {}).get("balance")
        if found != asked:
            yield f"{flow_id} is {one['state']}, and {found} of {asked} is on hold"
    owned = {rules.hold_of(one) for one in case.withdrawals.values()}
    for account_id in case.accounts:
        if account_id.startswith("hold:") and account_id not in owned:
            yield f"{account_id} belongs to no withdrawal"


def one_a_key(case: Case) -> Iterator[str]:
    """Find two withdrawals of one hold."""
    counts = Counter(one["hold_transfer_id"] for one in case.withdrawals.values())
    for transfer_id, count in counts.items():
        if count > 1 or case.transfers.get(transfer_id, {}).get("kind") != "withdrawal-hold":
            yield f"{transfer_id} is the hold of {count} withdrawals"


def own_payout(case: Case) -> Iterator[str]:
    """Find a payout that is named by two withdrawals: each is paid by its own."""
    counts = Counter((one["provider"], name) for one in case.withdrawals.values() for name in _names(one))
    for (provider, name), count in counts.items():
        if count > 1:
            yield f"{provider}:{name} is the payout of {count} withdrawals"


def acknowledged(case: Case) -> Iterator[str]:
    """Find a decision that was acknowledged and does not stand."""
    endings = {"cancel": "CANCELLED", "withdrawal-rejected": "REJECTED"}
    for request in case.of_kind(*endings, "withdrawal-approved"):
        if any(request.acknowledged()):
            one = case.withdrawals.get(request.subject, {"state": "missing", "history": ()})
            approved = any(taken["action"] == "approve" for taken in one["history"])
            if one["state"] != endings.get(request.kind, one["state"] if approved else "approved"):
                yield f"{request} was acknowledged, and it is {one['state']}"


def paid_once(case: Case) -> Iterator[str]:
    """Find a withdrawal that its provider's books do not bear out, unless a person knows of that."""
    found: dict[str, list[Payout]] = defaultdict(list)
    for payout in payouts_of(case):
        found[payout.withdrawal_id].append(payout)
    for flow_id, one in case.withdrawals.items():
        yield from _wrongly_paid(case, one, found.pop(flow_id, []))
    for flow_id, payouts in found.items():
        if flow_id not in case.worries:
            yield f"{[payout.name for payout in payouts]} was paid for {flow_id or 'nobody'}"


def _wrongly_paid(case: Case, one: Item, payouts: list[Payout]) -> Iterator[str]:
    live = [payout for payout in payouts if payout.status != "failed"]
    if len(live) > 1:
        yield f"{one['flow_id']} was paid {len(live)} times"
    elif not _is_borne_out(one, payouts) and not _is_known(case, one, payouts):
        yield f"{one['flow_id']} is {one['state']}, and its payouts are {[payout.status for payout in payouts]}"
    for payout in live:
        if not _is_as_asked(one, payout) and not (one["state"] == "SUBMITTED" and one["flow_id"] in case.worries):
            yield f"{one['flow_id']} was paid {payout.amount} {payout.asset}"


def _is_borne_out(one: Item, payouts: list[Payout]) -> bool:
    if one["state"] not in _ALLOWED:
        return not payouts
    # A call that is made anew after a refusal leaves what has failed behind.
    live = [payout for payout in payouts if payout.status != "failed"] or payouts
    statuses, numbers = _ALLOWED[one["state"]]
    return {payout.status for payout in live} <= statuses and len(live) in numbers


def _is_known(case: Case, one: Item, payouts: list[Payout]) -> bool:
    """Tell whether a person knows of it, and the provider itself is to blame.

    Money that was given back though it was paid out is our fault alone, unless the provider said that it failed.
    """
    names = {one["flow_id"], *_names(one), *(payout.name for payout in payouts)}
    if not names & case.worries:
        return False
    if one["state"] in {"SUBMITTED", "COMPLETED"}:
        return bool(payouts) or one["state"] == "SUBMITTED"
    bodies = [event.body.decode(errors="replace") for event in case.evidence.delivered if event.signed]
    return any(name in body and re.search("fail|revers|cancel", body) for body in bodies for name in names)


def _is_as_asked(one: Item, payout: Payout) -> bool:
    units, code = one["units"], one["asset"]["code"]
    paid = payout.amount if isinstance(payout.amount, int) else _units(payout.amount, one["asset"]["scale"])
    return (paid, payout.asset) == (units, code)


def _units(amount: str, scale: int) -> int:
    """Read what a provider writes with more digits than the asset has."""
    whole, _, fraction = amount.partition(".")
    return units_of(f"{whole}.{fraction[:scale]}", scale) if not fraction[scale:].strip("0") else -1


def at_rest(case: Case) -> Iterator[str]:
    """Find a withdrawal that still waits for something other than its provider or a person."""
    for flow_id, one in case.withdrawals.items():
        frozen = case.accounts.get(one["wallet_id"], {}).get("status") == "FROZEN"
        waits = one["state"] in {"REQUESTED", "APPROVED"} and not (one["state"] == "APPROVED" and frozen)
        if waits and flow_id not in case.worries:
            yield f"{flow_id} is {one['state']} still"


def quotas(case: Case) -> Iterator[str]:
    """Find a day's count that is not what the day's withdrawals come to, or more than is allowed."""
    expected: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for one in case.withdrawals.values():
        if one["quota_day"]:
            name = f"quota#withdrawals#{one['owner_id']}#{one['asset']['code']}#{one['quota_day']}"
            taken = one["state"] not in _GIVEN_BACK
            expected[name][0] += one["units"] if taken else 0
            expected[name][1] += taken
    stored = {key: one for key, one in case.operations.items() if key.startswith("quota#withdrawals#")}
    scales = {one["asset"]["code"]: one["asset"]["scale"] for one in case.withdrawals.values()}
    for name in {*expected, *stored}:
        found = [stored.get(name, {}).get(member, 0) for member in ("units", "count")]
        if found != expected[name]:
            yield f"{name} is {found}, and the withdrawals come to {expected[name]}"
        asset = name.split("#")[3]
        limits = case.evidence.rules.get(asset, {})
        if not _is_within(found, limits, scales.get(asset, 0)):
            yield f"{name} is {found}, which is more than {limits}"


def quotas_as_told(case: Case) -> Iterator[str]:
    """Find a moment at which more of a day was granted than is allowed, though some of it was given back since."""
    days: dict[tuple[str, str, str], list[_Granted]] = defaultdict(list)
    for one in _granted(case):
        days[one.withdrawal["owner_id"], one.withdrawal["asset"]["code"], one.withdrawal["quota_day"]].append(one)
    for (owner, code, day), granted in days.items():
        for since_ms in {one.since_ms for one in granted}:
            taken = [one.withdrawal for one in granted if one.since_ms <= since_ms < one.until_ms]
            found = [sum(one["units"] for one in taken), len(taken)]
            scale = granted[0].withdrawal["asset"]["scale"]
            if not _is_within(found, case.evidence.rules.get(code, {}), scale):
                yield f"{owner} was granted {found} of {code} on {day}"


def _granted(case: Case) -> Iterator[_Granted]:
    """Say from when to when withdrawals surely counted: from an answer to the first request to give them back."""
    given_back: dict[str, float] = {}
    for request in case.of_kind("cancel", "withdrawal-rejected"):
        for one in request.called.tries:
            given_back[request.subject] = min(one.sent_ms, given_back.get(request.subject, inf))
    since: dict[str, int] = {}
    for request in case.of_kind("withdrawal-hold"):
        for _, at_ms, answer in request.answered:
            if answer.status == _CREATED:
                since.setdefault(answer.document["withdrawal_id"], at_ms)
    for flow_id, since_ms in since.items():
        withdrawal = case.withdrawals.get(flow_id)
        # One that failed is given back at a time that nobody was told.
        if withdrawal and withdrawal["quota_day"] and withdrawal["state"] != "FAILED":
            yield _Granted(withdrawal, since_ms, given_back.get(flow_id, inf))


def _is_within(found: list[int], limits: Mapping[str, Any], scale: int) -> bool:
    units = units_of(limits["daily_amount"], scale) if "daily_amount" in limits else found[0]
    return found[0] <= units and found[1] <= limits.get("daily_count", found[1])


def fees(case: Case) -> Iterator[str]:
    """Find a withdrawal with another fee than its asset's rules say, or outside of their bounds."""
    for flow_id, one in case.withdrawals.items():
        limits, scale = case.evidence.rules.get(one["asset"]["code"]), one["asset"]["scale"]
        if limits is None:
            continue
        fixed = units_of(limits.get("fee", "0"), scale)
        share = one["units"] * Fraction(limits.get("fee_percent", "0")) / 100
        if one["fee_units"] != fixed - (-share // 1):
            yield f"{flow_id} costs {one['fee_units']} for {one['units']}"
        least = units_of(limits.get("min", "0"), scale)
        if not least <= one["units"] <= units_of(limits["max"], scale) if "max" in limits else one["units"] < least:
            yield f"{flow_id} is over {one['units']}"


RULES: Final[tuple[tuple[str, Rule], ...]] = (
    ("withdrawal-history", history),
    ("withdrawal-as-shown", history_as_shown),
    ("withdrawal-movements", movements),
    ("hold-of-withdrawal", holds),
    ("one-withdrawal-a-key", one_a_key),
    ("own-payout", own_payout),
    ("decision-stands", acknowledged),
    ("paid-once", paid_once),
    ("withdrawal-at-rest", at_rest),
    ("quota-of-day", quotas),
    ("quota-as-told", quotas_as_told),
    ("withdrawal-rules", fees),
)
