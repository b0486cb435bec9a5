"""Compare what is on hold with the flows that hold it: in the accounts of holds, and in what wallets show."""

from collections.abc import Sequence
from typing import Final

from tallystick.domain.accounts import AccountKind
from tallystick.domain.flows import Flow
from tallystick.domain.reconciliation import Fault, Finding, Head
from tallystick.domain.transfers import Transfer, TransferKind
from tallystick.domain.withdrawals import HOLD_PREFIX, Withdrawal
from tallystick.services.examining import MAX_SNAPSHOTS, Desk, snapshot_of
from tallystick.services.ports.flows import Withdrawals

MAX_FLOWS: Final = 40
"""Open withdrawals of one wallet that are compared: a snapshot takes no more than 100 items."""

MAX_LISTED: Final = 1000
"""Withdrawals of one owner that are looked through, newest first."""

INDEX_LAG_MS: Final = 900_000
"""What is older than this stands in the index for sure; what is newer is found by the wallet's own entries."""


def holds_something(head: Head) -> bool:
    """Tell whether there is a hold to compare, even when the account has not changed."""
    return head.held != 0 or (head.kind == AccountKind.HOLD and head.balance != 0)


def compare_holds(*, desk: Desk, flows: Withdrawals, head: Head, now_ms: int) -> tuple[Finding, ...] | None:
    """Tell what is wrong with the holds of a wallet, or with a hold; None when they were being written each time.

    Raises:
        StoreUnavailable: try again.
    """
    if head.kind == AccountKind.HOLD:
        return _of_hold(desk, head)
    return _of_wallet(desk, flows, head, now_ms)


def expected_units(flow: Flow | None) -> int:
    """Say how much a flow holds."""
    return flow.total_units if isinstance(flow, Withdrawal) and flow.is_open else 0


def _of_hold(desk: Desk, hold: Head) -> tuple[Finding, ...] | None:
    hold_id, flow_id = hold.account_id, hold.owner_id
    flow = desk.exact.flow(flow_id)
    if hold.balance == expected_units(flow) == 0:
        return ()
    wallet_ids = [flow.wallet_id] if isinstance(flow, Withdrawal) else []
    snapshot = snapshot_of(desk, [hold_id, *wallet_ids], [flow_id])
    if snapshot is None:
        return None
    standing, units = snapshot.heads.get(hold_id), expected_units(snapshot.flows.get(flow_id))
    findings = list(shown(standing, 0)) if standing is not None else []
    if standing is not None and standing.balance != units:
        detail = f"It holds {standing.balance} units; {flow_id} asks for {units}."
        findings.append(Finding(hold_id, Fault.HOLD, detail))
    for wallet in (snapshot.heads.get(wallet_id) for wallet_id in wallet_ids):
        if wallet is not None and wallet.held < units:
            detail = f"Its wallet {wallet.account_id} shows {wallet.held} units as on hold; here are {units}."
            findings.append(Finding(hold_id, Fault.HELD, detail))
    return tuple(findings)


def _of_wallet(desk: Desk, flows: Withdrawals, head: Head, now_ms: int) -> tuple[Finding, ...] | None:
    listed, is_complete = _listed(flows, head)
    if sum(map(expected_units, listed)) == head.held:
        return ()
    found = _added_up(desk, head, listed if is_complete else None, now_ms)
    return None if found is None else shown(*found)


def units_on_hold(*, desk: Desk, flows: Withdrawals, head: Head, now_ms: int) -> tuple[Head, int] | None:
    """Add up what a wallet's withdrawals hold, and give the wallet as it stood at that moment.

    None when there are too many of them, or when they were being written each time.

    Raises:
        StoreUnavailable: try again.
    """
    listed, is_complete = _listed(flows, head)
    return _added_up(desk, head, listed if is_complete else None, now_ms)


def _added_up(desk: Desk, head: Head, listed: Sequence[Withdrawal] | None, now_ms: int) -> tuple[Head, int] | None:
    known = {flow.flow_id for flow in listed or () if expected_units(flow)}
    if listed is None or len(known) > MAX_FLOWS:
        return None
    for _ in range(MAX_SNAPSHOTS):
        # All that has written the wallet by now can be read, so its entries name what it has begun.
        before = _snapshot_of_wallet(desk, head.account_id)
        begun = _begun_lately(desk, head.account_id, now_ms)
        if len(begun) > MAX_FLOWS:
            return None
        after = _snapshot_of_wallet(desk, head.account_id, sorted(known | begun))
        # With another version, a withdrawal may have begun that is not among these.
        if before and after and before[0].version == after[0].version:
            return after
    return None


def _snapshot_of_wallet(desk: Desk, account_id: str, flow_ids: Sequence[str] = ()) -> tuple[Head, int] | None:
    """Read a wallet, and how much flows hold, at one moment."""
    snapshot = snapshot_of(desk, [account_id], flow_ids)
    wallet = snapshot.heads.get(account_id) if snapshot else None
    return (wallet, sum(map(expected_units, snapshot.flows.values()))) if snapshot and wallet else None


def shown(wallet: Head, units: int) -> tuple[Finding, ...]:
    """Tell whether an account shows as on hold what is."""
    if wallet.held == units:
        return ()
    detail = f"It shows {wallet.held} units as on hold; its withdrawals hold {units}."
    return (Finding(wallet.account_id, Fault.HELD, detail),)


def _listed(flows: Withdrawals, head: Head) -> tuple[Sequence[Withdrawal], bool]:
    """List the withdrawals of a wallet, and say whether these are all of them."""
    found: list[Withdrawal] = []
    after = None
    for _ in range(MAX_LISTED // 100):
        page = flows.owned_by(head.owner_id, 100, after)
        found += [flow for flow in page.items if flow.wallet_id == head.account_id]
        after = page.next_key
        if after is None:
            return found, True
    return found, False


def _begun_lately(desk: Desk, account_id: str, now_ms: int) -> set[str]:
    """Name the withdrawals that the wallet's newest entries have begun: the index may not know them yet."""
    entries = [stored.entry for stored in desk.exact.entries(account_id, max(0, now_ms - INDEX_LAG_MS))]
    begun = [entry.transfer_id for entry in entries if entry and entry.kind == TransferKind.WITHDRAWAL_HOLD]
    records = desk.exact.records(begun[-MAX_FLOWS - 1 :]) if begun else {}
    postings = [posting for record in records.values() if isinstance(record, Transfer) for posting in record.postings]
    holds = [posting.account_id for posting in postings if posting.account_id.startswith(HOLD_PREFIX)]
    return {hold.removeprefix(HOLD_PREFIX) for hold in holds}
