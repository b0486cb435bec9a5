"""Read what providers say: strictly where it matters, exactly where it is money; other members are ignored."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final, NoReturn, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError

from tallystick.domain.money import MAX_DIGITS, MAX_UNITS
from tallystick.domain.webhooks import EventRejected, Fact, Notice, Paid, TakenBack

MAX_DECIMALS: Final = 36
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ID: Final = r"^[A-Za-z0-9_][A-Za-z0-9_.=:-]{0,199}$"
_DIGITS: Final = re.compile(rf"[0-9]{{1,{MAX_DIGITS}}}")
_DECIMAL: Final = re.compile(rf"[0-9]{{1,{MAX_DIGITS}}}(\.[0-9]{{1,{MAX_DECIMALS}}})?")


class Document(BaseModel, frozen=True, strict=True, extra="ignore"):
    """Hold those members of a provider's JSON object that are asked for."""


D = TypeVar("D", bound=Document)


def parse(text: bytes) -> Any:  # noqa: ANN401 (JSON)
    """Parse JSON in UTF-8; numbers with a fraction or an exponent become decimals.

    Raises:
        ValueError: it is none, or holds NaN, or what no computer should have to read.
    """
    try:
        return json.loads(text.decode(), parse_float=Decimal, parse_constant=_no_number)
    except (ArithmeticError, RecursionError) as error:
        raise ValueError("a number is too large, or it nests too deep") from error


def read(model: type[D], body: bytes) -> D:
    """Read the body of an event.

    Raises:
        EventRejected: it is not what the provider documents.
    """
    try:
        return model.model_validate(parse(body))
    except ValueError as error:
        raise unreadable(_faults(error)) from error


def understand(model: type[D], value: object) -> D:
    """Read a part of an event that was parsed before.

    Raises:
        EventRejected: it is not what the provider documents.
    """
    try:
        return model.model_validate(value)
    except ValueError as error:
        raise unreadable(_faults(error)) from error


def is_id(text: str) -> bool:
    """Tell whether a text can be an id."""
    return re.fullmatch(_ID, text) is not None


def unreadable(detail: str) -> EventRejected:
    """Say that an event is not what its provider documents."""
    return EventRejected("unreadable", detail)


def not_confirmed(notice: Notice) -> EventRejected:
    """Say that the provider does not stand by an event; its own list may lag behind what it has told."""
    detail = f"The provider does not confirm what its event {notice.event} says."
    return EventRejected("not-confirmed", detail, final=False)


def confirmed(notice: Notice, facts: Sequence[Fact | None]) -> Notice:
    """Put the facts as they are now in the place of those of an event.

    Raises:
        EventRejected: the event tells of money that is not among them.
    """
    now = tuple(fact for fact in facts if fact is not None)
    money = [fact for fact in now if isinstance(fact, Paid | TakenBack)]
    told = [fact for fact in notice.facts if isinstance(fact, Paid | TakenBack)]
    if (notice.confirm and not money) or not all(any(_bears_out(fact, claim) for fact in money) for claim in told):
        raise not_confirmed(notice)
    return replace(notice, facts=now, confirm=False)


def _bears_out(now: Paid | TakenBack, told: Paid | TakenBack) -> bool:
    """Allow that a claim was undone since the event, never that one which was undone is not any more."""
    if isinstance(now, TakenBack) and isinstance(told, TakenBack) and now.undone:
        return replace(told, undone=True) == now
    return now == told


def _faults(error: ValueError) -> str:
    """Name the places and faults, never the values: people read this who must not see them."""
    if not isinstance(error, ValidationError):
        return "The body is no JSON object in UTF-8 that can be read."
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults)


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _exact(value: object) -> Decimal:
    number = Decimal(value) if type(value) is int else value
    if not isinstance(number, Decimal) or not number.is_finite() or number.is_signed():
        raise ValueError("no amount")
    if number.adjusted() > MAX_DIGITS or int(number.as_tuple().exponent) < -MAX_DECIMALS:
        raise ValueError("an amount with too many digits")
    return number


def _exact_text(value: object) -> Decimal:
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
        raise ValueError("no amount")
    return Decimal(value)


def _from_digits(value: object) -> object:
    return int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else value


def _instant(value: object) -> int:
    if not isinstance(value, str):
        raise ValueError("no time")  # noqa: TRY004 (pydantic takes a ValueError for a fault of the input)
    at = datetime.fromisoformat(value)
    if at.tzinfo is None:
        raise ValueError("a time without a zone")
    return (at - _EPOCH) // timedelta(milliseconds=1)


def _storable(value: str) -> str:
    value.encode()  # half of a surrogate pair has no UTF-8
    return value


Id = Annotated[str, Field(pattern=_ID)]
"""An id as all providers make them; it can stand in a path as it is."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$")]
"""The name of an event, a status or a reason."""

Text = Annotated[str, Field(max_length=1000), AfterValidator(_storable)]
Currency = Annotated[str, Field(pattern=r"^[A-Za-z]{3}$"), AfterValidator(str.upper)]

Units = Annotated[int, Field(ge=0, le=MAX_UNITS)]
"""Whole units, as a JSON number."""

Digits = Annotated[int, BeforeValidator(_from_digits), Field(ge=0, le=MAX_UNITS)]
"""Whole units, as a JSON number or as text."""

Exact = Annotated[Decimal, BeforeValidator(_exact)]
"""A decimal as a JSON number."""

ExactText = Annotated[Decimal, BeforeValidator(_exact_text)]
"""A decimal as text."""

Instant = Annotated[int, BeforeValidator(_instant)]
"""An ISO 8601 time with its zone, as milliseconds since 1970."""


class Metadata(Document):
    """Hold what we gave along with an order."""

    deposit_id: Id | None = None

    @property
    def references(self) -> tuple[str, ...]:
        """Name the order, if it is one of ours."""
        return () if self.deposit_id is None else (self.deposit_id,)
