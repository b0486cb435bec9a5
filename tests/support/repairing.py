"""Set a scene for repairs: the wallets and withdrawals of `leaving`, tampered with behind the services' back."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from tallystick.domain.accounts import Entry
from tallystick.domain.reconciliation import Checkpoint
from tallystick.domain.transfers import Transfer
from tallystick.domain.withdrawals import Withdrawal, WithdrawalAction
from tallystick.services.examining import Desk
from tallystick.services.repairing import Diagnosis, Operator, Repaired, Workshop, diagnose, repair
from tallystick.services.steps import Step, take
from tests.support.fake_journal import FakeCheckpoints, FakeJournal, FakeRepairs, Vouched, head_of
from tests.support.leaving import Leaving
from tests.support.scene import BOB, no_pause

OPERATOR: Final = Operator("grace", "workstation-7")


def yes(_found: Diagnosis) -> bool:
    """Agree to everything."""
    return True


class Repairing(Leaving):
    """Hold wallets `wal_a` and `wal_b` with movements between them, and what repairs them."""

    def __init__(self) -> None:
        super().__init__()
        self.wallet("wal_b", BOB, units=300)
        self.transfer("t1", "2.50")
        self.transfer("t2", "1.25")
        self.debit("d1", "3.00")
        self.vouched = Vouched()
        self.store.calls.clear()

    def workshop(self) -> Workshop:
        """Start another command."""
        quick, exact = FakeJournal(self.store, self.vouched, "quick"), FakeJournal(self.store, self.vouched)
        desk = Desk(quick, exact, FakeCheckpoints(self.store, self.vouched), no_pause)
        return Workshop(desk, self.books(), self.flows, FakeRepairs(self.store))

    def vouch(self, account_id: str = "wal_a") -> Checkpoint:
        """Let a run of reconciliation find the account sound."""
        checkpoint = Checkpoint.of(head_of(self.store.account_items[account_id]), "run_1")
        FakeCheckpoints(self.store, self.vouched).vouch(checkpoint)
        return checkpoint

    def tamper(self, account_id: str = "wal_a", **members: Any) -> None:  # noqa: ANN401 (any member)
        """Change an account."""
        self.store.account_items[account_id] = replace(self.store.account_items[account_id], **members)

    def tamper_entry(self, number: int, account_id: str = "wal_a", **members: Any) -> None:  # noqa: ANN401 (any member)
        """Change an entry where it stands."""
        key, entry = self._entry(account_id, number)
        self.store.entry_items[key] = replace(entry, **members)

    def delete_entry(self, number: int, account_id: str = "wal_a") -> None:
        """Take an entry away."""
        del self.store.entry_items[self._entry(account_id, number)[0]]

    def transfer_of(self, number: int, account_id: str = "wal_a") -> Transfer:
        """Give the transfer of an entry."""
        key = self._entry(account_id, number)[1].transfer_id.removeprefix("trf_")
        found = self.store.records[key]
        assert isinstance(found, Transfer)
        return found

    def without_movement(self, withdrawal: Withdrawal, action: WithdrawalAction) -> Withdrawal:
        """Let a withdrawal take a step and forget what belongs to it."""
        standing = self.standing(withdrawal)
        following = standing.taken(action, at_ms=self.now_ms, by="somebody")[0]
        self.store.flow_items[withdrawal.flow_id] = following
        return following

    def stepped(self, withdrawal: Withdrawal, action: WithdrawalAction) -> Withdrawal:
        """Let a withdrawal take a step with all that belongs to it."""
        following, posts = self.standing(withdrawal).taken(action, at_ms=self.now_ms, by="somebody")
        assert take(books=self.books(), step=Step(following, posts), now_ms=self.now_ms)
        return following

    def submitted(self, key: str = "w1") -> Withdrawal:
        """Ask for a withdrawal and send it."""
        asked = self.asked(key)
        return self.work_when_due(asked)

    def diagnose(self, account_id: str = "wal_a", *, full: bool = True) -> Diagnosis:
        """Examine an account."""
        return diagnose(workshop=self.workshop(), account_id=account_id, full=full, now_ms=self.now_ms)

    def repair(self, account_id: str = "wal_a", agree: Callable[[Diagnosis], bool] = yes) -> Repaired:
        """Repair an account."""
        return repair(
            workshop=self.workshop(),
            account_id=account_id,
            operator=OPERATOR,
            agree=agree,
            now_ms=lambda: self.now_ms,
        )

    def _entry(self, account_id: str, number: int) -> tuple[tuple[str, int, int], Entry]:
        found = {key[2]: (key, entry) for key, entry in self.store.entry_items.items() if key[0] == account_id}
        return found[number]
