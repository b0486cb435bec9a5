"""Judge what a provider answers when it is told to pay out, or asked how a payout stands."""

from http import HTTPStatus
from typing import Final

from pydantic import ValidationError

from tallystick.adapters.providers.http import Reply
from tallystick.adapters.providers.reading import D
from tallystick.domain.errors import InvalidAmount, ProviderRefused, ProviderUnavailable
from tallystick.domain.money import Asset, exact_units, from_minor
from tallystick.domain.payouts import Outcome, Report
from tallystick.domain.withdrawals import Withdrawal

SETTLE_MS: Final = 3_600_000
"""A call whose answer was lost has long ended by then."""

_REFUSALS: Final = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.PAYMENT_REQUIRED,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
"""Nothing was made of a call that is answered so. Under 401 and 403 it is our key that is not taken: not for now."""


def refusal(reply: Reply, model: type[D]) -> D | None:
    """Read why nothing was made of a call, if that is what the provider says, as it documents it."""
    if reply.status not in _REFUSALS:
        return None
    try:
        return model.model_validate(reply.body)
    except ValidationError:
        return None


def granted(reply: Reply, model: type[D]) -> D:
    """Read an answer that grants what was asked for.

    Raises:
        ProviderUnavailable: it does not, or is not what the provider documents.
    """
    if reply.status >= HTTPStatus.BAD_REQUEST:
        raise unclear(reply)
    return reply.read(model)


def unclear(reply: Reply) -> ProviderUnavailable:
    """Say that an answer proves nothing."""
    return ProviderUnavailable(
        f"{reply.provider} answered {reply.status}, which proves nothing; try again.", provider=reply.provider
    )


def nothing_found(withdrawal: Withdrawal, now_ms: int) -> Report:
    """Conclude from a search that found nothing; a payout that was seen before cannot be absent."""
    sending = withdrawal.sending
    proved = withdrawal.payout_id is None and sending is not None and now_ms - sending.last_ms >= SETTLE_MS
    return Report(Outcome.ABSENT if proved else Outcome.UNCLEAR, withdrawal.payout_id)


def units_of(withdrawal: Withdrawal, decimals: int) -> int:
    """Give what is paid out, in whole units of so many decimals.

    Raises:
        ProviderRefused: it is finer than that.
    """
    asset = withdrawal.asset
    try:
        return exact_units(from_minor(withdrawal.units, asset.scale), Asset(asset.code, decimals))
    except InvalidAmount as fault:
        raise ProviderRefused(fault.detail, provider=withdrawal.provider) from fault
