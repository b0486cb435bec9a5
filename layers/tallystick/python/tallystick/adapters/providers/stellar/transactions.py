"""Read what Horizon says of transactions, and of the ledgers that it knows."""

from http import HTTPStatus
from typing import Annotated, Final, Literal

from pydantic import Field

from tallystick.adapters.providers.http import Reply
from tallystick.adapters.providers.payers import granted, refusal
from tallystick.adapters.providers.reading import D, Document, Id, Instant, Name, Text

FAILED: Final = "tx_failed"
_SUCCESS: Final = "op_success"


class Transaction(Document):
    """Describe a transaction that is in a ledger."""

    hash: Id
    successful: bool
    result_xdr: Text = ""


class _Codes(Document):
    transaction: Name
    operations: list[Name] = Field(default_factory=list)


class _Extras(Document):
    result_codes: _Codes


class Refusal(Document):
    """Describe why a transaction was not taken, or failed."""

    extras: _Extras

    @property
    def code(self) -> str:
        """Give the code of what failed: of the operation, if one did."""
        codes = self.extras.result_codes
        return next((code for code in codes.operations if code != _SUCCESS), codes.transaction)


class Root(Document):
    """Describe a Horizon: its network, and when the newest ledger that it knows was closed."""

    network_passphrase: Text
    history_latest_ledger_closed_at: Instant


class Ledger(Document):
    """Describe a ledger."""

    closed_at: Instant


class _Records(Document):
    records: list[Ledger]


class Ledgers(Document):
    """Hold a page of ledgers."""

    embedded: Annotated[_Records, Field(alias="_embedded")]


class _Missing(Document):
    type: Literal["https://stellar.org/horizon-errors/not_found"]


def found(reply: Reply, model: type[D]) -> D | None:
    """Read an answer, or nothing where Horizon itself says that there is no such thing.

    Raises:
        ProviderUnavailable: it is neither.
    """
    missing = reply.status == HTTPStatus.NOT_FOUND and refusal(reply, _Missing)
    return None if missing else granted(reply, model)
