"""Judge the ledger by what is stored, with none of the product's code: only its published rules are used here.

Every check lists what breaks it; together they leave no room for money that appears, vanishes or moves twice.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

from cli.demo import rules
from cli.demo.stored import Item, Stored, size

TRANSACTION_FACTOR: Final = 2
UNIT_BYTES: Final = 1024


@dataclass(frozen=True, slots=True)
class Invariant:
    """Say what must hold, on how many things it was checked, and where it does not hold."""

    name: str
    checked: int
    violations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Claims:
    """Hold what the API told its callers: movements by transfer id, and the wallets that nobody else moved."""

    acknowledged: Mapping[str, Mapping[str, Any]]
    wallets: tuple[str, ...]


def judge(stored: Stored, claims: Claims) -> list[Invariant]:
    """Check everything that must hold."""
    accounts, entries, transfers = stored.accounts, stored.entries, stored.transfers
    mine, withdrawals = _moving(stored, claims), rules.withdrawals_of(stored)
    users = [account for account in accounts if account["kind"] == "user"]
    return [
        _check("postings of each transfer sum to zero", transfers, rules.unbalanced),
        _check("all accounts of an asset sum to zero", rules.totals(stored), rules.nonzero),
        _check("wallet balance = sum of its entries", accounts, rules.sums(stored)),
        _check("entries are numbered 1 to n without a gap", accounts, rules.numbered(stored)),
        _check("each entry's time is later than the one before", accounts, rules.ordered(stored)),
        _check("hash chain holds from genesis to head", entries, rules.chained(stored)),
        _check("no balance is below zero at any time", [*accounts, *entries], rules.negative),
        _check("each entry has its transfer, posting and all", entries, rules.unposted(stored)),
        _check("each wallet posting has one entry", transfers, rules.unentered(stored)),
        _check("each key has one record", transfers, rules.keys(stored)),
        _check("each reversal undoes one transfer once", rules.of_kind(transfers, "reversal"), rules.reversals(stored)),
        _check("each acknowledged movement is stored", claims.acknowledged.items(), rules.missing(stored)),
        _check("each stored movement was acknowledged", mine, rules.unacknowledged(claims.acknowledged)),
        _check("each wallet shows what is on hold for it", users, rules.overheld(stored)),
        _check("each withdrawal was paid once, or is given back", withdrawals, rules.unpaid(stored)),
        _check("each event of a provider is done, dead or resolved", stored.events, rules.unfinished(stored)),
    ]


def write_units(stored: Stored, claims: Claims) -> dict[str, float]:
    """Work out the mean of write units a movement of each kind costs: all items of a transaction count twice."""
    accounts = {account["account_id"]: account for account in stored.accounts}
    flows = {flow["flow_id"]: flow for flow in stored.flows}
    entries = defaultdict(list)
    for entry in stored.entries:
        entries[entry["transfer_id"]].append(entry)
    units: dict[str, list[int]] = defaultdict(list)
    for transfer in _moving(stored, claims):
        transfer_id = rules.transfer_id_of(transfer)
        written = [transfer, *entries[transfer_id], *(accounts[e["account_id"]] for e in entries[transfer_id])]
        written += [stored.markers[rules.marker_key(transfer["reverses"])]] if "reverses" in transfer else []
        written += [flows[flow_id] for flow_id in rules.flows_of(transfer)]
        written += rules.counted_of(transfer, stored)
        units[transfer["kind"]].append(sum(TRANSACTION_FACTOR * ceil(size(item) / UNIT_BYTES) for item in written))
    return {kind: sum(values) / len(values) for kind, values in units.items()}


def _moving(stored: Stored, claims: Claims) -> list[Item]:
    """Pick the transfers of the wallets that nobody else moved, and of what is on hold for them."""
    withdrawals = rules.withdrawals_of(stored)
    holds = {rules.hold_of(withdrawal) for withdrawal in withdrawals if withdrawal["wallet_id"] in claims.wallets}
    return [transfer for transfer in stored.transfers if rules.accounts_of(transfer) & {*claims.wallets, *holds}]


def _check(name: str, things: Iterable[Any], broken: Callable[[Any], rules.Violations]) -> Invariant:
    checked = list(things)
    return Invariant(name, len(checked), tuple(violation for thing in checked for violation in broken(thing)))
