"""Order money in, and show orders."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from tallystick.domain.accounts import Account, Status
from tallystick.domain.callers import Caller, Role
from tallystick.domain.deposits import PREFIX, Deposit, deposit_id
from tallystick.domain.errors import (
    AccountNotActive,
    AssetMismatch,
    IdempotencyKeyReused,
    NotFound,
    Refusal,
    TooMuchContention,
)
from tallystick.domain.money import Asset, known_asset, parse_amount
from tallystick.domain.transfers import Claim
from tallystick.domain.webhooks import Environment, Provider
from tallystick.services.ports.flows import Flows
from tallystick.services.ports.providers import Checkout, Gateway
from tallystick.services.ports.wallets import Wallets
from tallystick.services.wallets import visible

MAX_ATTEMPTS: Final = 3
"""Tries of noting where to pay, when events of the order come at the same moment."""

_ONE_CURRENCY: Final = frozenset({Provider.PAYSTACK, Provider.STELLAR, Provider.STRIPE, Provider.TRUELAYER})
"""These deliver what is paid; the others sell one currency for another."""


@dataclass(frozen=True, slots=True)
class Counter:
    """Hold what ordering from one provider needs; `delivers` names its assets, if it does not deliver all."""

    wallets: Wallets
    flows: Flows
    assets: Mapping[str, Asset]
    provider: Provider
    environment: Environment
    gateway: Gateway
    delivers: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class DepositRequest:
    """Ask to pay a decimal amount of a currency into a wallet."""

    wallet_id: str
    amount: str
    currency: str


def order(
    *,
    counter: Counter,
    caller: Caller,
    claim: Claim,
    request: DepositRequest,
    now_ms: int,
    expires_at_ms: int,
) -> tuple[Deposit, bool]:
    """Create an order and prepare its payment; answer it and whether it was prepared before under its key.

    The order is written before the provider hears of it, so no payment can come for an order that is not there. When
    the answer is lost anywhere, the same key goes on where it was.

    Raises:
        NotFound: no such wallet of the caller's.
        AccountNotActive, InvalidAmount, AssetMismatch: the wallet cannot take it.
        IdempotencyKeyReused: the key was used for another order.
        ProviderUnavailable, ProviderRefused: the payment could not be prepared; the key can be used again.
    """
    wallet = visible(counter.wallets, caller, request.wallet_id)
    wanted = _deposit(counter, wallet, claim, request, now_ms, expires_at_ms)
    stored = _create_or_find(counter, wallet, request, wanted)
    if (stored.owner_id, stored.fingerprint) != (wanted.owner_id, wanted.fingerprint):
        raise IdempotencyKeyReused
    if stored.ready:
        return stored, True
    return _with_checkout(counter.flows, stored, counter.gateway.checkout(stored)), False


def get(*, flows: Flows, caller: Caller, flow_id: str) -> Deposit:
    """Show an order to its owner, to SERVICE and to ADMIN.

    Raises:
        NotFound: none, or somebody else's.
    """
    deposit = find_deposit(flows, flow_id) if flow_id.startswith(PREFIX) else None
    if deposit is None:
        raise NotFound("deposit")
    caller.require_sight("deposit", deposit.owner_id, Role.SERVICE, Role.ADMIN)
    return deposit


def find_deposit(flows: Flows, flow_id: str) -> Deposit | None:
    """Read an order; another flow is none."""
    found = flows.get(flow_id)
    return found if isinstance(found, Deposit) else None


def _create_or_find(counter: Counter, wallet: Account, request: DepositRequest, wanted: Deposit) -> Deposit:
    """Write an order; one whose payment was prepared is answered even if it could not be ordered any more."""
    try:
        _check(counter, wallet, request)
    except Refusal as refusal:
        stored = find_deposit(counter.flows, wanted.flow_id)
        if stored is None or not stored.ready:
            raise refusal from None
        return stored
    return counter.flows.create(wanted)


def _check(counter: Counter, wallet: Account, request: DepositRequest) -> None:
    if wallet.status is not Status.ACTIVE:
        raise AccountNotActive(wallet.account_id, wallet.status)
    if counter.delivers is not None and wallet.asset.code not in counter.delivers:
        raise AssetMismatch(f"{counter.provider} does not deliver {wallet.asset.code} here.")
    currency = known_asset(counter.assets, request.currency)
    if currency.code != wallet.asset.code and (counter.provider in _ONE_CURRENCY or currency.kind != "fiat"):
        raise AssetMismatch(f"The wallet holds {wallet.asset.code}; {counter.provider} pays in no {currency.code}.")
    parse_amount(request.amount, currency)


def _deposit(
    counter: Counter, wallet: Account, claim: Claim, request: DepositRequest, now_ms: int, expires_at_ms: int
) -> Deposit:
    return Deposit(
        flow_id=deposit_id(claim.key),
        owner_id=wallet.owner_id,
        wallet_id=wallet.account_id,
        provider=counter.provider,
        environment=counter.environment,
        asset=wallet.asset,
        expected=request.amount,
        currency=request.currency,
        fingerprint=claim.fingerprint,
        created_at_ms=now_ms,
        expires_at_ms=expires_at_ms,
    )


def _with_checkout(flows: Flows, deposit: Deposit, checkout: Checkout) -> Deposit:
    for _ in range(MAX_ATTEMPTS):
        if deposit.ready:
            return deposit
        ready = replace(
            deposit,
            checkout_url=checkout.url,
            instructions=checkout.instructions,
            references=tuple(dict.fromkeys((*deposit.references, *checkout.references))),
            ready=True,
            version=deposit.version + 1,
        )
        if flows.save(ready, checkout.references):
            return ready
        deposit = find_deposit(flows, deposit.flow_id) or deposit
    raise TooMuchContention("The order changed each time; send the same request again.")
