"""Check IBANs (ISO 13616)."""

import re
from typing import Final

from stdnum import iban as standard
from stdnum.exceptions import InvalidChecksum, ValidationError

from tallystick.adapters.destinations import members
from tallystick.domain.destinations import Destination, DestinationType

_LETTERS_AND_DIGITS: Final = re.compile(r"[0-9A-Za-z]+")
_CHECK_DIGITS: Final = slice(2, 4)
_WRONG_DIGITS: Final = "The check digits of this IBAN do not fit: a character is wrong."
_WRONG_STRUCTURE: Final = "There is no IBAN of this country and structure."


def check(iban: str, account_holder_name: str) -> Destination:
    """Describe a bank account; its IBAN is written in upper case without spaces.

    Raises:
        InvalidRequest: there is no such IBAN, or the name is missing.
    """
    account = _canonical(iban)
    return Destination(DestinationType.IBAN, account, name=members.holder(account_holder_name))


def _canonical(iban: str) -> str:
    # stdnum itself would take dashes, dots and the digits of other scripts.
    text = "".join(members.bounded(iban, "iban").split())
    if not _LETTERS_AND_DIGITS.fullmatch(text):
        raise members.refused("iban", "An IBAN has letters and digits only.")
    try:
        # Not by countries' own numbers: Belgium's list of banks is frozen in the library, and new ones open accounts.
        account = standard.validate(text, check_country=False)
    except InvalidChecksum:
        raise members.refused("iban", _WRONG_DIGITS) from None
    except ValidationError:
        raise members.refused("iban", _WRONG_STRUCTURE) from None
    # Modulo 97, 00 is as good as 97, and letters may stand for digits; only one way to write an account is taken.
    if account[_CHECK_DIGITS] != standard.calc_check_digits(account):
        raise members.refused("iban", _WRONG_DIGITS)
    return account
