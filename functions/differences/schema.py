"""How differences between a provider's books and ours are shown."""

from typing import Annotated

from pydantic import BaseModel, Field

from tallystick.domain.differences import Difference
from tallystick.domain.inbox import EventState, InboxEvent
from tallystick.domain.provider_matching import Match
from tallystick.domain.provider_records import Direction
from tallystick.domain.times import to_rfc3339
from tallystick.domain.webhooks import Provider
from tallystick.paging import encode_cursor
from tallystick.services.ports.paging import Page
from tallystick.shapes import Time


class DifferenceView(BaseModel, populate_by_name=True):
    """Show what does not agree; amounts are in words, for people."""

    difference_id: str
    provider: Provider
    class_: Annotated[Match, Field(alias="class")]
    direction: Direction
    record_id: Annotated[str, Field(description="The provider's id of the payment, refund or payout.")]
    flow_id: Annotated[str | None, Field(description="The deposit or withdrawal, if it belongs to one.")]
    ours: str
    theirs: str
    first_seen_at: Time
    last_seen_at: Time

    @classmethod
    def of(cls, difference: Difference) -> "DifferenceView":
        """Show a difference as it was last seen."""
        return cls(
            difference_id=difference.difference_id,
            provider=difference.provider,
            class_=difference.match,
            direction=difference.wanted.direction,
            record_id=difference.wanted.record_id,
            flow_id=difference.flow_id,
            ours=difference.ours,
            theirs=difference.theirs,
            first_seen_at=to_rfc3339(difference.first_seen_ms),
            last_seen_at=to_rfc3339(difference.last_seen_ms),
        )


class DifferenceList(BaseModel):
    """Show a page of differences, the oldest first."""

    items: list[DifferenceView]
    next_cursor: str | None

    @classmethod
    def of(cls, page: Page[Difference]) -> "DifferenceList":
        """Show a page."""
        return cls(items=[DifferenceView.of(one) for one in page.items], next_cursor=encode_cursor(page.next_key))


class FetchedView(BaseModel):
    """Show the event that was fetched; when it is dead, the dead letter says why."""

    difference_id: str
    external_id: str
    state: EventState
    dead_letter_id: str | None

    @classmethod
    def of(cls, difference_id: str, event: InboxEvent) -> "FetchedView":
        """Show an event as it stands."""
        return cls(
            difference_id=difference_id,
            external_id=event.external_id,
            state=event.state,
            dead_letter_id=event.dead_letter_id if event.dead_at_ms is not None else None,
        )
