"""Speak with Stellar: payments to our address, which a memo assigns to orders, and an anchor's SEP-24 callbacks."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Final

from pydantic import Field

from tallystick.adapters.providers.base import ProviderGateway
from tallystick.adapters.providers.reading import (
    Document,
    Id,
    Name,
    confirmed,
    read,
    understand,
    unreadable,
)
from tallystick.adapters.providers.stellar.payments import ANY_ASSET, Memo, Operation, paid
from tallystick.domain.chain import digest
from tallystick.domain.deposits import Deposit
from tallystick.domain.errors import ProviderUnavailable
from tallystick.domain.webhooks import Notice, Provider
from tallystick.services.ports.providers import Checkout

MAX_OPERATIONS: Final = 200
"""Horizon's largest page; a transaction has at most 100."""

_MEMO_BITS: Final = 63


class _Anchored(Document):
    kind: Name
    status: Name
    stellar_transaction_id: Id | None = None


class _Body(Document):
    type: Name | None = None
    transaction: dict[str, Any]


class _Records(Document):
    records: list[Operation]


class _Page(Document):
    embedded: Annotated[_Records, Field(alias="_embedded")]


class StellarGateway(ProviderGateway):
    """Implement `tallystick.services.ports.Gateway`."""

    provider = Provider.STELLAR

    def read(self, body: bytes, query: Mapping[str, str]) -> Notice:  # noqa: ARG002 (the body says all)
        """Read a callback of an anchor, or a payment as Horizon lists it (with its transaction)."""
        told = read(_Body, body)
        return _callback(told.transaction) if told.type is None else self._payment(read(Operation, body))

    def confirm(self, notice: Notice) -> Notice:
        """Ask Horizon for the transaction and its payments; one that it does not know may still come."""
        path = f"/transactions/{notice.details['stellar_transaction_id']}"
        memo = self._http.get(path, {}).find(Memo)
        if memo is None:
            raise ProviderUnavailable("Horizon does not know the transaction yet; try again.", provider=self.provider)
        page = self._http.get(f"{path}/payments", {}, {"limit": str(MAX_OPERATIONS)}).read(_Page)
        told = notice.details.get("payment")
        operations = [operation for operation in page.embedded.records if told in {None, operation.id}]
        facts = [paid(operation, memo, self._setting) for operation in operations]
        return replace(confirmed(notice, facts), references=memo.references)

    def checkout(self, deposit: Deposit) -> Checkout:
        """Say where to pay to, and with which memo; nobody is asked."""
        code, _, issuer = self._their_asset(deposit).partition(":")
        memo = memo_of(deposit.flow_id)
        instructions = {
            "address": self._account(deposit.asset.code),
            "memo": memo,
            "memo_type": "id",
            "asset_code": code if issuer else deposit.asset.code,
            **({"asset_issuer": issuer} if issuer else {}),
            "amount": deposit.expected,
        }
        return Checkout(instructions=instructions, references=(f"stellar:{memo}",))

    def _payment(self, operation: Operation) -> Notice:
        memo = understand(Memo, operation.transaction)
        fact = paid(operation, memo, self._setting)
        return Notice(
            operation.type,
            memo.references,
            () if fact is None else (fact,),
            details={"stellar_transaction_id": operation.transaction_hash, "payment": operation.id},
        )

    def _account(self, asset: str) -> str:
        return self._address(asset if asset in self._setting.addresses else ANY_ASSET)


def memo_of(flow_id: str) -> str:
    """Derive an order's memo: a number that every wallet can send."""
    return str(int(digest("tallystick/stellar-memo/1", flow_id), 16) % 2**_MEMO_BITS)


def _callback(transaction: Mapping[str, Any]) -> Notice:
    """Read what an anchor says; only that it has paid matters, and how much is on the chain."""
    told = understand(_Anchored, transaction)
    event = f"{told.kind}_{told.status}"
    if event != "deposit_completed":
        return Notice(event)
    if told.stellar_transaction_id is None:
        raise unreadable("transaction.stellar_transaction_id: a deposit that is completed has one")
    details = {"stellar_transaction_id": told.stellar_transaction_id}
    return Notice(event, confirm=True, details=details)
