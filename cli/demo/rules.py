"""What must hold of a ledger, from its published rules alone; each function finds what breaks one of them."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from cli.demo.stored import Item, Stored

EXTERNAL: Final = "external:"

_PAID: Final = ("withdrawal-hold", "withdrawal")
_GIVEN_BACK: Final = ("withdrawal-hold", "withdrawal-release")
ENDINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "COMPLETED": _PAID,
    "RETURNED": (*_PAID, "withdrawal-return"),
    **dict.fromkeys(("FAILED", "CANCELLED", "REJECTED"), _GIVEN_BACK),
}
"""The movements that a withdrawal has had, by where it ended."""

_PAYOUTS: Final[Mapping[str, tuple[int, ...]]] = {"SUBMITTED": (0, 1), "COMPLETED": (1,)}
"""How many payouts there may be that have not failed; in the other states there is none."""

WITHDRAWALS: Final = frozenset(kind for kinds in ENDINGS.values() for kind in kinds)

Violations = Iterator[str]


def digest(*parts: str) -> str:
    """Hash texts, each prefixed by its length in bytes."""
    prefixed = [b"%d:%b" % (len(octets), octets) for octets in map(str.encode, parts)]
    return hashlib.sha256(b"".join(prefixed)).hexdigest()


def marker_key(transfer_id: str) -> str:
    """Derive the key under which the reversal of a transfer is marked."""
    return digest("tallystick/reversal/1", transfer_id)


def transfer_id_of(transfer: Item) -> str:
    """Name a transfer as the API does."""
    return f"trf_{transfer['transfer_key']}"


def accounts_of(transfer: Item) -> set[str]:
    """Name the accounts that a transfer moved."""
    return {posting["account_id"] for posting in transfer["postings"]}


def flows_of(transfer: Item) -> list[str]:
    """Name the flow that a transfer is a step of, if it is one of a flow."""
    metadata = json.loads(transfer.get("metadata") or "{}")
    flow_id = metadata.get("withdrawal_id") if transfer["kind"] in WITHDRAWALS else metadata.get("deposit_id")
    return [flow_id] if flow_id and transfer["kind"] in {*WITHDRAWALS, "deposit"} else []


def withdrawals_of(stored: Stored) -> list[Item]:
    """Read what is stored of each withdrawal."""
    flows = [flow for flow in stored.flows if flow.get("kind") == "withdrawal"]
    return [{**json.loads(flow["flow"]), "state": flow["state"]} for flow in flows]


def hold_of(withdrawal: Item) -> str:
    """Name the account that holds a withdrawal's money."""
    return f"hold:{withdrawal['flow_id']}"


def counted_of(transfer: Item, stored: Stored) -> list[Item]:
    """Find what is written with a withdrawal's movement and is no entry: the day's quota, or the wallet's `held`."""
    found = [one for one in withdrawals_of(stored) if one["flow_id"] in flows_of(transfer)]
    if transfer["kind"] == "withdrawal":
        return [account for one in found for account in stored.accounts if account["account_id"] == one["wallet_id"]]
    keys = {f"quota#withdrawals#{one['owner_id']}#{one['asset']['code']}#{one['quota_day']}" for one in found}
    counted = transfer["kind"] in {"withdrawal-hold", "withdrawal-release"}
    return [quota for quota in stored.operations if counted and quota["operation_key"] in keys]


def overheld(stored: Stored) -> Callable[[Item], Violations]:
    """Find a wallet that does not show what is on hold for it."""
    balances = {account["account_id"]: account["balance"] for account in stored.accounts}
    held: Counter[str] = Counter()
    for withdrawal in withdrawals_of(stored):
        held[withdrawal["wallet_id"]] += balances.get(hold_of(withdrawal), 0)

    def broken(account: Item) -> Violations:
        if account["held"] != held[account["account_id"]]:
            yield f"{account['account_id']} shows {account['held']} on hold, there is {held[account['account_id']]}"

    return broken


def unpaid(stored: Stored) -> Callable[[Item], Violations]:
    """Find a withdrawal that was not paid once when it is completed, or not given back when it ended otherwise."""
    kinds: dict[str, list[str]] = {}
    for transfer in stored.transfers:
        for flow_id in flows_of(transfer) if transfer["kind"] in WITHDRAWALS else ():
            kinds.setdefault(flow_id, []).append(transfer["kind"])

    def broken(withdrawal: Item) -> Violations:
        flow_id, state = withdrawal["flow_id"], withdrawal["state"]
        names = {flow_id, withdrawal.get("payout_id")}
        paid = [payout for payout in stored.payouts if payout["name"] in names and payout["status"] != "failed"]
        if state in ENDINGS and sorted(kinds.get(flow_id, [])) != sorted(ENDINGS[state]):
            yield f"{flow_id} is {state} by {kinds.get(flow_id)}"
        if len(paid) not in _PAYOUTS.get(state, (0,)):
            yield f"{flow_id} is {state} and was paid {len(paid)} times"

    return broken


def of_kind(transfers: Iterable[Item], kind: str) -> list[Item]:
    """Pick the transfers of one kind."""
    return [transfer for transfer in transfers if transfer["kind"] == kind]


def unbalanced(transfer: Item) -> Violations:
    """Find a transfer whose postings do not sum to zero."""
    total = sum(posting["units"] for posting in transfer["postings"])
    if total != 0 or not transfer["postings"]:
        yield f"{transfer_id_of(transfer)} sums to {total}"


def totals(stored: Stored) -> Iterable[tuple[str, int]]:
    """Sum up what all accounts of each asset hold: wallets by their items, external ones by their postings."""
    totals: Counter[str] = Counter()
    for account in stored.accounts:
        totals[account["asset"]] += account["balance"]
    for transfer in stored.transfers:
        external = [posting for posting in transfer["postings"] if posting["account_id"].startswith(EXTERNAL)]
        totals[transfer["asset"]] += sum(posting["units"] for posting in external)
    return totals.items()


def nonzero(total: tuple[str, int]) -> Violations:
    """Find an asset whose accounts do not sum to zero."""
    if total[1] != 0:
        yield f"{total[0]} sums to {total[1]}"


def sums(stored: Stored) -> Callable[[Item], Violations]:
    """Find an account whose balance is not, entry by entry, the sum of its entries."""

    def broken(account: Item) -> Violations:
        total = 0
        for entry in stored.entries_of(account["account_id"]):
            total += entry["units"]
            if entry["balance_after"] != total:
                yield f"{entry['account_id']}#{entry['sequence']} says {entry['balance_after']}, the sum is {total}"
        if account["balance"] != total:
            yield f"{account['account_id']} has {account['balance']}, its entries sum to {total}"

    return broken


def numbered(stored: Stored) -> Callable[[Item], Violations]:
    """Find an account whose entries are not numbered from 1 to its version."""

    def broken(account: Item) -> Violations:
        sequences = [entry["sequence"] for entry in stored.entries_of(account["account_id"])]
        if sequences != list(range(1, account["version"] + 1)):
            yield f"{account['account_id']} has version {account['version']} and entries {sequences}"

    return broken


def ordered(stored: Stored) -> Callable[[Item], Violations]:
    """Find an account whose entries do not follow each other in time, up to its head."""

    def broken(account: Item) -> Violations:
        times = [entry["time_ms"] for entry in stored.entries_of(account["account_id"])]
        if times != sorted(set(times)) or (times or [0])[-1] != account["head_time_ms"]:
            yield f"{account['account_id']}: {times}"

    return broken


def chained(stored: Stored) -> Callable[[Item], Violations]:
    """Find an entry whose hash does not follow from the one before, and a head that is not the last one."""
    heads: dict[str, str] = {}
    accounts = {account["account_id"]: account for account in stored.accounts}

    def broken(entry: Item) -> Violations:
        account = accounts.get(entry["account_id"], {"version": 0, "head_hash": ""})
        previous = heads.get(entry["account_id"]) or digest("tallystick/genesis/1", entry["account_id"], entry["asset"])
        names = ("sequence", "time_ms", "kind", "asset", "scale", "units", "balance_after", "transfer_id")
        expected = digest("tallystick/entry/1", previous, entry["account_id"], *(str(entry[name]) for name in names))
        heads[entry["account_id"]] = expected
        if (entry["previous_hash"], entry["hash"]) != (previous, expected):
            yield f"{entry['account_id']}#{entry['sequence']} does not follow from the one before"
        if entry["sequence"] >= account["version"] and account["head_hash"] != expected:
            yield f"{entry['account_id']}#{entry['sequence']} is not the head of its account"

    return broken


def negative(item: Item) -> Violations:
    """Find a balance below zero."""
    if item.get("balance", 0) < 0 or item.get("balance_after", 0) < 0:
        yield f"{item['account_id']} is below zero"


def unposted(stored: Stored) -> Callable[[Item], Violations]:
    """Find an entry that its transfer did not post."""
    transfers = {transfer_id_of(transfer): transfer for transfer in stored.transfers}

    def broken(entry: Item) -> Violations:
        postings = transfers.get(entry["transfer_id"], {"postings": []})["postings"]
        fitting = [posting for posting in postings if posting["account_id"] == entry["account_id"]]
        if [(p["units"], p["balance_after"]) for p in fitting] != [(entry["units"], entry["balance_after"])]:
            yield f"{entry['account_id']}#{entry['sequence']} is not what {entry['transfer_id']} posted"

    return broken


def unentered(stored: Stored) -> Callable[[Item], Violations]:
    """Find a transfer that did not leave exactly one entry in each of its wallets."""
    entered = Counter((entry["transfer_id"], entry["account_id"]) for entry in stored.entries)

    def broken(transfer: Item) -> Violations:
        for account_id in accounts_of(transfer):
            count = entered[transfer_id_of(transfer), account_id]
            if count != (0 if account_id.startswith(EXTERNAL) else 1):
                yield f"{transfer_id_of(transfer)} has {count} entries in {account_id}"

    return broken


def keys(stored: Stored) -> Callable[[Item], Violations]:
    """Find a key with two records, and a record that does not stand under the hash of its key."""

    def key(record: Item) -> tuple[str, ...]:
        action = (record["key_action"],) if "key_action" in record else ()
        return record["key_source"], record["key_scope"], record["key_reference"], *action

    records = Counter(key(record) for record in (*stored.transfers, *stored.tombstones))

    def broken(transfer: Item) -> Violations:
        if records[key(transfer)] != 1:
            yield f"{key(transfer)} has {records[key(transfer)]} records"
        if transfer["transfer_key"] != digest("tallystick/key/1", *key(transfer)):
            yield f"{transfer_id_of(transfer)} does not stand under the hash of its key"

    return broken


def reversals(stored: Stored) -> Callable[[Item], Violations]:
    """Find a reversal that is not the opposite of its transfer, not the only one, or leaves no marker."""
    transfers = {transfer_id_of(transfer): transfer for transfer in stored.transfers}
    reversed_ids = Counter(transfer["reverses"] for transfer in of_kind(stored.transfers, "reversal"))

    def broken(reversal: Item) -> Violations:
        original = transfers.get(reversal["reverses"], {"postings": []})
        undone = sorted((posting["account_id"], -posting["units"]) for posting in original["postings"])
        if undone != sorted((posting["account_id"], posting["units"]) for posting in reversal["postings"]):
            yield f"{transfer_id_of(reversal)} is not the opposite of {reversal['reverses']}"
        if reversed_ids[reversal["reverses"]] != 1:
            yield f"{reversal['reverses']} is reversed {reversed_ids[reversal['reverses']]} times"
        marker = stored.markers.get(marker_key(reversal["reverses"]), {})
        if marker.get("reversed_by") != transfer_id_of(reversal):
            yield f"{reversal['reverses']} is not marked as reversed by {transfer_id_of(reversal)}"

    return broken


def missing(stored: Stored) -> Callable[[tuple[str, Mapping[str, Any]]], Violations]:
    """Find a movement that a caller was told of and that is not stored so."""
    transfers = {transfer_id_of(transfer): transfer for transfer in stored.transfers}

    def broken(claim: tuple[str, Mapping[str, Any]]) -> Violations:
        transfer_id, answer = claim
        stored_units = [posting["units"] for posting in transfers.get(transfer_id, {"postings": []})["postings"]]
        told = [int(posting["amount"].replace(".", "")) for posting in answer["postings"]]
        if stored_units != told:
            yield f"{transfer_id} was acknowledged as {told} and is stored as {stored_units}"

    return broken


def unacknowledged(acknowledged: Mapping[str, Any]) -> Callable[[Item], Violations]:
    """Find a movement that happened and that nobody was told of."""

    def broken(transfer: Item) -> Violations:
        if transfer_id_of(transfer) not in acknowledged:
            yield f"{transfer_id_of(transfer)} happened and nobody was told"

    return broken


def unfinished(stored: Stored) -> Callable[[Item], Violations]:
    """Find an event that is still open, and one that says it moved what is not stored."""
    transfer_ids = {transfer_id_of(transfer) for transfer in stored.transfers}

    def broken(event: Item) -> Violations:
        if event["state"] not in {"DONE", "DEAD", "RESOLVED"}:
            yield f"{event['provider']} {event['external_id']} is {event['state']}"
        if set(json.loads(event.get("transfers") or "[]")) - transfer_ids:
            yield f"{event['provider']} {event['external_id']} names movements that are not there"

    return broken
