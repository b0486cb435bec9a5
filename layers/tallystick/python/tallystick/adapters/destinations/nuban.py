"""Check account numbers of Nigerian banks: the CBN's Nigeria Uniform Bank Account Number."""

import re
from typing import Final

from tallystick.adapters.destinations import members
from tallystick.domain.destinations import Destination, DestinationType

_BANK: Final = re.compile(r"[0-9]{3}|[0-9]{5,6}")
_ACCOUNT: Final = re.compile(r"[0-9]{10}")
_CHECKED: Final = 3
_WEIGHTS: Final = (3, 7, 3) * 4


def check(bank_code: str, account_number: str, account_holder_name: str) -> Destination:
    """Describe a bank account.

    Raises:
        InvalidRequest: a code or number has other digits, or the name is missing.
    """
    if not _BANK.fullmatch(bank_code):
        raise members.refused("bank_code", "A bank's code has 3 digits; that of another institution has 5 or 6.")
    if not _ACCOUNT.fullmatch(account_number):
        raise members.refused("account_number", "An account number (NUBAN) has 10 digits.")
    # The check digit of another institution's number is computed over its code with the CBN, which need not be the
    # one in use: Paystack and others have codes of their own for them. So nothing can be said about it.
    if len(bank_code) == _CHECKED and account_number[-1] != _check_digit(bank_code + account_number[:-1]):
        raise members.refused("account_number", "This bank has no such account number: a digit of either is wrong.")
    name = members.holder(account_holder_name)
    return Destination(DestinationType.NUBAN, account_number, bank_code=bank_code, name=name)


def _check_digit(digits: str) -> str:
    weighted = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, digits, strict=True))
    return str(-weighted % 10)
