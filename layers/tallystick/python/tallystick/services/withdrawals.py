"""Ask for money to leave, show what becomes of it, and take the request back."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from tallystick.domain.accounts import Account, Status
from tallystick.domain.callers import Caller, Role
from tallystick.domain.destinations import Destination
from tallystick.domain.errors import (
    AccountNotActive,
    AssetMismatch,
    InvariantViolated,
    NotFound,
    TooMuchContention,
)
from tallystick.domain.money import parse_amount
from tallystick.domain.posting import Leg, Order
from tallystick.domain.quotas import Used
from tallystick.domain.transfers import Claim, IdempotencyKey, TransferKind
from tallystick.domain.webhooks import Environment, Provider
from tallystick.domain.withdrawal_rules import WithdrawalRules, quota_key
from tallystick.domain.withdrawals import PREFIX, Withdrawal, WithdrawalAction, WithdrawalState, withdrawal_id
from tallystick.services.ledger import FlowChanged, Movement, Receipt, post
from tallystick.services.ports.agenda import Queue
from tallystick.services.ports.flows import Flows, Quotas, Withdrawals
from tallystick.services.ports.paging import Page
from tallystick.services.ports.payouts import Payer
from tallystick.services.ports.wallets import Wallets
from tallystick.services.settling import Books
from tallystick.services.steps import Step, announce, find_withdrawal, take
from tallystick.services.wallets import existing, visible

MAX_ATTEMPTS: Final = 3
"""Tries of a step that meets other steps of the same withdrawal, or of a first use of the same destination."""


@dataclass(frozen=True, slots=True)
class Window:
    """Hold what asking for a withdrawal by one provider needs; rules by asset."""

    books: Books
    rules: Mapping[str, WithdrawalRules]
    provider: Provider
    environment: Environment
    payer: Payer
    queue: Queue
    quotas: Quotas


@dataclass(frozen=True, slots=True)
class WithdrawalRequest:
    """Ask to send a decimal amount out of a wallet; the fee comes on top."""

    wallet_id: str
    amount: str
    destination: Destination


@dataclass(frozen=True, slots=True)
class Quote:
    """Say what a withdrawal would be, what its wallet has, and what is left of the day for its owner."""

    withdrawal: Withdrawal
    rules: WithdrawalRules
    available_units: int
    used: Used


def request(
    *, window: Window, caller: Caller, claim: Claim, request: WithdrawalRequest, now_ms: int
) -> tuple[Withdrawal, bool]:
    """Put money on hold to be sent out; answer the withdrawal and whether the key had asked for it before.

    Raises:
        NotFound: the wallet is not the caller's.
        AssetMismatch, InvalidAmount, ProviderRefused: it cannot be withdrawn so.
        LimitExceeded: more than the owner may withdraw in a day.
        Refusal: and what `ledger.post` raises.
    """
    for _ in range(MAX_ATTEMPTS):
        try:
            receipt = _hold(window, caller, claim, request, now_ms)
        except FlowChanged:
            continue  # another withdrawal has just used the destination for the first time
        withdrawal = receipt.flow or find_withdrawal(window.books.flows, withdrawal_id(claim.key))
        if not isinstance(withdrawal, Withdrawal):
            raise InvariantViolated("a hold was posted without its withdrawal")
        announce(window.queue, withdrawal)
        return withdrawal, receipt.replayed
    raise TooMuchContention("The destination was used each time; send the same request again.")


def quote(
    *,
    window: Window,
    wallets: Wallets,
    caller: Caller,
    request: WithdrawalRequest,
    now_ms: int,
) -> Quote:
    """Work out what a request would become, with the code that would make it; nothing is written.

    Raises:
        Refusal: what `request` would raise before it looks at the balance and at what was withdrawn today.
    """
    wallet = visible(wallets, caller, request.wallet_id)
    if wallet.status is not Status.ACTIVE:
        raise AccountNotActive(wallet.account_id, wallet.status)
    known = window.books.flows.find(_destination_key(caller, request))
    withdrawal = _withdrawal(window, caller, None, request, wallet, _first_use(window, known, now_ms), now_ms)
    day = window.rules[wallet.asset.code].quota_day(now_ms)
    used = window.quotas.used(quota_key(caller.caller_id, wallet.asset, day)) if day else Used()
    return Quote(withdrawal, window.rules[wallet.asset.code], wallet.balance, used)


def get(*, flows: Flows, caller: Caller, flow_id: str) -> Withdrawal:
    """Show a withdrawal to its owner, to SERVICE and to ADMIN.

    Raises:
        NotFound: none, or somebody else's.
    """
    return seen(flows, caller, flow_id, Role.SERVICE, Role.ADMIN)


def seen(flows: Flows, caller: Caller, flow_id: str, *roles: Role) -> Withdrawal:
    """Read a withdrawal that is the caller's own, or that one of these roles lets them see.

    Raises:
        NotFound: none, or somebody else's.
    """
    withdrawal = find_withdrawal(flows, flow_id) if flow_id.startswith(PREFIX) else None
    if withdrawal is None:
        raise NotFound("withdrawal")
    caller.require_sight("withdrawal", withdrawal.owner_id, *roles)
    return withdrawal


def list_owned(*, flows: Withdrawals, caller: Caller, limit: int, after: str | None) -> Page[Withdrawal]:
    """List the caller's own withdrawals, newest first."""
    return flows.owned_by(caller.caller_id, limit, after)


def cancel(*, books: Books, caller: Caller, flow_id: str, now_ms: int) -> Withdrawal:
    """Take a request back and give the money back, while nothing was sent; again it changes nothing. For its owner.

    Raises:
        NotFound: none, or somebody else's.
        IllegalTransition: it was submitted, or it is at its end; carries `state`.
    """
    for _ in range(MAX_ATTEMPTS):
        withdrawal = seen(books.flows, caller, flow_id)
        if withdrawal.state is WithdrawalState.CANCELLED:
            return withdrawal
        following, posts = withdrawal.taken(WithdrawalAction.CANCEL, at_ms=now_ms, by=caller.caller_id)
        stepped = take(books=books, step=Step(following, posts), now_ms=now_ms)
        if stepped:
            return stepped.withdrawal
    raise TooMuchContention("The withdrawal changed each time; send the same request again.")


def _hold(window: Window, caller: Caller, claim: Claim, request: WithdrawalRequest, now_ms: int) -> Receipt:
    key = _destination_key(caller, request)
    known = window.books.flows.find(key)
    first_use_ms = _first_use(window, known, now_ms)

    def compose(accounts: Mapping[str, Account]) -> Order:
        wallet = existing(accounts, request.wallet_id)
        caller.require_sight("wallet", wallet.owner_id)
        withdrawal = _withdrawal(window, caller, claim.key, request, wallet, first_use_ms, now_ms)
        total = withdrawal.total_units
        quota = window.rules[wallet.asset.code].quota(withdrawal)
        if quota and not quota.fits(Used()):
            raise quota.refusal(window.quotas.used(quota.key))
        return Order(
            claim=claim,
            kind=TransferKind.WITHDRAWAL_HOLD,
            asset=wallet.asset,
            legs=(Leg(wallet.account_id, -total), Leg(withdrawal.hold_id, total)),
            metadata={"withdrawal_id": withdrawal.flow_id},
            opens=(withdrawal.hold,),
            flow=withdrawal,
            references=() if known else (key,),
            held={wallet.account_id: total},
            quota=quota,
        )

    return post(ledger=window.books.ledger, movement=Movement(claim, (request.wallet_id,), compose), now_ms=now_ms)


def _withdrawal(
    window: Window,
    caller: Caller,
    key: IdempotencyKey | None,
    request: WithdrawalRequest,
    wallet: Account,
    first_use_ms: int,
    now_ms: int,
) -> Withdrawal:
    """Describe what is asked for as it would be stored, and decide as far as rules can."""
    rules = window.rules.get(wallet.asset.code)
    if rules is None:
        raise AssetMismatch(f"{wallet.asset.code} cannot be withdrawn here.")
    units = parse_amount(request.amount, wallet.asset)
    rules.check(units)
    submit_after_ms = max(now_ms, first_use_ms + rules.delay_ms)
    described = Withdrawal(
        flow_id=withdrawal_id(key) if key else PREFIX,
        owner_id=wallet.owner_id,
        wallet_id=wallet.account_id,
        provider=window.provider,
        environment=window.environment,
        asset=wallet.asset,
        units=units,
        fee_units=rules.fee(units),
        destination=request.destination,
        created_at_ms=now_ms,
        submit_after_ms=submit_after_ms,
        quota_day=rules.quota_day(now_ms),
        hold_transfer_id=key.transfer_id if key else "",
    )
    window.payer.check(described)
    requested, _ = described.taken(WithdrawalAction.REQUEST, at_ms=now_ms, by=caller.caller_id)
    return replace(rules.decide(requested, now_ms), version=0)


def _destination_key(caller: Caller, request: WithdrawalRequest) -> str:
    return f"destination:{request.destination.digest_for(caller.caller_id)}"


def _first_use(window: Window, known: str | None, now_ms: int) -> int:
    """Say when the owner asked for a withdrawal to this destination for the first time."""
    first = find_withdrawal(window.books.flows, known) if known else None
    return first.created_at_ms if first else now_ms
