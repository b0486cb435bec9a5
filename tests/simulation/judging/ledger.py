"""Judge what is stored of money by itself: every account, entry, record and total."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from cli.demo import rules
from cli.demo.stored import Item
from tests.simulation.judging.case import MOVEMENTS, Case, Key, key_of, sums_of

Rule = Callable[[Case], Iterator[str]]

MOST: Final = 10**38 - 1
"""Units that a number of the store holds."""

BUCKET_MS: Final = 10_000
REVERSIBLE: Final = frozenset({"credit", "debit", "transfer"})
_OF_WITHDRAWALS: Final = rules.WITHDRAWALS - {"withdrawal-hold"}
_OF_DEPOSITS: Final = frozenset({"deposit", "refund", "chargeback", "refund-reversal", "chargeback-reversal"})


def each(things: Iterable[Any], broken: Callable[[Any], rules.Violations]) -> Iterator[str]:
    """Look at each of some things."""
    for thing in things:
        yield from broken(thing)


def markers(case: Case) -> Iterator[str]:
    """Find a marker of a reversal that is not there, and the reversal of what cannot be undone."""
    reversals = {rules.transfer_id_of(one): one for one in rules.of_kind(case.stored.transfers, "reversal")}
    for marker in case.stored.markers.values():
        if marker["reversed_by"] not in reversals:
            yield f"{marker['reversed_by']} is said to reverse something, and is not there"
    for name, reversal in reversals.items():
        if case.transfers.get(reversal["reverses"], {"kind": ""})["kind"] not in REVERSIBLE:
            yield f"{name} undoes {reversal['reverses']}, which cannot be undone"


def sources(case: Case) -> Iterator[str]:
    """Find a movement that stands under a key of another sort, or names a flow that is not there."""
    for name, transfer in case.transfers.items():
        source, reference, action = transfer["key_source"], transfer["key_reference"], transfer.get("key_action")
        allowed = MOVEMENTS if source == "api" else _OF_WITHDRAWALS if source == "withdrawal" else _OF_DEPOSITS
        if transfer["kind"] not in allowed or action not in ({None} if source == "api" else {transfer["kind"]}):
            yield f"{name} is a {transfer['kind']} under a key of {source} for {action}"
        flows = [*rules.flows_of(transfer), *([reference] if source == "withdrawal" else [])]
        if any(flow_id not in case.withdrawals and flow_id not in case.deposits for flow_id in flows):
            yield f"{name} is of {flows}, which is not there"


def tallied(case: Case) -> Iterator[str]:
    """Find a total or bucket that is not what the transfers posted, each once, and a marker too few or too many."""
    expected: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    marked: set[str] = set()
    for transfer in (one for one in case.transfers.values() if one["transfer_key"] not in case.rejected):
        bucket = transfer["created_at_ms"] // BUCKET_MS
        for account_id, units in sums_of(transfer).items():
            if account_id.startswith(rules.EXTERNAL):
                marked.add(f"tallied#{transfer['transfer_key']}")
                for name in (f"total#{account_id}", f"total#{account_id}#{bucket}"):
                    expected[name][0] += units
                    expected[name][1] += 1
    stored = {key: one for key, one in case.operations.items() if key.startswith("total#")}
    # A bucket may be gone: they are kept for two days only.
    for name in {*stored, *(name for name in expected if name.count("#") == 1)}:
        found = stored.get(name, {"balance": 0, "postings": 0})
        if [found["balance"], found["postings"]] != expected[name]:
            yield f"{name} is {found['balance']} by {found['postings']}, the transfers come to {expected[name]}"
    markers = {key for key in case.operations if key.startswith("tallied#")}
    for name in markers ^ marked:
        yield f"{name} {'is marked, and no transfer' if name in markers else 'has no marker'}"


def rejected(case: Case) -> Iterator[str]:
    """Find a transfer that was left out of a total that could take it."""
    for transfer in case.transfers.values():
        if transfer["transfer_key"] in case.rejected:
            sums = {name: units for name, units in sums_of(transfer).items() if name.startswith(rules.EXTERNAL)}
            totals = {name: case.operations.get(f"total#{name}", {}).get("balance", 0) for name in sums}
            if all(abs(totals[name] + units) <= MOST for name, units in sums.items()):
                yield f"{rules.transfer_id_of(transfer)} of {sums} was left out of {totals}"


def held(case: Case) -> Iterator[str]:
    """Find a wallet that does not show what is on hold for it."""
    users = (one for one in case.stored.accounts if one["kind"] == "user")
    return each(users, rules.overheld(case.stored))


def denominated(case: Case) -> Iterator[str]:
    """Find an entry or posting in another asset or scale than its account has."""
    for name, transfer in case.transfers.items():
        for account_id in sums_of(transfer):
            account = case.accounts.get(account_id, transfer)
            if (account["asset"], account["scale"]) != (transfer["asset"], transfer["scale"]):
                yield f"{name} moves {transfer['asset']} of {account_id}, which holds {account['asset']}"
            if account_id.startswith(rules.EXTERNAL) and not account_id.endswith(f":{transfer['asset']}"):
                yield f"{name} moves {transfer['asset']} of {account_id}"
            if account_id not in case.accounts and not account_id.startswith(rules.EXTERNAL):
                yield f"{name} moves {account_id}, which is not there"


def one_record_a_key(case: Case) -> Iterator[str]:
    """Find a key with two records, and a record that does not stand under its key's hash."""
    yield from each(case.stored.transfers, rules.keys(case.stored))
    yield from each(case.stored.tombstones, _hashed)


def _hashed(tombstone: Item) -> Iterator[str]:
    key: Key = key_of(tombstone)
    if tombstone["transfer_key"] != rules.digest("tallystick/key/1", *key):
        yield f"the tombstone of {key} does not stand under the hash of its key"


def described(case: Case) -> Iterator[str]:
    """Find an entry that does not say of its transfer what that is: kind, asset, scale and time."""
    names = ("kind", "asset", "scale")
    for entry in case.stored.entries:
        transfer = case.transfers.get(entry["transfer_id"], {})
        told = (*(transfer.get(name) for name in names), transfer.get("created_at_ms"))
        if told != (*(entry[name] for name in names), entry["time_ms"]):
            yield f"{entry['account_id']}#{entry['sequence']} is not as {entry['transfer_id']} is described"


RULES: Final[tuple[tuple[str, Rule], ...]] = (
    ("postings-sum-to-zero", lambda case: each(case.stored.transfers, rules.unbalanced)),
    ("conservation", lambda case: each(rules.totals(case.stored), rules.nonzero)),
    ("balance-is-replay", lambda case: each(case.stored.accounts, rules.sums(case.stored))),
    ("sequence-without-gap", lambda case: each(case.stored.accounts, rules.numbered(case.stored))),
    ("times-rise", lambda case: each(case.stored.accounts, rules.ordered(case.stored))),
    ("hash-chain", lambda case: each(case.stored.entries, rules.chained(case.stored))),
    ("never-negative", lambda case: each((*case.stored.accounts, *case.stored.entries), rules.negative)),
    ("entry-is-posted", lambda case: each(case.stored.entries, rules.unposted(case.stored))),
    ("entry-is-described", described),
    ("posting-is-entered", lambda case: each(case.stored.transfers, rules.unentered(case.stored))),
    ("asset-of-account", denominated),
    ("one-record-a-key", one_record_a_key),
    ("source-of-key", sources),
    (
        "reversed-once",
        lambda case: each(rules.of_kind(case.stored.transfers, "reversal"), rules.reversals(case.stored)),
    ),
    ("reversal-marked", markers),
    ("totals-of-tallied", tallied),
    ("left-out-of-total", rejected),
    ("held-of-wallet", held),
)
