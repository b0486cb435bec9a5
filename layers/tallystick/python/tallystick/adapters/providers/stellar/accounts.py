"""Read accounts as Horizon shows them, and see whether one can receive a payment."""

import re
from typing import Annotated, Final

from pydantic import BeforeValidator, Field

from tallystick.adapters.providers.reading import Digits, Document, Name, Text
from tallystick.domain.destinations import Destination

DECIMALS: Final = 7
"""All amounts on Stellar have so many: the smallest is a stroop."""

MAX_STROOPS: Final = 2**63 - 1
NATIVE: Final = "native"
"""Names lumens in settings; other assets are named by code and issuer."""

_AMOUNT: Final = re.compile(rf"([0-9]{{1,12}})\.([0-9]{{{DECIMALS}}})")
_MEMO_REQUIRED: Final = ("config.memo_required", "MQ==")
"""The data entry by which an account says so, and `1` in base64 (SEP-29)."""


def _stroops(value: object) -> int:
    found = _AMOUNT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("no amount of seven decimals")
    return int(found[1] + found[2])


_Stroops = Annotated[int, BeforeValidator(_stroops)]
_Sequence = Annotated[Digits, Field(lt=2**63 - 1)]


class _Line(Document):
    """Describe a balance; one of lumens or of a pool's shares lacks most of it."""

    asset_type: Name
    asset_code: Text | None = None
    asset_issuer: Text | None = None
    balance: _Stroops
    limit: _Stroops | None = None
    buying_liabilities: _Stroops = 0
    is_authorized: bool = False

    def is_of(self, asset: str) -> bool:
        """Tell whether it is of an asset that has an issuer."""
        return asset == f"{self.asset_code}:{self.asset_issuer}"

    @property
    def room(self) -> int:
        """Give how much more it can take; offers to buy keep some of that."""
        return (self.limit or 0) - self.balance - self.buying_liabilities


class Account(Document):
    """Describe an account."""

    sequence: _Sequence
    balances: list[_Line]
    data: dict[str, Text]

    def objection(self, destination: Destination, asset: str, stroops: int) -> str | None:
        """Say why a payment cannot come to it, or should not, or nothing."""
        name, value = _MEMO_REQUIRED
        if destination.memo is None and self.data.get(name) == value:
            return "This account wants a memo that says for whom a payment is."
        if asset == NATIVE:
            return None
        line = next((line for line in self.balances if line.is_of(asset)), None)
        if line is None:
            return f"This account does not hold {asset}: it has no trustline for it."
        if not line.is_authorized:
            return f"The issuer of {asset} does not let this account hold it."
        return None if stroops <= line.room else f"This account takes less of {asset}: the limit of its trustline."
