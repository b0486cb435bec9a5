"""Say in the plainest way what the ledger should answer: one dictionary of balances, one thing after the other."""

from collections import defaultdict
from dataclasses import dataclass, field

from tallystick.domain.accounts import Account, Status
from tallystick.domain.money import MAX_UNITS
from tallystick.domain.transfers import IdempotencyKey, Record, Tombstone, Transfer, TransferKind
from tests.property.requests import Request

MOVED, REPLAYED, VOIDED, MARKED = "moved", "replayed", "voided", "marked"
MONEY = frozenset({"credit", "debit", "transfer", "reverse"})


@dataclass
class Model:
    """Hold balances, statuses and what stands under each key."""

    accounts: dict[str, Account]
    """As they were opened: whose, which asset."""

    balances: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    statuses: defaultdict[str, Status] = field(default_factory=lambda: defaultdict(lambda: Status.ACTIVE))
    records: dict[IdempotencyKey, Record] = field(default_factory=dict)
    transfers: dict[str, Transfer] = field(default_factory=dict)
    reversed_by: dict[str, str] = field(default_factory=dict)
    history: defaultdict[str, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    """For each account, times and the balances from then on."""

    def apply(self, written: Record | Account) -> None:
        """Take note of what was done."""
        if isinstance(written, Account):
            self.statuses[written.account_id] = written.status
            return
        self.records[written.claim.key] = written
        if isinstance(written, Tombstone):
            return
        self.transfers[written.transfer_id] = written
        if written.reverses:
            self.reversed_by[written.reverses] = written.transfer_id
        for posting in written.postings:
            if posting.account_id in self.accounts:
                self.balances[posting.account_id] += posting.units
                self.history[posting.account_id].append((written.created_at_ms, self.balances[posting.account_id]))

    def balance_at(self, account_id: str, at_ms: int) -> int:
        """Look up a balance in the past."""
        return next((balance for time_ms, balance in reversed(self.history[account_id]) if time_ms <= at_ms), 0)

    def expected(self, request: Request) -> str:
        """Tell what a request should be answered at this moment."""
        if request.kind not in MONEY:
            return self._expected_of_mark(request)
        standing = self.records.get(request.claim.key)
        if isinstance(standing, Tombstone):
            return "idempotency-key-voided"
        if standing is not None:
            return REPLAYED if standing.claim == request.claim else "idempotency-key-reused"
        return self._refused(request) or MOVED

    def legs(self, request: Request) -> list[tuple[str, int]]:
        """Tell which accounts a request changes, in order."""
        if request.kind == "reverse":
            return [(posting.account_id, -posting.units) for posting in self.transfers[request.reverses].postings]
        if request.kind == "transfer":
            return [(request.wallet, -request.units), (request.destination, request.units)]
        signed = request.units if request.kind == "credit" else -request.units
        return [(request.wallet, signed), (f"external:shop:{self.accounts[request.wallet].asset.code}", -signed)]

    def _expected_of_mark(self, request: Request) -> str:
        status = self.statuses[request.wallet]
        match request.kind:
            case "void":
                return "idempotency-key-committed" if request.claim.key in self._committed() else VOIDED
            case "freeze" | "unfreeze":
                return "account-not-active" if status is Status.CLOSED else MARKED
        if status is not Status.CLOSED and self.balances[request.wallet]:
            return "wallet-not-empty"
        return MARKED

    def _committed(self) -> set[IdempotencyKey]:
        return {key for key, record in self.records.items() if isinstance(record, Transfer)}

    def _refused(self, request: Request) -> str | None:
        if request.kind == "reverse":
            original = self.transfers.get(request.reverses)
            if original is None:
                return "not-found"
            if original.kind is TransferKind.REVERSAL:
                return "not-reversible"
            if request.reverses in self.reversed_by:
                return "already-reversed"
        if request.kind == "transfer":
            assets = {self.accounts[account_id].asset.code for account_id in (request.wallet, request.destination)}
            if request.wallet == request.destination:
                return "invalid-request"
            if len(assets) > 1:
                return "asset-mismatch"
        return self._refused_by_accounts(request)

    def _refused_by_accounts(self, request: Request) -> str | None:
        passing = {Status.ACTIVE, Status.FROZEN} if request.kind == "reverse" else {Status.ACTIVE}
        guarded = [leg for leg in self.legs(request) if leg[0] in self.accounts]
        if any(self.statuses[account_id] not in passing for account_id, _ in guarded):
            return "account-not-active"
        for account_id, units in guarded:
            after = self.balances[account_id] + units
            if not 0 <= after <= MAX_UNITS:
                return "insufficient-funds" if after < 0 else "balance-limit-exceeded"
        return None
