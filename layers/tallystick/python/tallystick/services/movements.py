"""Credit, debit, transfer and reverse: say who may, and turn a request into an order for the ledger."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tallystick.domain.accounts import Account, is_tallied, tallied_account
from tallystick.domain.callers import Caller, Role
from tallystick.domain.errors import AssetMismatch, InvalidRequest, NotFound, NotReversible, ServiceLimitExceeded
from tallystick.domain.money import Asset, parse_amount
from tallystick.domain.posting import Leg, Order
from tallystick.domain.transfers import (
    REVERSIBLE,
    TRANSFER_ID,
    TRANSFER_PREFIX,
    Claim,
    Transfer,
    TransferKind,
)
from tallystick.services.ledger import Ledger, Movement, Receipt, post, replay_or_refuse
from tallystick.services.ports.ledger import Book
from tallystick.services.wallets import existing


@dataclass(frozen=True, slots=True)
class ServiceMovement:
    """Ask to credit or debit a wallet against a tallied account; the amount is a decimal string."""

    wallet_id: str
    amount: str
    reference: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WalletTransfer:
    """Ask to move a decimal amount from one wallet to another of the same asset."""

    source: str
    destination: str
    amount: str
    metadata: dict[str, str] = field(default_factory=dict)


def credit(*, ledger: Ledger, caller: Caller, claim: Claim, request: ServiceMovement, now_ms: int) -> Receipt:
    """Bring money into a wallet. For SERVICE.

    Raises:
        Forbidden, NotFound, InvalidAmount, ServiceLimitExceeded: and what `ledger.post` raises.
    """
    return _against_tallied(TransferKind.CREDIT, ledger, caller, claim, request, now_ms)


def debit(*, ledger: Ledger, caller: Caller, claim: Claim, request: ServiceMovement, now_ms: int) -> Receipt:
    """Take money out of a wallet. For SERVICE.

    Raises:
        Forbidden, NotFound, InvalidAmount, ServiceLimitExceeded: and what `ledger.post` raises.
    """
    return _against_tallied(TransferKind.DEBIT, ledger, caller, claim, request, now_ms)


def transfer(*, ledger: Ledger, caller: Caller, claim: Claim, request: WalletTransfer, now_ms: int) -> Receipt:
    """Move money between two wallets. For the owner of the source and for SERVICE.

    Raises:
        NotFound, AssetMismatch, InvalidAmount, ServiceLimitExceeded: and what `ledger.post` raises.
    """

    def compose(accounts: Mapping[str, Account]) -> Order:
        if request.source == request.destination:
            raise InvalidRequest([{"detail": "Source and destination are the same wallet.", "pointer": "/destination"}])
        source = existing(accounts, request.source)
        caller.require_sight("wallet", source.owner_id, Role.SERVICE)
        destination = existing(accounts, request.destination)
        if source.asset != destination.asset:
            raise AssetMismatch(f"The source holds {source.asset.code}, the destination {destination.asset.code}.")
        units = parse_amount(request.amount, source.asset)
        if not caller.owns(source.owner_id):
            _check_limit(ledger, units, source.asset)
        return Order(
            claim=claim,
            kind=TransferKind.TRANSFER,
            asset=source.asset,
            legs=(Leg(request.source, -units), Leg(request.destination, units)),
            metadata=request.metadata,
        )

    return post(ledger=ledger, movement=Movement(claim, (request.source, request.destination), compose), now_ms=now_ms)


def reverse(
    *, ledger: Ledger, caller: Caller, claim: Claim, transfer_id: str, metadata: dict[str, str], now_ms: int
) -> Receipt:
    """Undo a credit, debit or transfer as a new movement, once. For SERVICE and ADMIN; frozen wallets let it pass.

    Raises:
        Forbidden, NotFound, NotReversible, AlreadyReversed: and what `ledger.post` raises.
    """
    caller.require(Role.SERVICE, Role.ADMIN)
    original = find_transfer(ledger.book, transfer_id)
    if original is None:
        return replay_or_refuse(book=ledger.book, claim=claim, refusal=NotFound("transfer"))
    if original.kind not in REVERSIBLE:
        refusal = NotReversible(f"A {original.kind} cannot be reversed.", kind=original.kind)
        return replay_or_refuse(book=ledger.book, claim=claim, refusal=refusal)
    return post(ledger=ledger, movement=_reversal(claim, original, metadata), now_ms=now_ms)


def get_transfer(*, book: Book, caller: Caller, transfer_id: str) -> tuple[Transfer, str | None]:
    """Show a transfer to its parties, SERVICE and ADMIN, with the id of its reversal if there is one.

    Raises:
        NotFound: none, or the caller has no part in it.
    """
    transfer = find_transfer(book, transfer_id)
    if transfer is None or not _may_see(caller, transfer):
        raise NotFound("transfer")
    return transfer, book.reversed_by(transfer_id)


def find_transfer(book: Book, transfer_id: str) -> Transfer | None:
    """Read a transfer by its id; voided keys are none."""
    record = book.record(transfer_id.removeprefix(TRANSFER_PREFIX)) if TRANSFER_ID.fullmatch(transfer_id) else None
    return record if isinstance(record, Transfer) else None


def _may_see(caller: Caller, transfer: Transfer) -> bool:
    return any(caller.may_see(posting.owner_id, Role.SERVICE, Role.ADMIN) for posting in transfer.postings)


def _against_tallied(
    kind: TransferKind, ledger: Ledger, caller: Caller, claim: Claim, request: ServiceMovement, now_ms: int
) -> Receipt:
    caller.require(Role.SERVICE)

    def compose(accounts: Mapping[str, Account]) -> Order:
        wallet = existing(accounts, request.wallet_id)
        units = parse_amount(request.amount, wallet.asset)
        _check_limit(ledger, units, wallet.asset)
        signed = units if kind is TransferKind.CREDIT else -units
        counter = tallied_account(request.reference, wallet.asset.code)
        return Order(
            claim=claim,
            kind=kind,
            asset=wallet.asset,
            legs=(Leg(request.wallet_id, signed), Leg(counter, -signed)),
            reference=request.reference,
            metadata=request.metadata,
        )

    return post(ledger=ledger, movement=Movement(claim, (request.wallet_id,), compose), now_ms=now_ms)


def _check_limit(ledger: Ledger, units: int, asset: Asset) -> None:
    limit = ledger.service_limits.get(asset.code)
    if limit is not None and units > parse_amount(limit, asset):
        raise ServiceLimitExceeded(
            f"A service moves at most {limit} {asset.code} in one call.", limit=limit, asset=asset.code
        )


def _reversal(claim: Claim, original: Transfer, metadata: dict[str, str]) -> Movement:
    guarded = tuple(leg.account_id for leg in original.postings if not is_tallied(leg.account_id))
    order = Order(
        claim=claim,
        kind=TransferKind.REVERSAL,
        asset=Asset(original.asset, original.scale),
        legs=tuple(Leg(posting.account_id, -posting.units) for posting in original.postings),
        reference=original.reference,
        metadata=metadata,
        reverses=original.transfer_id,
    )
    return Movement(claim, guarded, lambda _accounts: order, reverses=original.transfer_id)
