"""Walk along the entries of one account, oldest first: they have to follow from each other and make its balance."""

from collections.abc import Iterator

from tallystick.domain.accounts import Entry
from tallystick.domain.chain import entry_hash, genesis
from tallystick.domain.money import MAX_UNITS
from tallystick.domain.reconciliation import MAX_FINDINGS, Checkpoint, Fault, Finding, Head, Stored, Tail


class Walk:
    """Check entry after entry; `findings` lists what is wrong so far, `sequence` and `balance` are those of the last.

    After something wrong it goes on from what it has read, so one fault is not told again with every later entry.
    """

    def __init__(self, head: Head, since: Checkpoint | None = None) -> None:
        """Begin with the first entry, or with the one that a checkpoint vouches for."""
        self._head = head
        self._since = since if since is not None and since.sequence else None
        self.findings: list[Finding] = []
        self.sequence, self.balance, self.time_ms = 0, 0, 0
        self.hash = genesis(head.account_id, head.asset)
        self.entries = 0
        if self._since is not None:
            self.sequence = self._since.sequence - 1

    def step(self, stored: Stored) -> Entry | None:
        """Check the next entry; give it back when it is a new one and can be read."""
        entry = stored.entry
        if entry is None:
            self._find(Fault.ENTRY, f"The entry at {stored.key} cannot be read.", self.sequence + 1)
            return None
        if self._since is not None:
            self._vouched(entry, self._since)
            self._since = None
            return None
        for fault, detail in self._faults(stored, entry):
            self._find(fault, detail, entry.sequence, entry.transfer_id)
        self._stand_on(entry)
        self.entries += 1
        return entry

    @property
    def tail(self) -> Tail:
        """Say where the walk is."""
        return Tail(self.sequence, self.balance, self.hash, self.time_ms)

    def end(self) -> None:
        """Compare the account with where the walk has ended."""
        head = self._head
        if self._since is not None:
            detail = f"Entry {self._since.sequence} was checked before, and is not where it was."
            self._find(Fault.CHECKPOINT, detail, self._since.sequence)
        if (head.version, head.head_hash, head.head_time_ms) != (self.sequence, self.hash, self.time_ms):
            detail = f"The account says that it has {head.version} entries; its last one is number {self.sequence}."
            if head.version == self.sequence:
                detail = f"The account names another hash or time than its entry {self.sequence}."
            self._find(Fault.HEAD, detail, self.sequence)
        if head.balance != self.balance:
            self._find(Fault.BALANCE, f"The balance is {head.balance} units; its entries make {self.balance}.")

    def _vouched(self, entry: Entry, since: Checkpoint) -> None:
        """Hash the entry of a checkpoint again: it is not taken at its word."""
        if not since.is_of(entry):
            self._find(Fault.CHECKPOINT, f"Entry {since.sequence} is not what was checked before.", since.sequence)
        self._stand_on(entry)

    def _faults(self, stored: Stored, entry: Entry) -> Iterator[tuple[Fault, str]]:
        number = entry.sequence
        if number != self.sequence + 1:
            yield Fault.SEQUENCE, f"Entry {number} follows entry {self.sequence}."
        if not stored.in_place:
            yield Fault.ENTRY, f"Entry {number} stands under the key {stored.key}, which is not its own."
        if entry_hash(entry) != entry.hash:
            yield Fault.ENTRY, f"Entry {number} does not have the hash of what it says."
        if entry.previous_hash != self.hash:
            yield Fault.CHAIN, f"Entry {number} does not continue the chain of entry {self.sequence}."
        if entry.time_ms <= self.time_ms:
            yield Fault.ORDER, f"Entry {number} is not later than entry {self.sequence}."
        yield from self._wrong_amounts(entry)

    def _wrong_amounts(self, entry: Entry) -> Iterator[tuple[Fault, str]]:
        number = entry.sequence
        if (entry.asset, entry.scale) != (self._head.asset, self._head.scale):
            yield Fault.SCALE, f"Entry {number} is in {entry.asset} with {entry.scale} decimals, the account is not."
        if entry.balance_after != self.balance + entry.units:
            yield Fault.SUM, f"Entry {number} makes {entry.balance_after} of {self.balance} and {entry.units}."
        if not 0 <= entry.balance_after <= MAX_UNITS or not entry.units:
            yield Fault.SUM, f"Entry {number} moves {entry.units} and leaves {entry.balance_after}, which cannot be."

    def _stand_on(self, entry: Entry) -> None:
        self.sequence, self.balance = entry.sequence, entry.balance_after
        self.hash, self.time_ms = entry.hash, entry.time_ms

    def _find(self, fault: Fault, detail: str, sequence: int | None = None, transfer_id: str | None = None) -> None:
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(Finding(self._head.account_id, fault, detail, sequence, transfer_id))
