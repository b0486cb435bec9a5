"""Build what withdrawals need, from their request to their payout."""

from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING

from tallystick.domain.money import parse_amount
from tallystick.domain.webhooks import Provider
from tallystick.domain.withdrawal_rules import WithdrawalRules
from tallystick.services.payouts import PayoutOffice
from tallystick.services.withdrawals import Window
from tallystick.settings import WithdrawalSetting
from tallystick.wiring import alerts, breakers, region, settings, tables
from tallystick.wiring.webhooks import books, payer, provider_setting

if TYPE_CHECKING:
    from tallystick.adapters.dynamo.flows import DynamoFlows
    from tallystick.adapters.dynamo.quotas import DynamoQuotas
    from tallystick.adapters.queue import SqsQueue
    from tallystick.domain.money import Asset


@cache
def window(provider: Provider) -> Window:
    """Connect what asking for a withdrawal by a provider needs.

    Raises:
        NotFound: the provider is not configured.
        ProviderRefused: the provider pays nobody out for us.
    """
    environment = provider_setting(provider).environment
    return Window(books(), rules(), provider, environment, payer(provider), queue(), quotas())


@cache
def payout_office() -> PayoutOffice:
    """Connect what paying out needs."""
    checks_ms = [seconds * 1000 for seconds in settings().payout_checks_s]
    return PayoutOffice(books(), payer, breakers(), alerts(), rules(), checks_ms)


@cache
def flows() -> "DynamoFlows":
    """Connect to the withdrawals."""
    from tallystick.adapters.dynamo.flows import DynamoFlows

    return DynamoFlows(tables("flows_table"))


@cache
def quotas() -> "DynamoQuotas":
    """Connect to the counts of the day."""
    from tallystick.adapters.dynamo.quotas import DynamoQuotas

    tables("operations_table")
    return DynamoQuotas()


@cache
def queue() -> "SqsQueue":
    """Connect to the queue of payouts."""
    from tallystick.adapters.queue import SqsQueue

    (queue_url,) = settings().require("payout_queue_url")
    return SqsQueue(queue_url, region())


@cache
def rules() -> Mapping[str, WithdrawalRules]:
    """Give the rules of each asset that can be withdrawn."""
    assets = settings().assets
    return {code: _rules(assets[code], setting) for code, setting in settings().withdrawals.items()}


def _rules(asset: "Asset", setting: WithdrawalSetting) -> WithdrawalRules:
    def units(text: str | None) -> int | None:
        return None if text is None else parse_amount(text, asset)

    return WithdrawalRules(
        asset=asset,
        automatic_units=units(setting.automatic) or 0,
        min_units=units(setting.min) or 1,
        max_units=units(setting.max),
        daily_units=units(setting.daily_amount),
        daily_count=setting.daily_count,
        delay_ms=setting.new_destination_delay_s * 1000,
        fee_units=units(setting.fee) or 0,
        fee_rate=Fraction(setting.fee_percent) / 100,
    )
