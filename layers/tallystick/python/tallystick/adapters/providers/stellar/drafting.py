"""Sign payments on Stellar, and read why one failed.

stellar_sdk takes over a second to import: this is imported only when it is needed.
"""

from typing import Final

from stellar_sdk import (
    Account,
    Asset,
    HashMemo,
    IdMemo,
    Keypair,
    Memo,
    NoneMemo,
    ReturnHashMemo,
    TextMemo,
    TransactionBuilder,
    xdr,
)

from tallystick.adapters.providers.stellar.accounts import DECIMALS
from tallystick.adapters.providers.stellar.transactions import FAILED
from tallystick.domain.destinations import Destination
from tallystick.domain.money import format_units
from tallystick.domain.payouts import Draft

TIME_S: Final = 60
"""So long the network may take a payment: a dozen ledgers. After it, what is not there never will be."""

MAX_FEE_STROOPS: Final = 10_000
"""A thousandth of a lumen at most. What is charged is what the ledger asks of all, mostly 100: a payment that offers
no more waits when many want in."""


class Signer:
    """Hold the key of the account that pays."""

    def __init__(self, keypair: Keypair, network: str) -> None:
        """Take the key, for one network."""
        self._keypair = keypair
        self._network = network

    @property
    def account(self) -> str:
        """Give the account that it pays from."""
        return self._keypair.public_key

    def sign(self, *, sequence: int, destination: Destination, asset: str, stroops: int, now_ms: int) -> Draft:
        """Write and sign a payment that is valid from now on for a while; the account's last number was `sequence`."""
        expires_s = now_ms // 1000 + TIME_S
        code, _, issuer = asset.partition(":")
        builder = TransactionBuilder(Account(self.account, sequence), self._network, MAX_FEE_STROOPS)
        builder.append_payment_op(
            destination.account,
            Asset(code, issuer) if issuer else Asset.native(),
            format_units(stroops, DECIMALS),
        )
        envelope = builder.add_memo(_memo(destination)).add_time_bounds(0, expires_s).build()
        envelope.sign(self._keypair)
        return Draft(envelope.to_xdr(), envelope.hash_hex(), expires_s * 1000)


def signer(seed: str, network: str) -> Signer | None:
    """Read the seed (`S…`) of the account that pays; nothing if it is none."""
    try:
        return Signer(Keypair.from_secret(seed), network)
    except ValueError:
        return None


def failure(result_xdr: str) -> str:
    """Name why a payment failed in its ledger, in the words that Horizon has for it when it is sent."""
    try:
        result = xdr.TransactionResult.from_xdr(result_xdr).result
    except (ValueError, EOFError):
        return FAILED
    for operation in result.results or ():
        if operation.tr and operation.tr.payment_result:
            return operation.tr.payment_result.code.name.lower().replace("payment", "op", 1)
    return result.code.name.lower().replace("tx", "tx_", 1)


def _memo(destination: Destination) -> Memo:
    match destination.memo_type:
        case "text":
            return TextMemo(destination.memo or "")
        case "id":
            return IdMemo(int(destination.memo or ""))
        case "hash":
            return HashMemo(destination.memo or "")
        case "return":
            return ReturnHashMemo(destination.memo or "")
        case None:
            return NoneMemo()
