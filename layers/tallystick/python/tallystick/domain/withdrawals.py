"""Money that leaves: held when it is asked for, then paid out once or given back in full.

The table says which steps there are. A step that moves money is written in one transaction with the movement, under
the condition that the withdrawal is still what the step was worked out from; so of all that race, one is taken.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from tallystick.domain.accounts import Account, AccountKind
from tallystick.domain.chain import digest, genesis
from tallystick.domain.destinations import Destination
from tallystick.domain.money import Amount, Asset, from_minor
from tallystick.domain.payouts import Draft
from tallystick.domain.transfers import Claim, IdempotencyKey, TransferKind
from tallystick.domain.transitions import Actor, Transition, find
from tallystick.domain.webhooks import Environment, Provider

PREFIX: Final = "wdr_"
"""Begins every withdrawal's id, and no name that a provider has for one."""

HOLD_PREFIX: Final = "hold:"

RULE: Final = "rule"
"""Stands in the history for what no person decided."""


class WithdrawalState(StrEnum):
    """Say where a withdrawal stands; the last five are final, but a completed one may still come back."""

    REQUESTED = "REQUESTED"
    IN_REVIEW = "IN_REVIEW"
    APPROVED = "APPROVED"
    SUBMITTED = "SUBMITTED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"
    RETURNED = "RETURNED"


class WithdrawalAction(StrEnum):
    """Name the steps of a withdrawal."""

    REQUEST = "request"
    REVIEW = "review"
    APPROVE = "approve"
    SUBMIT = "submit"
    COMPLETE = "complete"
    FAIL = "fail"
    CANCEL = "cancel"
    REJECT = "reject"
    RETURN = "return"


_S, _A, _K = WithdrawalState, WithdrawalAction, TransferKind

TRANSITIONS: Final = (
    Transition(None, _A.REQUEST, _S.REQUESTED, Actor.OWNER, _K.WITHDRAWAL_HOLD),
    Transition(_S.REQUESTED, _A.REVIEW, _S.IN_REVIEW, Actor.RULE),
    Transition(_S.REQUESTED, _A.APPROVE, _S.APPROVED, Actor.RULE),
    Transition(_S.REQUESTED, _A.CANCEL, _S.CANCELLED, Actor.OWNER, _K.WITHDRAWAL_RELEASE),
    Transition(_S.REQUESTED, _A.REJECT, _S.REJECTED, Actor.ADMIN, _K.WITHDRAWAL_RELEASE),
    Transition(_S.IN_REVIEW, _A.APPROVE, _S.APPROVED, Actor.ADMIN),
    Transition(_S.IN_REVIEW, _A.CANCEL, _S.CANCELLED, Actor.OWNER, _K.WITHDRAWAL_RELEASE),
    Transition(_S.IN_REVIEW, _A.REJECT, _S.REJECTED, Actor.ADMIN, _K.WITHDRAWAL_RELEASE),
    Transition(_S.APPROVED, _A.SUBMIT, _S.SUBMITTED, Actor.RULE),
    Transition(_S.APPROVED, _A.CANCEL, _S.CANCELLED, Actor.OWNER, _K.WITHDRAWAL_RELEASE),
    Transition(_S.APPROVED, _A.REJECT, _S.REJECTED, Actor.ADMIN, _K.WITHDRAWAL_RELEASE),
    Transition(_S.SUBMITTED, _A.COMPLETE, _S.COMPLETED, Actor.PROVIDER, _K.WITHDRAWAL),
    Transition(_S.SUBMITTED, _A.FAIL, _S.FAILED, Actor.PROVIDER, _K.WITHDRAWAL_RELEASE),
    Transition(_S.COMPLETED, _A.RETURN, _S.RETURNED, Actor.PROVIDER, _K.WITHDRAWAL_RETURN),
)
"""Every step that there is; `docs/withdrawals.md` draws it, and a test compares the two."""

OPEN: Final = frozenset({_S.REQUESTED, _S.IN_REVIEW, _S.APPROVED, _S.SUBMITTED})
"""Money is on hold in these."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Record a step that was taken, by whom (the id of a person, RULE, or the provider) and why."""

    action: WithdrawalAction
    at_ms: int
    by: str
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Sending:
    """Record how the payout was sent: written before each call, so that none is forgotten.

    `sends` counts them; `key_since_ms` is the time of the first one that the provider's idempotency key covers;
    `refusal` is why the provider refused, when that does not prove that an earlier call was not carried out.
    """

    sends: int
    key_since_ms: int
    last_ms: int
    draft: Draft | None = None
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Describe a withdrawal; units are of the wallet's asset.

    `units` go to the destination and `fee_units` to the house; both are on hold until it ends. Nothing is sent before
    `submit_after_ms`, and nothing is done about it before `not_before_ms`. `quota_day` is the day whose count it takes
    part in, empty where nothing is counted.
    """

    flow_id: str
    owner_id: str
    wallet_id: str
    provider: Provider
    environment: Environment
    asset: Asset
    units: int
    fee_units: int
    destination: Destination
    created_at_ms: int
    submit_after_ms: int
    quota_day: str
    hold_transfer_id: str
    state: WithdrawalState = WithdrawalState.REQUESTED
    history: tuple[Taken, ...] = ()
    sending: Sending | None = None
    payout_id: str | None = None
    failure: str | None = None
    checks: int = 0
    not_before_ms: int = 0
    alerted_at_ms: int = 0
    alerted_of: str | None = None
    version: int = 0

    @property
    def total_units(self) -> int:
        """Give all that is on hold for it."""
        return self.units + self.fee_units

    @property
    def is_open(self) -> bool:
        """Tell whether money is on hold for it."""
        return self.state in OPEN

    @property
    def amount(self) -> Amount:
        """Give what goes to the destination, in major units."""
        return Amount(from_minor(self.units, self.asset.scale), self.asset.code)

    @property
    def hold_id(self) -> str:
        """Name the account that holds its money."""
        return HOLD_PREFIX + self.flow_id

    @property
    def hold(self) -> Account:
        """Describe that account as it is when new; the withdrawal owns it."""
        return Account(
            account_id=self.hold_id,
            owner_id=self.flow_id,
            asset=self.asset,
            created_at_ms=self.created_at_ms,
            head_hash=genesis(self.hold_id, self.asset.code),
            kind=AccountKind.HOLD,
        )

    @property
    def decided_by(self) -> str | None:
        """Name who approved it, if it was approved."""
        return next((taken.by for taken in self.history if taken.action is WithdrawalAction.APPROVE), None)

    @property
    def transfer_ids(self) -> list[str]:
        """Name every movement that was made for it, the hold first."""
        kinds = [posted_by(taken.action) for taken in self.history[1:]]
        return [self.hold_transfer_id, *(self.claim(kind).key.transfer_id for kind in kinds if kind)]

    def claim(self, kind: TransferKind) -> Claim:
        """Name the one movement of a kind that it can have after its hold, which happens under its client's key."""
        key = IdempotencyKey("withdrawal", self.environment, self.flow_id, action=kind)
        return Claim(key, digest("tallystick/withdrawal/1", self.flow_id, kind, str(self.total_units)))

    def taken(
        self, action: WithdrawalAction, *, at_ms: int, by: str, note: str | None = None
    ) -> tuple["Withdrawal", TransferKind | None]:
        """Give what it becomes by a step, and the movement that has to be written with it.

        Raises:
            IllegalTransition: its state does not allow that.
        """
        allowed = (transition for transition in TRANSITIONS if (transition.actor is Actor.RULE) == (by == RULE))
        transition = find(allowed, self.state if self.history else None, action)
        step = Taken(action, at_ms, by, note)
        following = replace(
            self,
            state=transition.after,
            history=(*self.history, step),
            not_before_ms=max(at_ms, self.submit_after_ms),
            version=self.version + 1,
        )
        return following, transition.posts

    def touched(self) -> "Withdrawal":
        """Give its next version, the same otherwise: what is written with it is refused once it has changed."""
        return replace(self, version=self.version + 1)


def posted_by(action: WithdrawalAction) -> TransferKind | None:
    """Name the movement that an action is, whatever the state."""
    return next(transition.posts for transition in TRANSITIONS if transition.action is action)


def actor_of(taken: Taken) -> Actor:
    """Say in what part somebody took a step."""
    parts = [transition.actor for transition in TRANSITIONS if transition.action is taken.action]
    return next(part for part in parts if (part is Actor.RULE) == (taken.by == RULE))


def withdrawal_id(key: IdempotencyKey) -> str:
    """Name the withdrawal that is asked for under an idempotency key."""
    return f"{PREFIX}{digest('tallystick/withdrawal-id/1', key.digest)[:32]}"
