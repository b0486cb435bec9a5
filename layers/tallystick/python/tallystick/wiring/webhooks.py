"""Build what taking, processing and ordering payments of providers needs."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from tallystick.domain.errors import NotFound
from tallystick.domain.webhooks import Provider
from tallystick.services.deposits import Counter
from tallystick.services.polling import Poll
from tallystick.services.processing import Office, Providers, Retries
from tallystick.services.receiving import Gate
from tallystick.services.settling import Books
from tallystick.settings import ProviderSetting
from tallystick.wiring import alerts, ledger, region, settings, tables, wallets

if TYPE_CHECKING:
    from tallystick.adapters.providers.keys import WebhookKeys
    from tallystick.adapters.queue import SqsQueue
    from tallystick.services.ports.flows import Flows
    from tallystick.services.ports.inbox import Inbox
    from tallystick.services.ports.payouts import Payer
    from tallystick.services.ports.providers import Gateway

Speaker = TypeVar("Speaker")


@cache
def flows() -> "Flows":
    """Connect to the flows."""
    from tallystick.adapters.dynamo.flows import DynamoFlows

    return DynamoFlows(tables("flows_table"))


@cache
def inbox() -> "Inbox":
    """Connect to the events of providers."""
    from tallystick.adapters.dynamo.inbox import DynamoInbox

    return DynamoInbox(tables("inbox_table"))


@cache
def queue() -> "SqsQueue":
    """Connect to the queue of events."""
    from tallystick.adapters.queue import SqsQueue

    (queue_url,) = settings().require("webhook_queue_url")
    return SqsQueue(queue_url, region())


@cache
def gate(provider: Provider) -> Gate:
    """Prepare what a call of a provider has to pass.

    Raises:
        NotFound: the provider is not configured.
    """
    from tallystick.adapters.providers.registry import seal

    setting = provider_setting(provider)
    tolerance_ms = None if setting.tolerance_s is None else setting.tolerance_s * 1000
    return Gate(setting.environment, seal(provider, setting), _webhook_keys(), setting.allowlist, tolerance_ms)


@cache
def gateway(provider: Provider) -> "Gateway":
    """Prepare to speak with a provider.

    Raises:
        NotFound: the provider is not configured.
    """
    from tallystick.adapters.providers.registry import gateway as make

    return speaking_with(provider, make)


@cache
def payer(provider: Provider) -> "Payer":
    """Prepare to pay out through a provider.

    Raises:
        NotFound: the provider is not configured.
        ProviderRefused: the provider pays nobody out for us.
    """
    from tallystick.adapters.providers.registry import payer as make

    return speaking_with(provider, make)


def providers() -> Providers:
    """Give what speaks with providers."""
    return Providers(gateway, payer)


def speaking_with(provider: Provider, make: Callable[..., Speaker]) -> Speaker:
    """Give it the provider's part of the configuration; keys are looked for when one is needed."""
    setting = provider_setting(provider)
    (public_url,) = settings().require("public_url")
    return make(provider, setting, lambda: _provider_keys()().get(provider, {}), settings().assets, public_url)


def provider_setting(provider: Provider) -> ProviderSetting:
    """Give a provider's configuration.

    Raises:
        NotFound: there is none.
    """
    setting = settings().providers.get(provider)
    if setting is None:
        raise NotFound("provider")
    return setting


@cache
def counter(provider: Provider) -> Counter:
    """Connect what ordering from a provider needs.

    Raises:
        NotFound: the provider is not configured.
    """
    setting = provider_setting(provider)
    return Counter(
        wallets=wallets(),
        flows=flows(),
        assets=settings().assets,
        provider=provider,
        environment=setting.environment,
        gateway=gateway(provider),
        delivers=frozenset(setting.assets) if setting.assets else None,
    )


def expiry_ms() -> int:
    """Say how long an order can be paid."""
    return settings().deposit_expiry_s * 1000


@cache
def books() -> Books:
    """Connect what settling needs."""
    return Books(ledger(), flows(), wallets().create)


@cache
def office() -> Office:
    """Connect what processing events needs."""
    chosen = settings()
    retries = Retries([seconds * 1000 for seconds in chosen.webhook_retries_s], grace_ms())
    return Office(inbox(), books(), alerts(), providers(), retries)


def grace_ms() -> int:
    """Say how late something may be done about an event before a sweep queues it again."""
    return settings().webhook_grace_s * 1000


@cache
def stellar_poll() -> Poll | None:
    """Prepare to read what has arrived on Stellar, if that is configured."""
    from tallystick.adapters.dynamo.cursors import DynamoCursors
    from tallystick.adapters.providers.stellar.horizon import HorizonPayments

    setting = settings().providers.get(Provider.STELLAR)
    if setting is None:
        return None
    tables("operations_table")
    payments = HorizonPayments(setting)
    return Poll(payments.name, setting.environment, payments, inbox(), queue(), DynamoCursors(), grace_ms())


@cache
def _webhook_keys() -> "WebhookKeys":
    from tallystick.adapters.providers.keys import WebhookKeys
    from tallystick.adapters.secrets import JsonSecrets

    (secret_id,) = settings().require("webhook_keys_secret")
    secrets = JsonSecrets(region())
    return WebhookKeys(lambda: secrets.read(secret_id), _truelayer_keys)


def _truelayer_keys() -> Sequence[str]:
    from tallystick.adapters.providers.truelayer.jwks import published_keys

    setting = provider_setting(Provider.TRUELAYER)
    return published_keys(setting.jwks_url or setting.trusted_jku[0])


@cache
def _provider_keys() -> Callable[[], Mapping[str, Mapping[str, str]]]:
    from tallystick.adapters.caching import Fetched
    from tallystick.adapters.secrets import JsonSecrets

    (secret_id,) = settings().require("provider_keys_secret")
    secrets = JsonSecrets(region())
    return Fetched(lambda: secrets.read(secret_id)).value
