"""Let admins see where a provider's books and ours differ, and fetch what an event should have told."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tallystick.domain.callers import Caller, Role
from tallystick.domain.differences import Difference
from tallystick.domain.errors import IllegalTransition, NotFound, TooMuchContention
from tallystick.domain.inbox import EventState, InboxEvent
from tallystick.domain.provider_matching import Match
from tallystick.domain.webhooks import Environment, Provider
from tallystick.services.admin import Admin
from tallystick.services.ports.agenda import Queue
from tallystick.services.ports.paging import Page
from tallystick.services.ports.provider_records import BroughtEvents, Differences, FetchedEvent, ProviderRecords


@dataclass(frozen=True, slots=True)
class Fetching:
    """Hold what fetching needs: the differences, providers' books, and where events go."""

    differences: Differences
    records_of: Callable[[Provider], ProviderRecords | None]
    environments: Mapping[Provider, Environment]
    inbox: BroughtEvents
    queue: Queue
    grace_ms: int


def list_open(
    *,
    differences: Differences,
    caller: Caller,
    limit: int,
    after: str | None,
    provider: Provider | None,
    match: Match | None,
) -> Page[Difference]:
    """List differences, the oldest first; with a provider or class a page may hold fewer. For ADMIN.

    Raises:
        Forbidden: no ADMIN.
    """
    caller.require(Role.ADMIN)
    return differences.listed(limit, after, provider, match)


def fetch(*, fetching: Fetching, admin: Admin, difference_id: str) -> InboxEvent:
    """Ask a provider for the facts that we miss, and let them in as its event would be; once. For ADMIN.

    Raises:
        Forbidden, NotFound: no ADMIN, no such difference, or it is gone.
        IllegalTransition: it is another kind of difference.
        ProviderUnavailable, ProviderRefused: the provider does not tell.
        TooMuchContention: not now.
    """
    admin.caller.require(Role.ADMIN)
    difference = fetching.differences.get(difference_id)
    if difference is None:
        raise NotFound("difference")
    records = fetching.records_of(difference.provider)
    if difference.match is not Match.MISSING_WEBHOOK or difference.record is None or records is None:
        raise IllegalTransition("Only what an event should have told can be fetched.", state=difference.match)
    event = _event(fetching, difference.provider, records.event_for(difference.record), admin.now_ms)
    record = admin.record(difference_id, "provider-record-fetched", inbox_key=event.inbox_key)
    stored = event if fetching.inbox.bring(event, record) else fetching.inbox.get(event.inbox_key)
    if stored is None:
        raise TooMuchContention("The event met another one; send the same request again.")
    if stored.state is EventState.OPEN:
        fetching.queue.send([stored.inbox_key])
    return stored


def _event(fetching: Fetching, provider: Provider, fetched: FetchedEvent, now_ms: int) -> InboxEvent:
    return InboxEvent(
        provider=provider,
        environment=fetching.environments[provider],
        external_id=fetched.external_id,
        body=fetched.body,
        headers={},
        query=fetched.query,
        received_at_ms=now_ms,
        due_at_ms=now_ms + fetching.grace_ms,
    )
