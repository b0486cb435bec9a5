"""Build what the totals of tallied accounts need."""

from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any

from tallystick.adapters.clock import pause
from tallystick.domain.money import parse_amount
from tallystick.domain.spikes import SpikeRule
from tallystick.services.spiking import SpikeWatch
from tallystick.services.tallying import TallyOffice
from tallystick.settings import SpikeSetting
from tallystick.wiring import alerts, settings, tables

if TYPE_CHECKING:
    from tallystick.adapters.dynamo.tallies import DynamoTallies
    from tallystick.domain.money import Asset
    from tallystick.domain.transfers import Transfer


@cache
def tallies() -> "DynamoTallies":
    """Connect to the totals."""
    from tallystick.adapters.dynamo.tallies import DynamoTallies

    return DynamoTallies(tables("operations_table"))


@cache
def office() -> TallyOffice:
    """Connect what tallying a stream needs."""
    return TallyOffice(tallies(), spike_watch(), pause)


@cache
def spike_watch() -> SpikeWatch:
    """Connect what watching for spikes of credits needs."""
    from tallystick.adapters.dynamo.spikes import DynamoSpikes

    assets = settings().assets
    rules = {code: _rule(assets[code], setting) for code, setting in settings().credit_spikes.items()}
    return SpikeWatch(DynamoSpikes(tables("operations_table")), alerts(), rules)


def _rule(asset: "Asset", setting: SpikeSetting) -> SpikeRule:
    return SpikeRule(
        floor_units=parse_amount(setting.floor, asset),
        owner_floor_units=parse_amount(setting.owner_floor, asset),
        factor=Fraction(setting.factor),
        window_ms=setting.window_s * 1000,
    )


def read_transfer(image: Mapping[str, Any]) -> "Transfer":
    """Read what the stream of transfers reports; raises InvariantViolated when it cannot be read."""
    from tallystick.adapters.dynamo.streams import transfer

    return transfer(image)
