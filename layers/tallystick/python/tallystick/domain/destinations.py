"""Where withdrawn money goes."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from tallystick.domain.chain import digest


class DestinationType(StrEnum):
    """Name the kinds of accounts outside."""

    BITCOIN = "bitcoin"
    EVM = "evm"
    IBAN = "iban"
    NUBAN = "nuban"
    STELLAR = "stellar"
    STRIPE = "stripe"


MemoType = Literal["text", "id", "hash", "return"]


@dataclass(frozen=True, slots=True)
class Destination:
    """Name an account outside, checked and in its one canonical spelling.

    `account` is the address, the IBAN, the ten digits of a NUBAN, or the id that Stripe has for a bank account or
    card of ours. `bank_code` and `name` are of bank accounts, memos of Stellar.
    """

    type: DestinationType
    account: str
    bank_code: str | None = None
    name: str | None = None
    memo: str | None = None
    memo_type: MemoType | None = None

    def digest_for(self, owner_id: str) -> str:
        """Hash where it leads, for whom: the name of its holder does not matter."""
        parts = (self.type, self.account, self.bank_code or "", self.memo_type or "", self.memo or "")
        return digest("tallystick/destination/1", owner_id, *parts)
