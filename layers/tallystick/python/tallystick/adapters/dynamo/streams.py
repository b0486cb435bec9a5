"""Read what the streams of tables report."""

from collections.abc import Mapping
from typing import Any, Final

from tallystick.adapters.dynamo import items
from tallystick.adapters.dynamo.tables import TransferItem
from tallystick.domain.errors import InvariantViolated
from tallystick.domain.transfers import Transfer

_YEAR_10000_MS: Final = 253_402_300_800_000
_NEEDED: Final = ("key_source", "key_scope", "key_reference", "kind", "asset", "scale", "postings", "created_at_ms")


def transfer(image: Mapping[str, Any]) -> Transfer:
    """Read a transfer from its image.

    Raises:
        InvariantViolated: it is none, lacks something, or does not stand under its own key.
    """
    try:
        item = TransferItem.from_raw_data(dict(image))
        _check_complete(item)
        record = items.record(item)
    except (ArithmeticError, AttributeError, TypeError, ValueError) as fault:
        raise InvariantViolated("the record cannot be read") from fault
    if not isinstance(record, Transfer) or record.claim.key.digest != item.transfer_key:
        raise InvariantViolated("the record is no transfer that stands under its own key")
    return record


def _check_complete(item: TransferItem) -> None:
    missing = [name for name in _NEEDED if getattr(item, name) is None]
    if missing or any(posting.account_id is None or posting.units is None for posting in item.postings):
        raise InvariantViolated(f"the record lacks {', '.join(missing) or 'a part of a posting'}")
    if not 0 <= item.created_at_ms < _YEAR_10000_MS:
        raise InvariantViolated("the record has a time of no calendar")
