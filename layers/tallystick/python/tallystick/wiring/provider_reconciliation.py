"""Build what comparing providers' books with ours needs."""

from functools import cache
from typing import TYPE_CHECKING

from tallystick.domain.webhooks import Provider
from tallystick.services.differences import Fetching
from tallystick.services.provider_reconciliation import Desk, Terms
from tallystick.wiring import alerts, settings, tables
from tallystick.wiring.webhooks import grace_ms, payer, queue, speaking_with

if TYPE_CHECKING:
    from tallystick.adapters.dynamo.differences import DynamoDifferences, DynamoRuns
    from tallystick.adapters.dynamo.flows import DynamoFlows
    from tallystick.adapters.dynamo.inbox import DynamoInbox
    from tallystick.services.ports.provider_records import ProviderRecords


@cache
def desk() -> Desk:
    """Connect what comparing needs."""
    terms = {
        name: Terms(setting.environment, setting.ageing_s * 1000) for name, setting in settings().providers.items()
    }
    return Desk(_flows(), records, payer, differences(), runs(), alerts(), terms)


@cache
def fetching() -> Fetching:
    """Connect what fetching needs."""
    environments = {name: setting.environment for name, setting in settings().providers.items()}
    return Fetching(differences(), records, environments, _inbox(), queue(), grace_ms())


@cache
def records(provider: Provider) -> "ProviderRecords | None":
    """Prepare to read a provider's books, if it has any to be read.

    Raises:
        NotFound: the provider is not configured.
    """
    from tallystick.adapters.providers.registry import records as make

    return speaking_with(provider, make)


@cache
def differences() -> "DynamoDifferences":
    """Connect to the differences."""
    from tallystick.adapters.dynamo.differences import DynamoDifferences

    tables("operations_table")
    return DynamoDifferences()


@cache
def runs() -> "DynamoRuns":
    """Connect to what is remembered of runs."""
    from tallystick.adapters.dynamo.differences import DynamoRuns

    tables("operations_table")
    return DynamoRuns()


def every_ms() -> int:
    """Say how often books are compared."""
    return settings().jobs.get("provider_reconciler", 3600) * 1000


@cache
def _flows() -> "DynamoFlows":
    from tallystick.adapters.dynamo.flows import DynamoFlows

    return DynamoFlows(tables("flows_table"))


@cache
def _inbox() -> "DynamoInbox":
    from tallystick.adapters.dynamo.inbox import DynamoInbox

    return DynamoInbox(tables("inbox_table", "audit_table"))
