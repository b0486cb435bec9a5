"""Read payments as Horizon lists them."""

from typing import Any, Final

from pydantic import Field

from tallystick.adapters.providers.reading import Document, ExactText, Id, Name, Text
from tallystick.domain.money import Amount
from tallystick.domain.webhooks import EventRejected, Paid
from tallystick.settings import ProviderSetting

ANY_ASSET: Final = "*"
"""Stands in the setting's addresses for every asset that has none of its own."""

_MEMOS: Final = frozenset({"id", "text"})
_PAYMENTS: Final = frozenset({"payment", "path_payment_strict_receive", "path_payment_strict_send"})


class Memo(Document):
    """Describe what a transaction says of its payments."""

    successful: bool
    memo_type: Name
    memo: Text | None = None

    @property
    def references(self) -> tuple[str, ...]:
        """Name the order by the memo; hashes name none."""
        return (f"stellar:{self.memo}",) if self.memo and self.memo_type in _MEMOS else ()


class _Change(Document):
    to: Text | None = None


class Operation(Document):
    """Describe an operation that moves money; each type has its own name for who receives it."""

    id: Id
    type: Name
    transaction_successful: bool
    transaction_hash: Id
    to: Text | None = None
    account: Text | None = None
    into: Text | None = None
    amount: ExactText | None = None
    asset_type: Name | None = None
    asset_code: Text | None = None
    asset_issuer: Text | None = None
    asset_balance_changes: list[_Change] | None = None
    transaction: dict[str, Any] | None = Field(default=None)

    @property
    def receivers(self) -> set[str | None]:
        """Name who receives something."""
        match self.type:
            case "create_account":
                return {self.account}
            case "account_merge":
                return {self.into}
            case "invoke_host_function":
                return {change.to for change in self.asset_balance_changes or []}
        return {self.to}

    @property
    def asset(self) -> str:
        """Name the asset as settings do: `native`, or code and issuer."""
        return "native" if self.asset_type == "native" else f"{self.asset_code}:{self.asset_issuer}"


def ours(setting: ProviderSetting) -> frozenset[str]:
    """Give all addresses of ours."""
    return frozenset(setting.addresses.values())


def paid(operation: Operation, memo: Memo, setting: ProviderSetting) -> Paid | None:
    """Say what an operation paid us; one that failed or went elsewhere paid nothing.

    Raises:
        EventRejected: it brought us money in a way, or an asset, that is not taken.
    """
    arrived = operation.transaction_successful and memo.successful and operation.receivers & ours(setting)
    if not arrived:
        return None
    if operation.type not in _PAYMENTS or operation.amount is None:
        raise EventRejected("unsupported-operation", f"Money arrived by {operation.type}, which names no order.")
    asset = next((code for code, name in setting.assets.items() if name == operation.asset), None)
    if asset is not None and operation.to == setting.addresses.get(asset, setting.addresses.get(ANY_ASSET)):
        return Paid(operation.id, Amount(operation.amount, asset))
    if memo.memo_type == "id":
        raise EventRejected("asset-mismatch", f"{operation.asset} with a memo arrived where it is not taken.")
    return None
