"""Check the ids that Stripe has for bank accounts and cards that money can be paid out to."""

import re
from typing import Final

from tallystick.adapters.destinations import members
from tallystick.domain.destinations import Destination, DestinationType

_ID: Final = re.compile(r"(ba|card)_[0-9A-Za-z]{1,64}")


def check(external_account: str) -> Destination:
    """Describe a bank account or card by its id.

    Raises:
        InvalidRequest: it is no id of either.
    """
    if not _ID.fullmatch(external_account):
        raise members.refused("external_account", "The id of a bank account begins with ba_, a card's with card_.")
    return Destination(DestinationType.STRIPE, external_account)
