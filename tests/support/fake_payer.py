"""Play a provider that pays out, in memory: what it was asked for, what it made of it, and what it forgets."""

from dataclasses import dataclass, field
from typing import Final

from tallystick.domain.errors import ProviderRefused, ProviderUnavailable
from tallystick.domain.money import Amount, from_minor
from tallystick.domain.payouts import Draft, Outcome, Report
from tallystick.domain.withdrawals import Withdrawal
from tests.support.fake_store import FakeStore
from tests.support.fake_webhooks import call

HOUR_MS: Final = 3_600_000
DRAFT_MS: Final = 60_000


@dataclass
class Payout:
    """Hold a payout as the provider has it."""

    payout_id: str
    withdrawal_id: str
    units: int
    outcome: Outcome = Outcome.PENDING
    reason: str | None = None


@dataclass
class FakePayer:
    """Implement the port Payer; `signs` makes it one whose payouts are signed before, like Stellar.

    `refuses` is why it takes no payout, `rejects` why it does not even draft one. With `away` it answers nothing.
    What a call that gets no answer has done is for the store's hooks to say: `payer.send` is seen before and after.
    """

    backing: FakeStore
    signs: bool = False
    payouts: list[Payout] = field(default_factory=list)
    keys: dict[str, Payout] = field(default_factory=dict)
    refuses: str | None = None
    rejects: str | None = None
    away: bool = False
    pays_at_once: bool = False
    drafts: int = 0
    now_ms: int = 0

    @property
    def key_lifetime_ms(self) -> int | None:
        """Know keys for 23 hours."""
        return 23 * HOUR_MS

    def check(self, withdrawal: Withdrawal) -> None:
        """Take everything but what it is told to refuse from the start."""
        if withdrawal.destination.account == "ba_impossible":
            raise ProviderRefused("Not there.", provider="stripe")

    def draft(self, withdrawal: Withdrawal, now_ms: int) -> Draft | None:
        """Sign a payout, if that is done here."""
        if not self.signs:
            return None
        with call(self.backing, "payer.draft"):
            self._answer()
            if self.rejects:
                raise ProviderRefused(self.rejects, provider="stellar")
            self.drafts += 1
            return Draft(withdrawal.flow_id, f"hash{self.drafts}", now_ms + DRAFT_MS)

    def send(self, withdrawal: Withdrawal) -> Report:
        """Make a payout, or tell of the one that the key has made."""
        with call(self.backing, "payer.send"):
            self._answer()
            return self._made(withdrawal)

    def look_up(self, withdrawal: Withdrawal, now_ms: int) -> Report:
        """Tell how it stands."""
        with call(self.backing, "payer.look_up"):
            self._answer()
            found = [payout for payout in self.payouts if payout.withdrawal_id == withdrawal.flow_id]
            if found:
                return _report(found[-1], withdrawal)
            return Report(Outcome.ABSENT if self._is_over(withdrawal, now_ms) else Outcome.UNCLEAR)

    def pay(self, withdrawal_id: str, outcome: Outcome = Outcome.PAID, reason: str | None = None) -> None:
        """Let a payout come to an end."""
        for payout in self.payouts:
            if payout.withdrawal_id == withdrawal_id:
                payout.outcome, payout.reason = outcome, reason

    def paid_units(self, withdrawal_id: str) -> int:
        """Add up what has left for a withdrawal."""
        mine = [payout for payout in self.payouts if payout.withdrawal_id == withdrawal_id]
        return sum(payout.units for payout in mine if payout.outcome is not Outcome.FAILED)

    def forget(self) -> None:
        """Forget all idempotency keys."""
        self.keys.clear()

    def _answer(self) -> None:
        if self.away:
            raise ProviderUnavailable("It is away.", provider="stripe")

    def _made(self, withdrawal: Withdrawal) -> Report:
        draft = withdrawal.sending.draft if withdrawal.sending else None
        key = draft.payout_id if draft else withdrawal.flow_id
        if key in self.keys:
            return _report(self.keys[key], withdrawal)
        if self.refuses:
            return Report(Outcome.FAILED, reason=self.refuses)
        if draft and self.now_ms > draft.expires_at_ms:
            return Report(Outcome.UNCLEAR, draft.payout_id, reason="tx_too_late")
        payout = Payout(
            draft.payout_id if draft else f"po_{len(self.payouts) + 1}", withdrawal.flow_id, withdrawal.units
        )
        payout.outcome = Outcome.PAID if self.pays_at_once else Outcome.PENDING
        self.payouts.append(payout)
        self.keys[key] = payout
        return _report(payout, withdrawal)

    def _is_over(self, withdrawal: Withdrawal, now_ms: int) -> bool:
        sending = withdrawal.sending
        if sending is None:
            return True
        return now_ms > sending.draft.expires_at_ms if sending.draft else now_ms - sending.last_ms >= HOUR_MS


def _report(payout: Payout, withdrawal: Withdrawal) -> Report:
    amount = Amount(from_minor(payout.units, withdrawal.asset.scale), withdrawal.asset.code)
    return Report(payout.outcome, payout.payout_id, amount, payout.reason)
