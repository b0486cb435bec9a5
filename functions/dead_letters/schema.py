"""How dead letters are shown, and what admins say about them."""

import base64
from typing import Annotated

from pydantic import BaseModel, Field, StrictBool

from tallystick.domain.callers import Caller
from tallystick.domain.inbox import EventState, InboxEvent
from tallystick.domain.times import to_rfc3339
from tallystick.domain.webhooks import Provider
from tallystick.paging import encode_cursor
from tallystick.services.dead_letters import Preview
from tallystick.services.ports.paging import Page
from tallystick.shapes import StrictModel, Time, TransferView

AcceptAmount = Annotated[StrictBool, Field(description="Credit what has arrived, though it is not what was ordered.")]


class RedriveRequest(StrictModel):
    """Process a dead letter anew."""

    accept_amount: AcceptAmount = False


class ResolveRequest(StrictModel):
    """Close a dead letter; the notes are kept in the audit."""

    notes: Annotated[str, Field(min_length=1, max_length=1000, pattern=r"\S")]


class DeadLetterView(BaseModel):
    """Show an event that could not be processed; OPEN and DONE after a redrive."""

    dead_letter_id: str
    provider: Provider
    external_id: str
    state: EventState
    reason: str | None
    detail: str | None
    attempts: int
    received_at: Time
    dead_at: Time
    notes: str | None
    transfers: Annotated[list[str], Field(description="What was posted for it, once it was processed.")]

    @classmethod
    def of(cls, event: InboxEvent) -> "DeadLetterView":
        """Show an event as it stands."""
        return cls(**_members(event))


class DeadLetterDetail(DeadLetterView):
    """Show an event with its payload and the headers that prove where it came from."""

    payload: Annotated[str, Field(description="The body as it came; base64 when it is not UTF-8.")]
    payload_encoding: str
    headers: dict[str, str]

    @classmethod
    def of(cls, event: InboxEvent) -> "DeadLetterDetail":
        """Show an event as it stands, with its payload."""
        try:
            payload, encoding = event.body.decode(), "utf-8"
        except UnicodeDecodeError:
            payload, encoding = base64.b64encode(event.body).decode(), "base64"
        return cls(**_members(event), payload=payload, payload_encoding=encoding, headers=dict(event.headers))


class DeadLetterList(BaseModel):
    """Show a page of dead letters, newest first."""

    items: list[DeadLetterView]
    next_cursor: str | None

    @classmethod
    def of(cls, page: Page[InboxEvent]) -> "DeadLetterList":
        """Show a page."""
        return cls(items=[DeadLetterView.of(event) for event in page.items], next_cursor=encode_cursor(page.next_key))


class PreviewView(BaseModel):
    """Show what a redrive would move now; or, with a reason, why it would fail."""

    transfers: list[TransferView]
    reason: str | None
    detail: str | None

    @classmethod
    def of(cls, preview: Preview, caller: Caller) -> "PreviewView":
        """Show a preview."""
        views = [TransferView.of(transfer, caller) for transfer in preview.transfers]
        return cls(transfers=views, reason=preview.reason, detail=preview.detail)


def _members(event: InboxEvent) -> dict[str, object]:
    return {
        "dead_letter_id": event.dead_letter_id,
        "provider": event.provider,
        "external_id": event.external_id,
        "state": event.state,
        "reason": event.reason,
        "detail": event.detail,
        "attempts": event.attempts,
        "received_at": to_rfc3339(event.received_at_ms),
        "dead_at": to_rfc3339(event.dead_at_ms or 0),
        "notes": event.notes,
        "transfers": list(event.transfers),
    }
